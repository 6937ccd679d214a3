"""What tensors hold: their elements in JSON and as bytes, what these may be, and the largest of them."""
