"""The steps behind a network: labels, overlays, summaries and strips."""
