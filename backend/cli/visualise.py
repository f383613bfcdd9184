"""``kinetype visualise``: a motion file as an animated stick figure."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from . import console, motion_options

if TYPE_CHECKING:
    import numpy as np

HELP = "draw a motion file as an animated stick figure (GIF or MP4)"

SUFFIXES = (".gif", ".mp4")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--input",
        type=Path,
        required=True,
        help="samples of 'kinetype sample' (.npy), joints, 263 or 272 features (.npy), .npz, .bvh",
    )
    parser.add_argument("--output", type=Path, default=Path("output/motion.gif"), help=".gif .mp4")
    motion_options.add_reading(parser, fps="--fps", sample="--sample-idx")
    parser.add_argument("--title", default="", help="text above the figure")
    parser.add_argument(
        "--upside-down",
        action="store_true",
        help="for joints of HumanAct12, which point down (the released script's -1.5)",
    )
    parser.add_argument("--dpi", type=int, default=80, help="of a 5 x 6 inch picture (default 80)")
    parser.add_argument("--azim", type=float, default=0.0, help="camera turn in degrees")
    parser.add_argument("--elev", type=float, default=20.0, help="camera height in degrees")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(options: argparse.Namespace) -> int:
    """Read, draw, write."""
    from . import outputs

    suffix = options.output.suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidRequest(
            f"The output {str(options.output)!r} is no animation.", "End it in .gif or .mp4."
        )
    if not 10 <= options.dpi <= 400:
        raise InvalidRequest(f"--dpi {options.dpi} is out of range.", "Choose from 10 to 400.")
    motion_options.check_fps(options.source_fps)
    if not (math.isfinite(options.azim) and math.isfinite(options.elev)):
        raise InvalidRequest("--azim and --elev must be numbers.", "Give degrees, like 45.")
    output = options.output.expanduser()
    outputs.check_writable(output)
    joints, fps = read_joints(options.input, options)
    from ..evaluation import stick_figure
    from ..wire.messages import Progress
    from . import video

    if suffix == ".mp4":
        # before the drawing, which takes a while
        video.encoder()
    scale = stick_figure.UPSIDE_DOWN_SCALE if options.upside_down else 1.0
    scene = stick_figure.stage(joints, scale)
    with console.ProgressBars(quiet=options.quiet) as bars:
        frames = stick_figure.pictures(
            scene,
            options.title,
            dpi=options.dpi,
            view={"elev": options.elev, "azim": options.azim},
            on_frame=lambda done, total: bars.update(Progress("", "drawing", done, total)),
        )
    save = video.save_mp4 if suffix == ".mp4" else stick_figure.save_gif
    save(frames, output, fps)
    print(output, flush=True)
    return 0


def read_joints(path: Path, options: argparse.Namespace) -> tuple[np.ndarray, float]:
    """Joint positions ``[F, 22, 3]`` (Y-up) and frame rate of any file that is drawn.

    Raises:
        FormatError: unreadable, or an array of another shape.
        InvalidRequest: there is no such sample.
    """
    from ..motion.io import load
    from ..motion.position_error import joint_positions
    from ..motion.representations import joints

    as_it_is = options.up is None and not options.force
    if path.suffix.lower() == ".npy" and as_it_is:
        array = load.read_array(path)
        several = array.ndim == 4 or (array.ndim == 3 and array.shape[2] == joints.SPEC.dim)
        if several:
            sample = options.sample or 0
            if not 0 <= sample < len(array):
                raise InvalidRequest(
                    f"{path} has no sample {sample}.", f"Choose from 0 to {len(array) - 1}."
                )
            return joints.as_joints(array[sample]), options.source_fps or joints.SPEC.fps
    clip = motion_options.read_clip(path, options)
    return joint_positions(clip.data, clip.representation), clip.fps
