"""The commands of `crosswire` that train, one file each."""
