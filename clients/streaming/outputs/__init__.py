"""Results of a stream as files: video, ROS 2 recording, labelled point clouds, Rerun, table."""
