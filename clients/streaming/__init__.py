"""A sequence of RGB-D frames through a pipeline, in order and with a latency that does not grow."""
