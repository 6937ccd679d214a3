"""Batches without a server: the exported graph in workers of this machine or of a Ray cluster, stores in and out."""
