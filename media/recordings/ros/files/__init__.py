"""Files of ROS as topics and messages."""
