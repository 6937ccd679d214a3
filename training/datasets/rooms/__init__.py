"""Rooms: furnished rooms, ray-cast in numpy, in which neither colour nor depth is enough alone.

``render(seed, index)`` gives a ``Room``: registered colour, depth and labels, and on demand normals, shading, texture
edges, occlusion edges, curvature and classes in colours. Nothing is stored and nothing is downloaded; the same
arguments always give the same arrays.

    room = render(seed=0, index=17)
    room.rgb, room.depth, room.labels, room.domain("normal")

What the classes ask of a network:

* door, picture, window and rug lie exactly in the plane of a wall or the floor: depth cannot show them.
* cabinet, table, sofa, column and ball draw their materials from one source, often from the walls' own: colour does not
  name them, shape does.
* floor, wall and ceiling are what is left, in any material.

What the sensors do to it:

* A third of the rooms is dark: noise drowns the colour picture, depth is good.
* In a quarter a third to a half of the depth map is missing, light is good.
* Depth is lost where a structured-light sensor loses it: beyond its range, at grazing angles, on gloss and black, in
  the strip that the projector cannot see beside a nearer surface. Its noise grows with the square of the range.

A room is a frozen ``Scene`` drawn by ``sampling`` (with ``furnishing``); ``intersect`` finds what every
pixel sees, ``materials`` and ``decals`` paint it, ``lighting`` lights it, ``sensor`` takes the two pictures, and
``domains`` makes the others. The scene does not depend on the size of the picture.
"""

from crosswire.training.datasets.rooms.classes import CLASSES, PALETTE
from crosswire.training.datasets.rooms.room import DOMAINS, Room, render

__all__ = ["CLASSES", "DOMAINS", "PALETTE", "Room", "render"]
