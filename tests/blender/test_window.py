"""The window test as pytest runs it: only where a Blender with a window is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not os.environ.get("KINETYPE_BLENDER"), reason="KINETYPE_BLENDER is not set")
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="there is no virtual screen (Xvfb)")
def test_a_day_in_a_real_window(tmp_path: Path) -> None:
    script = REPO / "scripts" / "window_test.py"
    command = [sys.executable, str(script), "--pictures", str(tmp_path), "--log"]
    done = subprocess.run(
        [*command, str(tmp_path / "log")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "log").read_text(encoding="utf-8").endswith("0 failed\n")
