"""``kinetype train hml3d``: a dataset folder re-encoded in HumanML3D's layout."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import console

HELP = "write a dataset folder in HumanML3D's layout (263 features), for the other trainers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--data", type=Path, required=True, help="folder of 'kinetype train data'")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--captions", type=int, default=4, help="lines for each clip (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the drawing of captions")


def run(options: argparse.Namespace) -> int:
    """Re-encode and write."""
    from tqdm import tqdm

    from ..training.data import hml3d_export, text_cache
    from ..training.data.dataset import MotionDataset

    dataset = MotionDataset.load(options.data)
    known = (options.data / "text.safetensors").is_file()
    with tqdm(total=len(dataset.items), desc="clips", unit="clip") as bar:
        counts = hml3d_export.export(
            dataset,
            options.out,
            captions=options.captions,
            seed=options.seed,
            embeddings=text_cache.load(options.data) if known else None,
            on_item=lambda done, total: bar.update(done - bar.n),
        )
    console.note(f"{counts['train']} training and {counts['val']} other clips -> {options.out}")
    return 0
