"""What other libraries compute, kept in files; `make soak` computes it again."""
