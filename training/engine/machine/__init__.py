"""The machines that a run is trained and scored on."""
