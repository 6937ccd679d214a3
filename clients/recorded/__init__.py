"""Recordings of `crosswire.media.recordings` as what streams and batches ask about."""
