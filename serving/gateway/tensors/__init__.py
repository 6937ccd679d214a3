"""What tensors hold: checks of what came, and forms of what goes back that Triton computes outside its models."""
