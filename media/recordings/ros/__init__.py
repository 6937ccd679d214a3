"""Recordings of ROS: .bag of ROS 1, .db3 and .mcap of ROS 2, and folders of these."""
