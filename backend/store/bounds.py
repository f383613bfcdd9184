"""What files of a model may claim, in one table: checked before anything is built from a claim.

Each bound is far beyond every published model and far below what a computer cannot hold.
"""

from __future__ import annotations

MAX_CONFIG_BYTES = 1_000_000
"""Of a JSON file that describes a model; the largest published one has 40 kB."""
MAX_HEADER_BYTES = 8_000_000
"""Of the list of tensors at the beginning of a safetensors file: about 60,000 tensors."""
_LAYERS, _WIDTH, _ROWS = (0, 256), (0, 65_536), (0, 1_000_000)
CONFIG_BOUNDS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("depth", "layers", "num_layers", "num_decoder_layers", "n_layers"), _LAYERS),
    **dict.fromkeys(("width", "latent_dim", "ff_dim", "ff_size", "d_model", "d_ff"), _WIDTH),
    **dict.fromkeys(("stem_width", "context_width", "heads", "num_heads", "d_kv"), _WIDTH),
    **dict.fromkeys(("vocab_size", "codes", "max_frames", "num_frames", "num_actions"), _ROWS),
    "fps": (1.0, 1000.0),
}
"""Smallest and largest value of an entry of that name, in whichever section of a configuration."""
