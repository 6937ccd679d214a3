"""Serving: contracts become a Triton repository, and Triton answers pictures with pictures."""
