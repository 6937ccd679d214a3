"""Many inputs to many answers, in one run that may be killed and taken up again."""
