"""What several rooms do with pictures and label maps, written once; needs numpy alone."""
