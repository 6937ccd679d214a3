"""What runs the workers of an offline batch: this process, or a Ray cluster."""
