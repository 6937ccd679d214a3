"""Images and clips as steps read and write them."""
