"""What commands that take a motion and make a motion have in common: options, reading, writing."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest, KinetypeError, ModelAbsent
from ..motion.io import formats
from ..wire import limits
from . import console

if TYPE_CHECKING:
    from ..motion.convert import Clip
    from ..wire.messages import Motion, Request, Result
    from .outputs import SampleOutputs

MIN_FPS, MAX_FPS = 1, 240


def add_files(parser: argparse.ArgumentParser) -> None:
    """The motion that goes in and the files that come out."""
    parser.add_argument("input", type=Path, metavar="IN", help=f"motion file ({readable()})")
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help=f"file to write ({written()}); repeatable",
    )
    add_bvh_unit(parser)


def add_reading(
    parser: argparse.ArgumentParser, *, fps: str = "--source-fps", sample: str = "--sample"
) -> None:
    """How motion files are read; :func:`read_clip` takes the values.

    Args:
        fps, sample: older names that a command also takes.
    """
    parser.add_argument(
        *dict.fromkeys((fps, "--source-fps")),
        dest="source_fps",
        type=float,
        help="frame rate where the file does not say it, or says it wrongly",
    )
    parser.set_defaults(rate_option=fps)
    parser.add_argument("--up", metavar="AXIS", help="y, z, -y or x (default: measured)")
    parser.add_argument(
        "--force", action="store_true", help="read also what does not look like a body"
    )
    parser.add_argument(
        *dict.fromkeys((sample, "--sample")),
        dest="sample",
        type=int,
        metavar="K",
        help="which motion of a file that holds several, from 0 (default: the first; 'convert' "
        "into a folder takes all)",
    )


def read_clip(path: Path, options: argparse.Namespace) -> Clip:
    """A motion file as the options of :func:`add_reading` say.

    Raises:
        InvalidRequest: a rate or an axis that there is none of. FormatError: see
            :func:`backend.motion.io.load.read_clip`.
    """
    check_fps(options.source_fps, options.rate_option)
    from ..motion.io import load

    return load.read_clip(
        path,
        fps=options.source_fps,
        up=options.up,
        force=options.force,
        sample=options.sample,
    )


def readable() -> str:
    """Suffixes of files that are read, for help texts."""
    return " ".join(formats.readable())


def written() -> str:
    """Suffixes of files that are written, for help texts."""
    return " ".join((*formats.writable(), *formats.of_blender()))


def add_bvh_unit(parser: argparse.ArgumentParser) -> None:
    """The unit of written .bvh files."""
    parser.add_argument(
        "--bvh-unit", metavar="UNIT", default="m", help="m or cm, of a .bvh (default %(default)s)"
    )


def check_bvh_unit(unit: str) -> str:
    """The unit; :class:`InvalidRequest` when there is none of that name."""
    from ..motion.io.bvh import UNITS

    if unit not in UNITS:
        raise InvalidRequest(f"There is no unit {unit!r}.", f"Use one of: {', '.join(UNITS)}.")
    return unit


def add_sampling(parser: argparse.ArgumentParser, *, sampler: str = "the model's") -> None:
    """How a diffusion model samples; ``sampler`` is the default, for the help."""
    parser.add_argument(
        "--guidance-scale",
        type=float,
        metavar="SCALE",
        help="how closely to follow the prompt (default: the model's)",
    )
    parser.add_argument("--steps", type=int, help="denoising steps (default: the model's)")
    parser.add_argument(
        "--sampler", metavar="NAME", help=f"{' or '.join(limits.SAMPLERS)} (default: {sampler})"
    )


def add_quality(parser: argparse.ArgumentParser) -> None:
    """``--quality``."""
    parser.add_argument(
        "--quality",
        choices=limits.QUALITIES,
        default="standard",
        help="guidance, steps and sampler by name; 'kinetype models' says which a model has "
        "(default %(default)s)",
    )


def add_rest(parser: argparse.ArgumentParser, *, model: str, model_help: str, new: str) -> None:
    """Seed, model and how the command runs.

    Args:
        model: the default.
        model_help: which models will do.
        new: which frames the foot lock is for ("filled").
    """
    parser.add_argument("--seed", type=int, default=0, help="same seed, same motion (default 0)")
    parser.add_argument("--model", default=model, help=f"{model_help} (default %(default)s)")
    add_reading(parser, fps="--fps")
    parser.add_argument(
        "--no-cleanup", action="store_true", help=f"leave out the foot lock of {new} frames"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 or mps (default: the best there is)")
    add_network(parser)
    parser.add_argument("--no-overwrite", action="store_true", help="fail where a file is there")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def add_network(parser: argparse.ArgumentParser) -> None:
    """What a command may fetch."""
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument(
        "--download",
        action="store_true",
        help="fetch the model first where it is not on this computer; its licence is told",
    )


def fetch(model: str, *, quiet: bool = False) -> None:
    """Download a published model, with its licence told before and a bar of bytes.

    Raises:
        KinetypeError: what went wrong, in the words of its cause.
    """
    from ..pipelines.registry import model_info
    from ..service.library import Librarian
    from ..wire.model_words import download_text, licence_text
    from ..wire.tasks import ModelTask

    info = model_info(model)
    if info is not None and info.hub_id:
        console.note(f"{info.title}: {download_text(info)}, from huggingface.co/{info.hub_id}")
        console.note(f"Licence: {licence_text(info)}")
    with console.ProgressBars(quiet=quiet) as bars:
        done = Librarian().run(ModelTask("cli", "download", model), bars.update)
    console.note(done.text)


def ask(options: argparse.Namespace, request: Request) -> Result:
    """The engine's answer to a request, with progress bars; its warnings are printed."""
    if options.offline:
        # read by huggingface_hub when it is imported
        os.environ["HF_HUB_OFFLINE"] = "1"
    from ..service import verbs
    from ..service.engine import Engine

    engine = Engine(device=options.device)
    if options.download:
        try:
            verbs.check(request)
        except ModelAbsent as absent:
            fetch(absent.detail, quiet=getattr(options, "quiet", False))
    with console.ProgressBars(quiet=getattr(options, "quiet", False)) as bars:
        result = engine.run(request, bars.update)
    for text in result.warnings:
        console.warning(text)
    return result


