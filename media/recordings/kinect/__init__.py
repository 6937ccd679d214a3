"""Azure Kinect recordings: Matroska files with tracks of colour and depth and the device's calibration."""
