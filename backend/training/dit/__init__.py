"""Training of the diffusion transformer."""
