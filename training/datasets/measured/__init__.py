"""What is measured on a folder of a user's own frames: settings, and mistakes that no single file shows."""
