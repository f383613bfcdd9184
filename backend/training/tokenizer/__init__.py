"""Training of the motion tokenizer (VQ-VAE)."""
