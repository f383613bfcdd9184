"""Kimodo (NVIDIA): text and constraints to motion by two transformers in sequence."""
