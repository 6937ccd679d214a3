"""Segmentation: images of several modalities in, one class per pixel out."""
