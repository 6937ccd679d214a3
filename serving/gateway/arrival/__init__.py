"""Requests on their way in: how long, how slowly and how many of them may be incomplete."""
