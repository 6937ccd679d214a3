"""Weights of others: official CEN checkpoints and ImageNet."""
