"""What files of strangers may claim and take, in one table: checked before anything is built.

Each bound is far beyond every published file and far below what a computer cannot hold. Where a
size is a multiple of the file's own, a few bytes cannot become gigabytes.
"""

from __future__ import annotations

# ---------------------------------------------------------------- time and memory of one reading

READ_SECONDS = 10.0
"""Longest reading of a pickle, beside :data:`SECONDS_PER_BYTE`; its process is killed then."""
SECONDS_PER_BYTE = 1 / 50e6
"""More time for large files: slow disks read 50 MB a second."""
START_SECONDS = 60.0
"""Until the process that reads pickles answers: a cold disk is slow."""
IDLE_SECONDS = 60.0
"""After which the process that reads pickles ends."""
CHILD_MEMORY, CHILD_MEMORY_TIMES = 2**28, 16
"""Memory of that process beyond its own: so many bytes, and so many times the pickle's size."""

# ---------------------------------------------------------------- pickles

MAX_PICKLE_BYTES = 2**31
"""Largest pickle that is read; the body models are below 1 GB."""
MAX_JOBLIB_BYTES = 2**30
"""What a compressed one of joblib may unpack to."""
PICKLE_TIMES, PICKLE_FREE = 8, 2**26
"""What may be made of a pickle: a multiple of its size (a digit can become a float64), and 64 MB
more (a sparse joint regressor is 5 MB when dense)."""
MAX_OPERATIONS = 20_000_000
"""Of a pickle: those of a million words are three million."""
MAX_DEPTH = 64
"""Lists in lists: the dimensions of an array of NumPy."""
MAX_KEY_PARTS = 64
"""Parts of a tuple that is a key, those of the tuples in it included."""
MAX_OTHER_KEYS = 10_000
"""Keys of a pickle that are no texts: even if all collide, that is a second. Hashes of texts are
random, so their number is not limited."""
WALK_TIMES, WALK_FREE = 20, 100_000
"""Parts that a walk through the content may meet: so many an opcode, and some more."""

# ---------------------------------------------------------------- archives and arrays

MAX_ARRAY_BYTES = 2 * 2**30
"""What a file of arrays may hold unpacked: an hour of AMASS at 120 fps is a quarter of it."""
UNPACKED_TIMES, UNPACKED_FREE = 100, 2**28
"""The same as a multiple of its size, and 256 MB more: a still body packs well."""
MAX_LISTING_BYTES = 16_000_000
"""Of the list of members at the end of a zip archive: about 200,000 of them."""
MAX_INDEX_BYTES = 2**28
"""Of the pickle inside a PyTorch archive: names and shapes of a hundred thousand tensors are
20 MB."""
TENSORS_TIMES, TENSORS_FREE = 4, 2**26
"""What an archive may unpack to and its tensors may claim, as averages and tied weights are named
twice: a multiple of the file's size, and 64 MB more."""
MAX_HEADER_BYTES = 8_000_000
"""Of the list of tensors at the beginning of a safetensors file: about 60,000 tensors."""

# ---------------------------------------------------------------- motions

MIN_FPS, MAX_FPS = 0.5, 5_000.0
"""Frame rates of motions: time lapse to optical systems. Milliseconds written for seconds give
a rate of 0.03."""
MAX_FRAMES = 500_000
"""Of one motion, as read and at any other rate: 69 minutes at 120 fps, 4.6 hours at 30."""
MAX_JOINTS = 1_000
"""Of one skeleton: bodies with fingers and faces have 200."""
MAX_BVH_BYTES = 2**30
"""An hour of 100 joints at 120 fps."""
BVH_TIMES, BVH_FREE = 16, 2**26
"""What the joints of a BVH may take at all frames: a multiple of its size, as joints without
channels take memory too, and 64 MB more."""

# ---------------------------------------------------------------- models

MAX_CONFIG_BYTES = 1_000_000
"""Of a JSON file that describes a model; the largest published one has 40 kB."""
MAX_YAML_BYTES = 100_000
"""The same as YAML, whose reader is slow."""
MAX_STEPS = 100_000
"""Of a noising process; published ones have 1000."""
MAX_SETTINGS = 10_000
"""Entries of a YAML file, those that are named again counted again."""
_LAYERS, _WIDTH, _ROWS, _SMALL = (0, 256), (0, 65_536), (0, 1_000_000), (0, 64)
_NUMBER = (-1e12, 1e12)
"""Any other number of a configuration."""
CONFIG_BOUNDS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        ("depth", "layers", "num_layers", "num_decoder_layers", "n_layers", "decoder_layers",
         "double_layers", "single_layers", "refiner_layers", "target_layers", "registers"),
        _LAYERS,
    ),
    **dict.fromkeys(
        ("width", "latent_dim", "ff_dim", "ff_size", "d_model", "d_ff", "feed_forward", "features",
         "stem_width", "context_width", "d_kv", "latent",
         "sentence", "text_hidden", "code_dim", "code_dim1d", "code_dim2d", "text_width",
         "pooled_width", "text_dim", "clip_dim", "input_dim", "detail_width", "adaln_rank",
         "input_size", "output_size", "joints", "num_joints", "channels"),
        _WIDTH,
    ),
    **dict.fromkeys(("heads", "num_heads", "n_heads", "num_attention_heads"), (1, 1024)),
    **dict.fromkeys(
        ("vocab_size", "codes", "max_frames", "num_frames", "num_actions", "min_frames", "frames",
         "nb_code", "nb_code1d", "nb_code2d", "actions", "max_positions", "context_len",
         "pred_len", "labels", "styles", "controls", "action_words", "band",
         "relative_attention_num_buckets", "train_frames",
         "relative_attention_max_distance", "narrowband_length", "eos_token_id"),
        _ROWS,
    ),
    **dict.fromkeys(("diffusion_steps", "base_steps", "num_base_steps"), (1, MAX_STEPS)),
    **dict.fromkeys(
        ("dilation_growth", "dilation_growth_rate", "num_quantizers", "mlp_ratio",
         "refiner_ratio"),
        _SMALL,
    ),
    **dict.fromkeys(("text_tokens", "num_text_tokens_override"), (0, 10_000)),
    **dict.fromkeys(("down_t",), (0, 8)),
    **dict.fromkeys(("stride_t",), (1, 16)),
    **dict.fromkeys(("patch_frames",), (1, 1024)),
    **dict.fromkeys(("guidance_scale", "guidance_param", "step_power"), (-1000.0, 1000.0)),
    "fps": (1.0, 1000.0),
}  # fmt: skip
"""Smallest and largest value of an entry of that name, in whichever section of a configuration."""


def check_number(name: str, value: object) -> None:
    """Raise :class:`ValueError` for a number beyond what an entry of that name may be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    low, high = CONFIG_BOUNDS.get(name, _NUMBER)
    if not low <= value <= high:
        shown = str(value)[:20] if value < 1e30 else "a number of very many digits"
        raise ValueError(f"{name} {shown} is beyond every model ({low:g} to {high:g})")
