"""Taskonomy: read, check and write its layout."""
