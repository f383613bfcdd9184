"""``kinetype describe``: motion files to sentences."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..wire import limits
from . import console, motion_options

if TYPE_CHECKING:
    from ..wire.messages import Features

HELP = "say in words what happens in motion files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help=f"motion file ({motion_options.readable()})",
    )
    parser.add_argument(
        "--model",
        default="motiongpt",
        help="a model that reads motions: name, folder or hub id (default %(default)s)",
    )
    motion_options.add_reading(parser, fps="--fps")
    parser.add_argument(
        "--with-length", action="store_true", help="also tell the model how long the motion is"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a file")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 or mps (default: the best there is)")
    motion_options.add_network(parser)


def run(options: argparse.Namespace) -> int:
    """Read every file first, so that a bad one costs no loading; print one sentence a file."""
    from ..wire.messages import Describe, Request

    clips = [_read(path, options) for path in options.files]
    texts: list[str] = []
    for first in range(0, len(clips), limits.MAX_SAMPLES):
        task = Describe(tuple(clips[first : first + limits.MAX_SAMPLES]), options.with_length)
        request = Request("", describe=task, model=options.model).validated()
        texts += motion_options.ask(options, request).texts
    for path, text in zip(options.files, texts, strict=True):
        if options.json:
            print(json.dumps({"file": str(path), "text": text}, ensure_ascii=False))
        else:
            print(f"{path}: {text}" if len(texts) > 1 else text)
    return 0


def _read(path: Path, options: argparse.Namespace) -> Features:
    from ..wire.messages import Features

    clip = motion_options.read_clip(path, options)
    for text in clip.warnings:
        console.warning(f"{path.name}: {text}")
    return Features(clip.data, clip.representation, clip.fps)
