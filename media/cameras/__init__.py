"""Cameras: how a lens maps space to pixels, how two of them stand to each other, depth moved from one to the other."""
