"""``kinetype doctor``: what is installed, what works, and what to do about each gap."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from . import console

HELP = "check the installation, and say what to do about each gap"

_MARKS = {"ok": "ok", "advice": "!!", "missing": "XX"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    """Print every check; 0 when generating motions works, 1 otherwise."""
    from ..wire.messages import Progress
    from . import checks

    found: list[checks.Check] = []
    with console.ProgressBars(quiet=options.json) as bars:
        for number, look in enumerate(checks.ALL):
            bars.update(Progress("doctor", "checking", number, len(checks.ALL)))
            found += look()
        bars.update(Progress("doctor", "checking", len(checks.ALL), len(checks.ALL)))
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
