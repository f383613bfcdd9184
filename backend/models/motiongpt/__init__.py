"""Networks of MotionGPT: the motion VQ-VAE and the T5 language model."""
