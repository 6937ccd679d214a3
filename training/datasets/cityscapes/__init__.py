"""Cityscapes: street scenes of a stereo camera, their classes, their disparity, and the folders they lie in."""
