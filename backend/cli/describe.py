"""``kinetype describe``: motion files to sentences."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from . import abilities, console

if TYPE_CHECKING:
    import numpy as np

HELP = "say in words what happens in motion files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="motion file (.npz .bvh .npy)"
    )
    parser.add_argument(
        "--model",
        default=abilities.READER,
        help="a model that reads motions: name, folder or hub id (default %(default)s)",
    )
    parser.add_argument("--fps", type=float, help="frame rate of files that do not say it")
    parser.add_argument(
        "--with-length", action="store_true", help="also tell the model how long the motion is"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a file")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 or mps (default: the best there is)")
    parser.add_argument("--offline", action="store_true", help="never use the network")


def run(options: argparse.Namespace) -> int:
    """Read every file first, so that a bad one costs no loading; print one sentence a file."""
    motions = [_read(path, options.fps) for path in options.files]
    pipeline = abilities.load(options, "describe")
    texts = pipeline.describe(motions, with_length=options.with_length, on_warning=console.warning)
    for path, text in zip(options.files, texts, strict=True):
        if options.json:
            print(json.dumps({"file": str(path), "text": text}, ensure_ascii=False))
        else:
            print(f"{path}: {text}" if len(texts) > 1 else text)
    return 0


def _read(path: Path, fps: float | None) -> np.ndarray:
    from ..motion import convert
    from ..motion.io.load import read_clip

    clip = read_clip(path, fps=fps)
    return convert.convert(clip.data, clip.representation, "hml263", fps=clip.fps).data
