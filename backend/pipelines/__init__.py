"""Pipelines: one file per model, found by name through ``registry`` and imported on use."""
