"""``kinetype serve``: keep models loaded and answer requests over stdin and stdout."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from ..errors import InvalidRequest

HELP = "answer requests over stdin and stdout (started by the Blender add-on, also through ssh)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--device", help="cpu, cuda, cuda:1 or mps; the best there is by default")
    parser.add_argument("--threads", type=int, help="CPU threads of torch; up to eight by default")
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument(
        "--log-level",
        default="info",
        choices=["debug", "info", "warning", "error"],
        help="how much goes to stderr (default info)",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until stdin ends; the process ends with it."""
    if options.threads is not None and options.threads < 1:
        raise InvalidRequest("--threads must be 1 or more.", "Leave it out for a sensible number.")
    if options.offline:
        # read by huggingface_hub and transformers when they are imported
        os.environ["HF_HUB_OFFLINE"] = "1"
    logging.basicConfig(
        stream=sys.stderr,
        level=options.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if sys.stdin is not None and sys.stdin.isatty():
        logging.warning("this speaks a binary protocol on stdin; press Ctrl-D to end it")

    from ..service.engine import Engine
    from ..service.server import serve_stdio

    serve_stdio(lambda: Engine(device=options.device, threads=options.threads))
