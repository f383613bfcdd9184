"""``kinetype convert-checkpoint motiongpt``: the published artifact to safetensors."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InternalError

if TYPE_CHECKING:
    from ..pipelines.motiongpt.pipeline import MotionGPTPipeline

HELP = "MotionGPT's artifact (motiongpt_s3_h3d.tar, assets, deps) to safetensors"

_CAPTIONS = ("a person walks forward.", "someone jumps twice")
_FRAMES = (80, 60)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SRC, OUT, --verify."""
    parser.add_argument("source", metavar="SRC", help="artifact folder, or hub id")
    parser.add_argument("out", type=Path, metavar="OUT", help="model folder to write")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="compare tensors, tokens and motions of both; nothing is kept if they differ",
    )
    parser.add_argument("--name", help="name to show (default: OUT's)")
    parser.add_argument("--licence", help="licence to show (default: the published model's)")
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")


def run(options: argparse.Namespace) -> int:
    """Read, write, compare, and only then give the folder its name."""
    from ..pipelines.motiongpt import folder as motiongpt_files
    from ..pipelines.motiongpt.folder import MotionGPTFiles
    from ..pipelines.motiongpt.pipeline import MotionGPTPipeline
    from ..store.new_folder import new_folder

    with new_folder(options.out, overwrite=options.overwrite) as folder:
        source = MotionGPTPipeline.from_pretrained(
            options.source, device="cpu", local_files_only=options.offline
        )
        shown = {"name": options.name or options.out.absolute().name}
        if options.licence is not None:
            shown["licence"] = options.licence
        config = replace(source.config, **shown)
        files = MotionGPTFiles(config, source.net, source.stats, source.tokenizer)
        motiongpt_files.save(folder, files)
        if options.verify:
            _verify(source, MotionGPTPipeline.from_pretrained(folder, device="cpu"))
    print(options.out)
    return 0


def _verify(one: MotionGPTPipeline, other: MotionGPTPipeline) -> None:
    ours, theirs = other.net.state_dict(), one.net.state_dict()
    difference = max(float((ours[name] - theirs[name]).abs().max()) for name in theirs)
    print(f"weights: {len(theirs)} tensors, max-abs-diff = {difference}")
    answers = [p.answer_captions(_CAPTIONS, _FRAMES, seed=0) for p in (one, other)]
    texts = [[answer.text for answer in row] for row in answers]
    print(f"generated token ids: {'equal' if texts[0] == texts[1] else 'DIFFERENT'}")
    clips = [p.decode_motions([range(0, 512, 9)])[0] for p in (one, other)]
    motion = float(abs(clips[0] - clips[1]).max())
    print(f"decoded motion: max-abs-diff = {motion}")
    ids = [p.encode_motions([clips[0]]) for p in (one, other)]
    print(f"motion token ids: {'equal' if ids[0] == ids[1] else 'DIFFERENT'}")
    if difference or motion or texts[0] != texts[1] or ids[0] != ids[1]:
        raise InternalError(
            "The converted model is not the same; it was not kept.", "Please report this."
        )
