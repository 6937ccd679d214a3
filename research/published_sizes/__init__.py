"""Published parameter counts and shapes beside those of the networks built here."""
