"""Features of videos and images that extractors left in files."""
