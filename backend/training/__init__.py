"""Datasets, losses and the trainer."""
