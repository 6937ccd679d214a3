"""Images for people: class colours over an image, depth in colours, a contact sheet."""
