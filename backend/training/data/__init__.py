"""Datasets: builders, captions and batches."""
