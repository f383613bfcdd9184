"""``kinetype describe``: motion files to sentences."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from . import console

if TYPE_CHECKING:
    import numpy as np

HELP = "say in words what happens in motion files"
DEFAULT_MODEL = "motiongpt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="motion file (.npz .bvh .npy)"
    )
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
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
    if options.offline:
        # read by huggingface_hub when it is imported
        os.environ["HF_HUB_OFFLINE"] = "1"
    from ..pipelines import registry

    kind = registry.kind_of(_place(options.model), local_files_only=options.offline)
    if not hasattr(registry.pipeline_class(kind), "describe"):
        raise InvalidRequest(
            f"The model {options.model!r} makes motions but cannot describe them.",
            f"Use MotionGPT: --model {DEFAULT_MODEL}, or the folder of one.",
        )
    pipeline = registry.load_pipeline(
        options.model, device=options.device, local_files_only=options.offline
    )
    texts = pipeline.describe(  # type: ignore[attr-defined]
        motions, with_length=options.with_length, on_warning=console.warning
    )
    for path, text in zip(options.files, texts, strict=True):
        if options.json:
            print(json.dumps({"file": str(path), "text": text}, ensure_ascii=False))
        else:
            print(f"{path}: {text}" if len(texts) > 1 else text)
    return 0


def _place(model: str) -> str:
    from ..pipelines import registry

    registry.check(model)
    info = registry.model_info(model)
    return model if info is None else info.hub_id or info.path


def _read(path: Path, fps: float | None) -> np.ndarray:
    from ..motion import convert
    from ..motion.io.load import read_clip

    clip = read_clip(path, fps=fps)
    return convert.convert(clip.data, clip.representation, "hml263", fps=clip.fps).data
