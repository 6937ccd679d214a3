"""Pictures into pictures: one or several domains in, one or several out."""
