"""Exported networks become a Triton repository."""
