"""Fewer bits: precisions, the 8-bit quantiser, and the search for layers that stay in float."""
