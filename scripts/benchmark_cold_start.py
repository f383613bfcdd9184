"""CPU seconds of a cold ``kinetype generate`` here and in another checkout, side by side.

    python scripts/benchmark_cold_start.py ../before --runs 5

The runs alternate, so that whatever else the machine does meets both alike. Each checkout has a
cache of compiled modules of its own, filled by a first run that does not count, and one thread.
Prints the seconds of every run, the medians and their ratio.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def cpu_seconds(checkout: Path, scratch: Path, arguments: list[str]) -> float:
    """User and system time of one generation, children included."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= THREADS | {"PYTHONPYCACHEPREFIX": str(scratch / checkout.name)}
    out = scratch / f"{checkout.name}.npz"
    command = [sys.executable, "-m", "backend", "generate", *arguments, "--out", str(out)]
    process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{checkout}: generate ended with code {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="another checkout of this repository")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each (default 5)")
    parser.add_argument("--prompt", default="a person walks forward")
    parser.add_argument("--seconds", default="4")
    options = parser.parse_args()
    checkouts = {"other": options.other.resolve(), "here": HERE}
    if checkouts["other"].name == HERE.name:
        raise SystemExit("The folders of the two checkouts need different names.")
    arguments = [options.prompt, "--seconds", options.seconds, "--seed", "1", "--device", "cpu"]
    arguments.append("--quiet")
    spent: dict[str, list[float]] = {name: [] for name in checkouts}
    with tempfile.TemporaryDirectory() as folder:
        for path in checkouts.values():
            cpu_seconds(path, Path(folder), arguments)
        for run in range(options.runs):
            for name, path in checkouts.items():
                spent[name].append(cpu_seconds(path, Path(folder), arguments))
            print(f"run {run + 1}: " + ", ".join(f"{n} {v[-1]:.2f} s" for n, v in spent.items()))
    middle = {name: statistics.median(values) for name, values in spent.items()}
    least = {name: min(values) for name, values in spent.items()}
    print(f"median: other {middle['other']:.2f} s, here {middle['here']:.2f} s")
    print(f"ratio of medians {middle['here'] / middle['other']:.3f}, "
          f"of the quickest runs {least['here'] / least['other']:.3f}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
