"""The export of networks that turn images of some domains into images of others."""
