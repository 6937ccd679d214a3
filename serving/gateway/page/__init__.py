"""The page at `/`, for a browser."""
