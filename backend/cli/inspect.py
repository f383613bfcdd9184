"""``kinetype inspect``: what a motion file is, how it was read, and a picture of it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from . import console, motion_options

HELP = "say what a motion file holds, with a picture on demand"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE",
                        help=f"motion files ({motion_options.readable()})")  # fmt: skip
    parser.add_argument("--from", dest="source", default="auto", metavar="FORMAT",
                        help="see kinetype convert")  # fmt: skip
    motion_options.add_reading(parser)
    parser.add_argument("--picture", type=Path, metavar="PNG",
                        help="stick figures of all files, one row each")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: argparse.Namespace) -> int:
    """Print what each file is; 1 when one could not be read."""
    from ..errors import KinetypeError
    from ..motion.io import inspection
    from .main import EXIT_FAILED

    found, failed = [], 0
    for path in options.files:
        try:
            seen = inspection.inspect(
                path,
                options.source,
                fps=options.source_fps,
                up=options.up,
                force=options.force,
                sample=options.sample,
            )
        except KinetypeError as error:
            failed += 1
            console.error(error.message, error.hint)
            continue
        found.append(seen)
        values = {k: v for k, v in asdict(seen).items() if k != "joints"}
        print(json.dumps(values) if options.json else inspection.text(seen))
    if options.picture and found:
        from ..evaluation.stick_sheet import draw

        draw([(Path(seen.file).name, seen.joints) for seen in found], options.picture)
        console.note(str(options.picture))
    return EXIT_FAILED if failed else 0
