"""MoMask (Guo et al., CVPR 2024): residual motion tokens and two masked transformers."""
