"""Many inputs to many results, in one run that may be killed and taken up again."""
