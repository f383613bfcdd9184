"""Motion mathematics: rotations, skeleton, representations, clean-up and file formats; no models."""
