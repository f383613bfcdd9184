"""``kinetype evaluate`` inside a headless Blender gives the numbers of the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from backend.evaluation.evaluators.starter import CONFIG, FOLDER

from .conftest import PATIENCE_SECONDS, Kinetype

INSIDE = """
import sys
import bpy
import addon_utils
assert bpy.app.background and addon_utils.enable("blender_addon") is not None
from backend.cli.main import main
code = main(sys.argv[1:])
addon_utils.disable("blender_addon")
sys.exit(code)
"""


@pytest.mark.skipif(find_spec("bpy") is None, reason="needs bpy")
@pytest.mark.skipif(not (FOLDER / CONFIG).is_file(), reason="no starter evaluator")
def test_the_same_numbers_as_the_command_line(
    kinetype: Kinetype, tiny_model: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    arguments = [
        *("evaluate", "--model", str(tiny_model), "--no-cleanup", "--limit", "32"),
        *("--repeats", "2", "--seed", "3", "--device", "cpu"),
    ]
    done = kinetype(*arguments, "--out", "cli")
    assert done.returncode == 0, done.stderr
    inside = subprocess.run(
        [sys.executable, "-c", INSIDE, *arguments, "--out", "blender"],
        cwd=tmp_path,
        env={**environment, "BLENDER_USER_RESOURCES": str(tmp_path / "user")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert inside.returncode == 0, inside.stdout + inside.stderr
    reports = [
        json.loads((tmp_path / folder / "evaluation.json").read_text())
        for folder in ("cli", "blender")
    ]
    for report in reports:
        assert report.pop("seconds") >= 0
        assert report["n"] == 32 and set(report["table"]) >= {"ground truth", "predictions"}
    assert reports[0] == reports[1]
    rows = [line.split()[0] for line in inside.stdout.splitlines() if line.strip()]
    assert rows.index("ground") < rows.index("predictions") < rows.index("shuffled")
