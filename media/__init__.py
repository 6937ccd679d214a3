"""What several rooms do with pictures, label maps and clips, written once; needs numpy, and PyAV to read clips."""
