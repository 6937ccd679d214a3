"""Studies of image translation on procedural rooms."""
