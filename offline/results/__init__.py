"""What an offline batch leaves: images of each item, and a table in parts that are there as a whole or not at all."""
