"""Retrieval of videos by images from given features, over the invariant parts of GMF."""