def check_fps(fps: float | None, option: str = "--fps") -> None:
    """:class:`InvalidRequest` for a frame rate that no motion has."""
    if fps is not None and not MIN_FPS <= fps <= MAX_FPS:
        raise InvalidRequest(
            f"{option} {fps:g} is out of range.", f"Choose from {MIN_FPS} to {MAX_FPS}."
        )


def read_motion(path: Path, options: argparse.Namespace) -> Motion:
    """A motion file in motion_135; what its reading doubts and its conversion loses is told."""
    from ..motion import convert
    from ..motion.io import npz
    from ..wire.messages import Motion

    clip = read_clip(path, options)
    for text in clip.warnings:
        console.warning(f"{path.name}: {text}")
    if clip.representation != "motion135":
        clip = convert.convert(clip.data, clip.representation, "motion135", fps=clip.fps)
        for step in clip.lossy_steps:
            console.note(f"{path.name}: {step.name} loses {step.loses}")
    # what an edit tells of the motion that it began with
    told = npz.read_notes(path) if path.suffix.lower() == ".npz" else {}
    return Motion(clip.data, clip.fps, {**told, "source": path.name})


def write_motions(
    made: Iterable[tuple[Motion, SampleOutputs]], *, quiet: bool, bvh_unit: str = "m"
) -> None:
    """Write the files of every motion and print their paths, plain ones first.

    Every file that can be written is, even where another one fails.

    Raises:
        KinetypeError: the first failure.
    """
    from . import blender, outputs

    failed: list[KinetypeError] = []
    made = list(made)
    for motion, files in made:
        for path in files.motion_files:
            try:
                outputs.write_motion(path, motion, unit=bvh_unit)
                print(path, flush=True)
            except KinetypeError as error:
                failed.append(error)
    for motion, files in made:
        if files.blender_files:
            try:
                blender.export(motion, files.blender_files, quiet=quiet)
                print(*files.blender_files, sep="\n", flush=True)
            except KinetypeError as error:
                failed.append(error)
    outputs.raise_first(failed)
