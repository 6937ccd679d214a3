"""The export of networks that embed features of videos and images."""
