"""``kinetype convert-checkpoint mdm``: a released MDM checkpoint to a model folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArtifactError, InternalError, InvalidRequest
from . import console

if TYPE_CHECKING:
    from ..store.model_folder import Stats

HELP = "MDM: model000….pt and the args.json beside it"

_STATS_NAMES = (("Mean.npy", "Std.npy"), ("mean.npy", "std.npy"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "checkpoint", type=Path, help="model*.pt, or its folder (the latest is taken then)"
    )
    parser.add_argument("out", help="folder to make")
    parser.add_argument(
        "--clip",
        "--text-encoder",
        dest="text_encoder",
        type=Path,
        metavar="DIR",
        help="folder of the text encoder to put in: CLIP ViT-B/32, or DistilBERT for decoder "
        "releases (default: none, it is then looked for by name)",
    )
    parser.add_argument(
        "--mean", type=Path, help="Mean.npy of the training data (default: beside the checkpoint)"
    )
    parser.add_argument("--std", type=Path, help="Std.npy of the training data")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="generate with checkpoint and folder and compare; nothing is kept if they differ",
    )
    parser.add_argument(
        "--verify-steps", type=int, metavar="N", help="denoising steps of --verify (default 50)"
    )
    parser.add_argument("--name", help="name to show (default: the checkpoint's folder)")
    parser.add_argument("--licence", default="", help="licence to show")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")


def run(options: argparse.Namespace) -> int:
    """Read, write, compare, and only then give the folder its name."""
    from ..models.mdm import load_upstream
    from ..models.mdm.release import ARGS, find_checkpoint
    from ..pipelines.mdm import folder as mdm_artifact
    from ..pipelines.mdm import verify as mdm_verify
    from ..store.new_folder import new_folder

    if options.verify_steps is not None and options.verify_steps < 1:
        raise InvalidRequest(f"--verify-steps {options.verify_steps}.", "Give at least 1.")
    checkpoint = find_checkpoint(options.checkpoint.expanduser())
    net = load_upstream(checkpoint)
    mdm_artifact.check_text_to_motion(net.config, str(checkpoint.parent / ARGS))
    stats = _statistics(options, checkpoint.parent, net.config.features)
    encoder = _encoder(options.text_encoder, net.config.text_encoder)
    config = mdm_artifact.MDMPipelineConfig.of(
        net.config,
        name=options.name or checkpoint.absolute().parent.name,
        licence=options.licence,
        description=f"Converted from {checkpoint.name}.",
    )
    sources = (checkpoint, options.text_encoder, options.mean, options.std)
    with new_folder(options.out, overwrite=options.overwrite, sources=sources) as folder:
        mdm_artifact.save(folder, config, net.state_dict(), stats, encoder)
        if options.verify:
            steps = options.verify_steps or mdm_verify.DEFAULT_STEPS
            difference = mdm_verify.largest_difference(
                net, folder, encoder, stats=stats, steps=steps
            )
            print(f"max-abs-diff = {difference}", flush=True)
            if difference != 0:
                raise InternalError(
                    "The converted model does not make the same motions; it was not kept.",
                    "Please report this.",
                )
    if stats is None:
        console.warning(
            f"No training statistics: put Mean.npy and Std.npy of the training data into "
            f"{options.out} before it can make motions (or convert again with --mean and --std)."
        )
    if encoder is None and net.config.text_encoder != "minilm":
        console.note("Text encoder not included (--clip): it will be looked for by name.")
    print(options.out)
    return 0


def _statistics(options: argparse.Namespace, beside: Path, dim: int) -> Stats | None:
    from ..pipelines.humanml3d import statistics as hml_statistics

    if (options.mean is None) != (options.std is None):
        raise InvalidRequest("--mean and --std belong together.", "Give both or neither.")
    if options.mean is not None:
        return hml_statistics.read(options.mean.expanduser(), options.std.expanduser(), dim)
    for mean, std in _STATS_NAMES:
        if (beside / mean).is_file() and (beside / std).is_file():
            return hml_statistics.read(beside / mean, beside / std, dim)
    return None


def _encoder(folder: Path | None, kind: str) -> Any:
    if folder is None:
        return None
    from ..text import clip, distilbert

    homes: dict[str, Any] = {"clip": clip, "bert": distilbert}
    if kind not in homes:
        raise InvalidRequest(
            f"The checkpoint reads captions with {kind}, which comes with Kinetype.",
            "Leave out --clip.",
        )
    place, home = folder.expanduser(), homes[kind]
    if not home.has_weights(place):
        raise ArtifactError(
            f"{place} holds no {'DistilBERT' if kind == 'bert' else 'CLIP'} text encoder.",
            f"Give a folder with the files of {home.HUB_ID}.",
        )
    load = home.DistilBertEncoder.load if kind == "bert" else home.ClipTextEncoder.load
    return load(place)
