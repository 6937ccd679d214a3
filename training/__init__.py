"""Trains the multimodal networks: data sets, models, losses and the training commands."""
