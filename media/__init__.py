"""What several rooms do with images, depth, label maps and clips, written once; numpy, Pillow, PyAV for clips."""
