"""Networks that classify clips by sound and picture, with either of them missing."""
