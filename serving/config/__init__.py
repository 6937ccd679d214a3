"""What can be chosen for a server: settings, and the limits of every request."""
