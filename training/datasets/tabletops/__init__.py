"""Tabletops: a table with things on it, ray-cast in numpy like ``rooms``, seen by one of several depth cameras.

``render(seed, index)`` gives a ``Tabletop``: registered colour, depth and labels. Nothing is stored and nothing is
downloaded; the same arguments always give the same arrays.

    tabletop = render(seed=0, index=17)
    tabletop.rgb, tabletop.depth, tabletop.labels

* On the table: boxes, cylinders, bottles, bowls, cups, plates, pots, fruits, books, cards and pens; apart, touching,
  stacked, lying, leaning and upside down; plain, patterned, printed, shiny, and now and then painted like the table.
* The table has edges that may be in view, and is uneven in a fifth of the scenes. Behind it are a floor, walls and
  boxes, all background. Legs count as table.
* The cameras look down from where a robot's head, a tripod or a hand may be, at 0.5 to 1.5 m.
* Depth is read by a camera of ``crosswire.training.datasets.sensors``. In a quarter of the scenes it is noisier than
  that, in three tenths a tenth to most of it is missing; in nearly half what is not on the table is cropped away, as in
  data sets of clouds. A tenth is too dark for the colour camera and has good depth.
* Labels are known everywhere, also where depth is missing: a missing reading gives no class away.
"""

from crosswire.training.datasets.tabletops.classes import CLASSES, PALETTE
from crosswire.training.datasets.tabletops.tabletop import Tabletop, render

__all__ = ["CLASSES", "PALETTE", "Tabletop", "render"]
