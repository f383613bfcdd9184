"""What files of a model may claim, in one table: checked before anything is built from a claim.

Each bound is far beyond every published model and far below what a computer cannot hold.
"""

from __future__ import annotations

MAX_CONFIG_BYTES = 1_000_000
"""Of a JSON file that describes a model; the largest published one has 40 kB."""
MAX_HEADER_BYTES = 8_000_000
"""Of the list of tensors at the beginning of a safetensors file: about 60,000 tensors."""
MAX_LAYERS = 256
MAX_WIDTH = 65_536
"""Channels, feed-forward widths, heads and whatever else sizes a matrix."""
MAX_WORDS = 1_000_000
"""Rows of a table: words, codes, positions, actions, frames."""
MIN_FPS, MAX_FPS = 1.0, 1000.0
