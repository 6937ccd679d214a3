"""One exporter per task: the wire around its networks, and how its graphs are written and proven."""
