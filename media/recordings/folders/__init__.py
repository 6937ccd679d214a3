"""Recordings that are folders of images: 7-Scenes, ICL-NUIM, Redwood, TUM, and pairs of files with one name."""
