#!/usr/bin/env python3
"""Figures of docs/bulk.md: one set of hashes for any number of workers, and clips a second.

    python scripts/benchmark_batch.py hashes --work FOLDER [--model NAME] [--samples 200]
    python scripts/benchmark_batch.py speed --work FOLDER [--model NAME] [--samples 200]

``hashes`` runs ``kinetype batch chain`` with 1, 2 and 4 workers, local and on two Ray nodes that it
starts (where ray is installed), once more with 2 workers killed twice by SIGKILL and resumed, and
compares the sha256 of every file. ``speed`` runs ``kinetype batch generate`` with 1 and 2 workers,
local and Ray, and reports clips a second after the start-up of the workers. Results are written to
FOLDER/NAME.json; what is there is not done again, so that the benchmark itself can be stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATTERNS = ("native/*.npy", "motion135/*.npz", "ms272/*.npy")
PROMPTS = ("a person walks forward", "a person waves", "a person jumps", "someone sits down")
KILLS_AT = (0.25, 0.6)
"""Shares of the native clips at which the run is killed."""


def main() -> None:
    """Run one of the benchmarks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("hashes", "speed"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--workers", type=int, nargs="+")
    options = parser.parse_args()
    options.work = options.work.absolute()
    options.work.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{os.cpu_count()} cores, load {load:.1f} before the start")
    (hashes if options.what == "hashes" else speed)(options)


# --------------------------------------------------------------------------- hashes


def hashes(options: argparse.Namespace) -> None:
    """The table of runs, and whether all hashes are one set."""
    captions = options.work / "captions"
    captions.mkdir(exist_ok=True)
    for index in range(options.samples):
        (captions / f"c{index:04d}.txt").write_text(PROMPTS[index % len(PROMPTS)] + "\n")
    runs: dict[str, dict[str, object]] = {}
    counts = options.workers or [1, 2, 4]
    for workers in counts:
        runs[f"local, {workers} workers"] = _once(options, f"local{workers}", workers)
    runs["local, 2 workers, killed twice"] = _once(options, "killed", 2, kills=KILLS_AT)
    if importlib.util.find_spec("ray") is not None:
        with _cluster() as address:
            for workers in counts:
                more = ("--engine", "ray", "--address", address)
                runs[f"Ray, 2 nodes, {workers} actors"] = _once(
                    options, f"ray{workers}", workers, more
                )
    print("| run | files | sha256 over all | stopped |\n|---|---|---|---|")
    for name, run in runs.items():
        print(f"| {name} | {run['files']} | `{str(run['digest'])[:16]}` | {run['kills']} times |")
    sets = {run["digest"] for run in runs.values()}
    print("one set of hashes" if len(sets) == 1 else f"{len(sets)} DIFFERENT sets")
    if len(sets) != 1:
        sys.exit(1)


def _once(
    options: argparse.Namespace,
    name: str,
    workers: int,
    more: tuple[str, ...] = (),
    kills: tuple[float, ...] = (),
) -> dict[str, object]:
    done = options.work / f"hashes_{name}.json"
    if done.is_file():
        return json.loads(done.read_text())
    out = options.work / name
    command = [
        *(sys.executable, "-m", "backend", "batch", "chain", "--captions", "captions"),
        *("--seconds", f"{options.seconds:g}", "--model", options.model, "--out", name),
        *("--batch", str(options.batch), "--workers", str(workers), "--skip-existing", "--quiet"),
        *more,
    ]
    started, killed = time.monotonic(), 0
    for share in kills:
        killed += _killed_at(command, options.work, out / "native", share * options.samples)
    subprocess.run(command, cwd=options.work, env=_environment(), check=True)
    found = {
        "files": 0, "kills": killed, "seconds": round(time.monotonic() - started, 1), "digest": ""
    }  # fmt: skip
    whole = hashlib.sha256()
    for pattern in PATTERNS:
        for path in sorted(out.glob(pattern)):
            whole.update(f"{path.name} {_digest(path)}\n".encode())
            found["files"] += 1  # type: ignore[operator]
    found["digest"] = whole.hexdigest()
    left = [p for folder in ("native", "motion135", "ms272") for p in (out / folder).glob(".*.np?")]
    assert not left, f"torn files are left: {left}"
    done.write_text(json.dumps(found))
    print(f"{name}: {found}", flush=True)
    return found


def _digest(path: Path) -> str:
    """Of the arrays: an npz holds the time of its making."""
    import numpy as np

    if path.suffix == ".npy":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with np.load(path, allow_pickle=False) as file:
        return hashlib.sha256(file["motion_135"].tobytes()).hexdigest()


def _killed_at(command: list[str], cwd: Path, folder: Path, count: float) -> int:
    """Start a run and kill its whole group once there are so many files; 1 if it was in time."""
    running = subprocess.Popen(command, cwd=cwd, env=_environment(), start_new_session=True)
    while len(list(folder.glob("c*.npy"))) < count and running.poll() is None:
        time.sleep(0.02)
    in_time = running.poll() is None
    if in_time:
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    return int(in_time)


# --------------------------------------------------------------------------- speed


def speed(options: argparse.Namespace) -> None:
    """Clips a second of ``batch generate``."""
    prompts = options.work / "prompts.txt"
    lines = [PROMPTS[index % len(PROMPTS)] for index in range(options.samples)]
    prompts.write_text("\n".join(lines) + "\n")
    counts = options.workers or [1, 2]
    print("| run | clips | start-up | clips/s | load |\n|---|---|---|---|---|")
    for engine in ("local", *(["ray"] if importlib.util.find_spec("ray") else [])):
        for workers in counts:
            name = f"speed_{engine}{workers}"
            command = [
                *(sys.executable, "-m", "backend", "batch", "generate", "--offline", "--quiet"),
                *("--prompts", "prompts.txt", "--out", name, "--model", options.model),
                *("--seconds", f"{options.seconds:g}", "--workers", str(workers)),
                *("--engine", engine, "--chunk", str(options.batch)),
            ]
            load = os.getloadavg()[0]
            subprocess.run(command, cwd=options.work, env=_environment(), check=True,
                           stdout=subprocess.DEVNULL)  # fmt: skip
            told = json.loads((options.work / name / "run_summary.json").read_text())
            print(f"| {engine}, {workers} | {told['done']} | {told['start_seconds']} s | "
                  f"{told['jobs_per_second']} | {load:.1f} |", flush=True)  # fmt: skip


# --------------------------------------------------------------------------- shared


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@contextmanager
def _cluster() -> Iterator[str]:
    """Two Ray nodes on this machine, each with places for half of the actors."""
    os.environ["PYTHONPATH"] = str(ROOT)  # the nodes' workers import this checkout
    from ray.cluster_utils import Cluster

    node: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 80_000_000}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    made.add_node(**node)
    try:
        yield made.address
    finally:
        made.shutdown()


if __name__ == "__main__":
    main()
