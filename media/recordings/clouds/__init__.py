"""Organised point clouds as recordings: PCD and PLY whose points are the pixels of an image."""
