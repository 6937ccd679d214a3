"""Serving: contracts become a Triton repository, and Triton answers images with images."""
