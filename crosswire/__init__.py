"""Crosswire: train multimodal dense-prediction networks, freeze them into static graphs, serve them from Triton.

The rooms (`contract`, `media`, `training`, `export`, `serving`, `clients`, `offline`) are folders of their own at the
top of a checkout and packages of `crosswire` everywhere: links in this folder make one of the other, for every tool
alike.
"""

from __future__ import annotations

from pathlib import Path

__version__ = "0.1.0"

#: The folder that holds this package: what a child process must have on its PYTHONPATH to import the same code.
ROOT = str(Path(__file__).resolve().parent.parent)
