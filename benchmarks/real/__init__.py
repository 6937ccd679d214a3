"""What is measured on real frames that nobody may hand on: each takes a folder, and says so where there is none."""
