#!/usr/bin/env python3
"""How long enabling the add-on takes, and what it loads; needs the bpy module.

Every run enables the add-on in a fresh Blender. The baseline in the same run is enabling an
add-on that Blender ships (Rigify), so that the figure can be read on any machine.

Usage: ``python scripts/benchmark_enable.py [--runs N]``; exit code 1 when the best run takes
longer than the limit or something heavy was loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_MS = 100.0
HEAVY = ("torch", "transformers")
BASELINE = "rigify"
CODE = """
import json, os, sys, time
sys.path.insert(0, sys.argv[1])
import bpy, addon_utils
def enable(name):
    addon_utils.disable(name)
    known = set(sys.modules)
    wall, cpu = time.perf_counter(), time.process_time()
    module = addon_utils.enable(name, default_set=True)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall * 1e3, cpu * 1e3, module is not None, len(set(sys.modules) - known)
baseline_ms, _, _, _ = enable(sys.argv[2])
ms, cpu_ms, ok, modules = enable("blender_addon")
print(json.dumps({
    "ms": ms, "cpu_ms": cpu_ms, "baseline_ms": baseline_ms, "ok": ok, "modules": modules,
    "heavy": [name for name in sys.argv[3:] if name in sys.modules],
    "blender": bpy.app.version_string,
}))
addon_utils.disable("blender_addon")
sys.stdout.flush()
if bpy.app.version < (4, 3, 0):  # that module crashes at exit after a property with a callback
    os._exit(0)
"""


def measure() -> dict:
    """Enable once in a fresh Blender with user settings of its own."""
    with tempfile.TemporaryDirectory(prefix="kinetype-enable-") as user:
        done = subprocess.run(
            [sys.executable, "-c", CODE, str(ROOT), BASELINE, *HEAVY],
            env={**os.environ, "BLENDER_USER_RESOURCES": user},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"exit code {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a line per figure, and judge."""
    parser = argparse.ArgumentParser(description="Time enabling the add-on.")
    parser.add_argument("--runs", type=int, default=9, help="fresh Blenders after a warm-up")
    options = parser.parse_args(arguments)
    try:
        measure()  # compiles the bytecode and fills the disk cache, as an installation does
        runs = [measure() for _ in range(max(1, options.runs))]
    except RuntimeError as error:
        print(f"error: Blender could not enable the add-on:\n{error}", file=sys.stderr)
        return 1
    times = sorted(run["ms"] for run in runs)
    baseline = min(run["baseline_ms"] for run in runs)
    heavy = sorted({name for run in runs for name in run["heavy"]})
    print(f"Blender {runs[0]['blender']}, {len(runs)} runs, {runs[0]['modules']} modules loaded")
    print(f"enable: best {times[0]:.1f} ms, median {statistics.median(times):.1f} ms")
    print(f"processor time: best {min(run['cpu_ms'] for run in runs):.1f} ms")
    print(f"baseline ({BASELINE}): best {baseline:.1f} ms; ratio {times[0] / baseline:.1f}")
    print(f"heavy modules loaded: {', '.join(heavy) or 'none'} (checked: {', '.join(HEAVY)})")
    good = times[0] < LIMIT_MS and not heavy and all(run["ok"] for run in runs)
    print("pass" if good else f"FAIL (limit {LIMIT_MS:g} ms)")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
