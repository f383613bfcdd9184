"""How long a person waits: cold command, first and second request to a service, CPU per clip.

    python scripts/benchmark_service.py --json out/benchmark_service.json

The baseline is the cold command; the service's second request is given as a ratio to it. Wall
times depend on what else the machine does, so CPU seconds stand beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backend.errors import ServiceError
from backend.service.engine import Engine
from backend.wire import limits
from backend.wire.messages import Failure, Request, Result
from blender_addon.client import ProcessSession, default_command

REPO = Path(__file__).resolve().parents[1]
PROMPT = "a tired man walks forward"
WAIT_SECONDS = 4.0
"""Length of the motion whose waiting time the project promises (20 s cold, 2 s warm)."""
COST_SECONDS = 5.0
"""Length of the motion whose CPU cost is reported."""


@dataclass(frozen=True)
class Row:
    """One line of the table; ``cpu`` is None where a running process did the work."""

    name: str
    wall: float
    cpu: float | None = None
    limit: float | None = None
    ratio: float | None = None


def main() -> int:
    """Measure, print the table, write the JSON; exit code 1 when a limit is exceeded."""
    options = parse()
    cpu_before = children_cpu()
    cold = timed(lambda: cold_generate(options), 1)
    cold_row = Row(
        f"cold `generate`, {WAIT_SECONDS:g} s motion",
        cold,
        (children_cpu() - cpu_before) or None,
        limit=20.0,
        ratio=1.0,
    )
    rows = [cold_row, *service_rows(options, cold), *cost_rows(options)]
    print(table(rows))
    report = {"machine": machine(), "model": options.model, "rows": [asdict(row) for row in rows]}
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(f"\nwritten: {options.json}")
    return int(any(row.limit is not None and row.wall > row.limit for row in rows))


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=limits.DEFAULT_MODEL, help="name or folder")
    parser.add_argument("--threads", type=int, help="CPU threads of the service and the engine")
    parser.add_argument("--repeats", type=int, default=3, help="of the warm requests (median)")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="SAMPLER:STEPS",
        help="cost of another sampler setting, e.g. ddim:50 or ddpm:1000; repeatable",
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser.parse_args()


def timed(action: Callable[[], object], repeats: int) -> float:
    """Median wall seconds."""
    return median(clocked(action)[0] for _ in range(repeats))


def clocked(action: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds (all threads of this process) of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - cpu


def children_cpu() -> float:
    """CPU seconds of the child processes that have ended (0 on Windows)."""
    times = os.times()
    return times.children_user + times.children_system


def cold_generate(options: argparse.Namespace) -> None:
    """The command line from nothing to a .npz."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "backend", "generate", PROMPT, "--quiet", "--offline"),
            *("--seconds", f"{WAIT_SECONDS:g}", "--model", options.model),
            *("--out", str(Path(folder) / "motion.npz")),
        ]
        subprocess.run(command, cwd=REPO, check=True, stdout=subprocess.DEVNULL)


def service_rows(options: argparse.Namespace, cold: float) -> list[Row]:
    """Waiting times of a client of ``kinetype serve``."""
    session = ProcessSession(*default_command(threads=options.threads, offline=True))
    try:
        first = timed(lambda: ask(session, options, seed=0), 1)
        walls = [
            timed(lambda: ask(session, options, seed=seed), 1)  # noqa: B023 (called at once)
            for seed in range(1, options.repeats + 1)
        ]
    finally:
        session.stop()
    second = median(walls)
    return [
        Row("service, start and first request", first, ratio=first / cold),
        Row("service, later request", second, limit=2.0, ratio=second / cold),
    ]


def ask(session: ProcessSession, options: argparse.Namespace, seed: int) -> None:
    """One request through the session, as the add-on's timer would wait for it."""
    request = Request(PROMPT, WAIT_SECONDS, seed, model=options.model)
    session.submit(request)
    while True:
        for event in session.events():
            if isinstance(event, Failure):
                raise event.to_error()
            if isinstance(event, Result):
                return
        if session.state == "dead":
            raise session.error or ServiceError("The service ended.")
        time.sleep(0.002)


def cost_rows(options: argparse.Namespace) -> list[Row]:
    """CPU seconds of one clip in a warm engine, default and other sampler settings."""
    engine = Engine(threads=options.threads)
    settings = [("default sampler", Request(PROMPT, COST_SECONDS, model=options.model))]
    for text in options.also:
        sampler, _, steps = text.partition(":")
        request = Request(
            PROMPT, COST_SECONDS, model=options.model, sampler=sampler, steps=int(steps)
        )
        settings.append((f"{sampler}, {steps} steps", request))
    rows = []
    engine.run(settings[0][1])
    for name, request in settings:
        pairs = [clocked(lambda: engine.run(request)) for _ in range(options.repeats)]  # noqa: B023
        wall, cpu = (median(values) for values in zip(*pairs, strict=True))
        rows.append(Row(f"one {COST_SECONDS:g} s clip, {name}", wall, cpu))
    return rows


def machine() -> dict[str, object]:
    """What the figures depend on."""
    import torch

    return {
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "torch": torch.__version__,
        "cuda": torch.cuda.is_available(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
    }


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = [
        "| what | wall s | CPU s | limit s | ratio to cold |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        cells = (row.cpu, row.limit, row.ratio)
        shown = " | ".join("" if value is None else f"{value:.3g}" for value in cells)
        lines.append(f"| {row.name} | {row.wall:.3g} | {shown} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
