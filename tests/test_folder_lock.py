"""Two runs never share a folder, and a killed one never blocks it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend.errors import OutputError
from backend.store.folder_lock import NAME, folder_lock

REPO = Path(__file__).resolve().parents[1]
HOLD = """
import sys, time
from backend.store.folder_lock import folder_lock
with folder_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_and_the_third_may(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "new", "training"):
        with (
            pytest.raises(OutputError, match="Another training writes"),
            folder_lock(tmp_path / "new", "training"),
        ):
            pass
        assert (tmp_path / "new" / NAME).exists()
    with folder_lock(tmp_path / "new"):
        pass
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_process_gives_it_back(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=REPO, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    with pytest.raises(OutputError), folder_lock(tmp_path):
        pass
    child.send_signal(signal.SIGKILL)
    child.wait()
    with folder_lock(tmp_path):
        pass
