"""Freezing trained networks into static graphs with a contract."""
