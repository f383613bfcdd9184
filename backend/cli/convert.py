"""``kinetype convert``: motion files of one representation to another."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import console
from .motion_options import add_bvh_unit, add_reading

if TYPE_CHECKING:
    from ..batch.conversion_settings import ConversionSettings
    from ..batch.workers import Workers

HELP = "convert motion files between representations"
SUMMARY = "convert_summary.json"
"""Name of the summary in the output folder."""

_ALIASES = {"bvh": ("motion135", "bvh"), "amass": ("motion135", "npz")}
"""Targets that name a file format; both hold motion_135."""


def add_arguments(parser: argparse.ArgumentParser, *, workers: bool = True) -> None:
    """Options of the command; those of who does the work are added here or by ``batch``."""
    parser.add_argument("input", type=Path, metavar="IN", help="file, or folder of files")
    parser.add_argument("output", type=Path, metavar="OUT", help="file, or folder")
    parser.add_argument(
        "--from",
        dest="source",
        default="auto",
        metavar="FORMAT",
        help="auto, amass, bvh, motion135, hml263, ms272, smplrifke205, smpl85, joints, joints66, "
        "hymotion201, dart276, babel135 (default: what each file looks like)",
    )
    parser.add_argument(
        "--to",
        dest="target",
        required=True,
        metavar="FORMAT",
        help="motion135, hml263, ms272, smplrifke205, smpl85, joints, joints66, hymotion201, "
        "dart276, babel135; bvh or amass for motion135 in such files",
    )
    parser.add_argument("--format", help="npz, npy or bvh (default: OUT's suffix, or the usual)")
    parser.add_argument("--bvh-style", default="kinetype", help="kinetype or motionstreamer")
    add_bvh_unit(parser)
    parser.add_argument("--mean", type=Path, help=".npy the inputs were normalised with")
    parser.add_argument("--std", type=Path, help=".npy the inputs were normalised with")
    add_ik(parser, default="clean")
    parser.add_argument(
        "--refine-iters", type=int, help="of inverse kinematics (default 80; 0: none)"
    )
    parser.add_argument("--refine-lr", type=float, help="(default 0.02)")
    parser.add_argument(
        "--refine-method",
        help="adam, as published, or gauss_newton, faster and closer (default adam)",
    )
    for name, what in (
        ("--floor-align", "lowest joint to y = 0 before inverse kinematics (default: yes)"),
        ("--foot-align", "lowest foot of every frame at its height (default: the preset's)"),
        ("--steady-twist", "twist of limbs goes on from frame to frame (default: no)"),
        (
            "--hinge-twist",
            "turn upper arms to their elbows; joints stay (default: the preset's)",
        ),
    ):
        parser.add_argument(name, action=argparse.BooleanOptionalAction, help=what)
    add_reading(parser)
    parser.add_argument(
        "--ground", action="store_true", help="put standing feet on the floor (motion135, joints)"
    )
    parser.add_argument("--target-fps", type=float, help="rate of OUT, for motion135 and joints")
    parser.add_argument(
        "--skip-existing", action="store_true", help="go on where an earlier run ended"
    )
    if workers:
        parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def add_ik(parser: argparse.ArgumentParser, *, default: str) -> None:
    """How rotations and 272 features come of positions; also of ``batch chain``."""
    parser.add_argument(
        "--ik",
        metavar="PRESET",
        default=default,
        help="clean, for animation, or published, for metrics as published (default %(default)s)",
    )
    parser.add_argument(
        "--bridge",
        metavar="WAY",
        default="ik",
        help="from 263 to 272: ik, or native, by the stored rotations (default %(default)s)",
    )
    parser.add_argument(
        "--skeleton",
        metavar="PATH",
        help="skeleton of 272 features: the evaluator's folder or .npy, an SMPL-X body file, or a "
        "folder of real 272 clips (default: the neutral SMPL skeleton)",
    )


def run(options: argparse.Namespace, workers: Workers | None = None) -> int:
    """Convert, print the summary as JSON; 1 when a file failed."""
    from ..batch import conversion, journal, preflight
    from ..batch.workers import Workers
    from ..motion.io import formats
    from ..wire.messages import Progress
    from .main import EXIT_FAILED

    settings = _settings(options)
    if options.output.suffix.lower() in formats.of_blender():
        return _through_blender(options, settings)
    jobs = conversion.plan(options.input, options.output, settings)
    many = options.input.is_dir() or len(jobs) > 1
    folder = options.output if many else None
    if folder:
        # outputs are about as large as their inputs
        preflight.check_space(folder, sum(job.source.stat().st_size for job in jobs))
    with console.ProgressBars(quiet=options.quiet) as bars:
        records = conversion.run(
            jobs,
            settings,
            log=folder / journal.NAME if folder else None,
            skip_existing=options.skip_existing,
            workers=workers or Workers(count=options.workers, here=True),
            on_done=lambda done, total: bars.update(Progress("", "converting", done, total)),
        )
    summary = conversion.summarise(records, settings)
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    if folder:
        _write(folder / SUMMARY, text)
    print(text, flush=True)
    return _report(summary, EXIT_FAILED)


def _through_blender(options: argparse.Namespace, settings: ConversionSettings) -> int:
    """One file onto a character in a Blender process, which is looked for before anything else."""
    from ..batch import conversion
    from ..errors import InvalidRequest
    from ..wire.messages import Motion
    from . import blender, outputs
    from .motion_options import write_motions

    if settings.target != "motion135" or options.input.is_dir():
        raise InvalidRequest(
            f"{options.output.name} is made of one motion.",
            "Name one file, and --to motion135.",
        )
    planned = outputs.plan([options.output], 1)
    blender.find()
    checked = settings.validated()
    read = conversion.read_clip(options.input, checked)
    made = conversion.convert_clip(read, checked, str(options.input))
    for text in made.warnings:
        console.warning(text)
    meta = {"source": options.input.name, "lossy_steps": [s.name for s in made.lossy_steps]}
    motion = Motion(made.data.astype("float32"), made.fps, meta)
    write_motions([(motion, planned[0])], quiet=options.quiet)
    return 0


def _settings(options: argparse.Namespace) -> ConversionSettings:
    from ..batch.conversion_settings import FORMATS, ConversionSettings

    target, file_format = _ALIASES.get(options.target, (options.target, None))
    named = options.output.suffix.lower().removeprefix(".")
    if not options.input.is_dir() and not options.output.is_dir() and named in FORMATS:
        file_format = file_format or named
    return ConversionSettings(
        target=target,
        source=options.source,
        file_format=options.format or file_format,
        mean=str(options.mean) if options.mean else None,
        std=str(options.std) if options.std else None,
        refine_iterations=options.refine_iters,
        learning_rate=options.refine_lr,
        method=options.refine_method,
        floor_align=options.floor_align,
        foot_align=options.foot_align,
        hinge_twist=options.hinge_twist,
        steady_twist=options.steady_twist,
        ik=options.ik,
        bridge=options.bridge,
        skeleton=options.skeleton,
        source_fps=options.source_fps,
        up=options.up,
        force=options.force,
        ground=options.ground,
        target_fps=options.target_fps,
        bvh_style=options.bvh_style,
        bvh_unit=options.bvh_unit,
        sample=options.sample,
    ).validated()


def _write(path: Path, text: str) -> None:
    from ..motion.io.atomic import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _report(summary: dict[str, Any], failed: int) -> int:
    warnings, failures = summary["warnings"], summary["failures"]
    for warning in warnings[:3]:
        console.note(f"warning: {warning['file']}: {warning['message']}")
    if len(warnings) > 3:
        console.note(f"... and {len(warnings) - 3} more warnings, listed in the summary")
    for failure in failures[:3]:
        console.error(failure["message"], failure["hint"])
    if len(failures) > 3:
        console.note(f"... and {len(failures) - 3} more, listed in the summary")
    return failed if failures else 0
