"""The steps of pipelines: pure functions, a class that answers one request, and what drives it inside Triton."""
