"""What several rooms do with pictures, depth and label maps, written once; needs numpy and Pillow alone."""
