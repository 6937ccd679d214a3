"""Recordings and cameras of RealSense."""
