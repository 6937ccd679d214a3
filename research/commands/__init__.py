"""The sub-commands of `python -m research`, one file each."""
