"""``kinetype doctor``: what is installed, what works, and what to do about each gap."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from importlib.util import find_spec

from . import console

HELP = "check the installation, and say what to do about each gap"

_MARKS = {"ok": "ok", "advice": "!!", "missing": "XX"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    """Print every check; 0 when generating motions works, 1 otherwise."""
    from . import checks

    found: list[checks.Check] = []
    # the bars need a package too, which is just what may be missing
    with console.ProgressBars(quiet=options.json or find_spec("tqdm") is None) as bars:
        for number, look in enumerate(checks.ALL):
            bars.show("checking", number, len(checks.ALL))
            found += checks.survive(look)
        bars.show("checking", len(checks.ALL), len(checks.ALL))
    works = all(check.status != checks.MISSING for check in found)
    if options.json:
        print(json.dumps({"works": works, "checks": [asdict(c) for c in found]}, indent=2))
        return 0 if works else 1
    width = max(len(check.name) for check in found)
    for check in found:
        print(f"{_MARKS[check.status]}  {check.name:<{width}}  {check.found}")
        if check.fix:
            print(f"    {'':<{width}}  to do: {check.fix}")
    gaps = sum(check.status != checks.OK for check in found)
    verdict = "Generating motions works." if works else "Generating motions does not work yet."
    print(f"\n{verdict}{f' Things to do: {gaps}.' if gaps else ''}")
    return 0 if works else 1
