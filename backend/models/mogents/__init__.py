"""MoGenTS (Yuan et al., NeurIPS 2024): two-stream motion tokens and masked transformers."""
