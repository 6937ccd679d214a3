"""Graphs that somebody else made, served like our own; nothing here needs PyTorch."""
