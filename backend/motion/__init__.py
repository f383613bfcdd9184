"""Motion mathematics: rotations, skeleton, representations, clean-up, file formats; no models."""
