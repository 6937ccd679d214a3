"""Plain REST for people and curl: pipelines, forms, OpenAPI, `/docs`."""
