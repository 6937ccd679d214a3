"""The export of networks that classify clips."""
