"""Computers that are not as they should be; docs/reliability.md lists all faults."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.motion.io import npz
from backend.wire.messages import Motion
from tests.e2e.conftest import Kinetype
from tests.hostile_files import CRASHES

NAME = "größe 動き.npz"


@pytest.fixture
def standing(tmp_path: Path) -> Path:
    from backend.motion.representations import motion135

    turns = np.broadcast_to(np.eye(3), (30, 22, 3, 3))
    data = motion135.pack(np.tile([0.0, 0.95, 0.0], (30, 1)), turns)
    npz.write_motion(tmp_path / NAME, Motion(data, 30.0, {"prompt": "stand\u2028still"}))
    return tmp_path / NAME


@pytest.mark.parametrize("home", [None, "/proc/nobody/home"])
def test_no_home_or_one_that_cannot_be(
    kinetype: Kinetype, environment: dict[str, str], standing: Path, home: str | None
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HF_HOME"):
        environment.pop(name, None)
    variables = {"HOME": home} if home else {}
    done = kinetype("convert", standing, "a.bvh", "--to", "bvh", **variables)
    assert done.returncode == 0, done.stderr
    assert (standing.parent / "a.bvh").read_text().startswith("HIERARCHY")
    assert kinetype("models", **variables).returncode == 0


@pytest.mark.parametrize("locale", ["C", "tr_TR.ISO-8859-9", "nowhere"])
def test_odd_locales_keep_every_letter_of_a_name(
    kinetype: Kinetype, standing: Path, locale: str
) -> None:
    plain = {"LC_ALL": locale, "LANG": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = kinetype("convert", NAME, "ÅÄÖ İı.bvh", "--to", "bvh", **plain)
    assert done.returncode == 0, done.stderr
    assert (standing.parent / "ÅÄÖ İı.bvh").is_file()


def test_two_runs_at_once_leave_one_whole_file(
    environment: dict[str, str], standing: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "backend", "convert", NAME, "a.npz", "--to", "amass"]
    runs = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [run.wait(240) for run in runs] == [0, 0], [run.stderr.read() for run in runs]  # type: ignore[union-attr]
    np.testing.assert_array_equal(
        npz.read_motion(tmp_path / "a.npz").data, npz.read_motion(standing).data
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", NAME]


def test_hostile_files_are_refused_in_words(kinetype_here: Kinetype, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(CRASHES["counts that wrap around"])
    (tmp_path / "b.pkl").write_bytes(pickle.dumps({"a": print}))
    (tmp_path / "c.npz").write_bytes(b"PK\x03\x04" + bytes(1000))
    (tmp_path / "d.bvh").write_bytes(b"HIERARCHY\nROOT a\n{\n" + b"JOINT b\n{\n" * 5000)
    for name in "abcd":
        [path] = tmp_path.glob(f"{name}.*")
        done = kinetype_here("convert", path.name, "out.npz", "--to", "amass")
        assert done.returncode == 1 and not (tmp_path / "out.npz").exists()
        assert path.name in done.stderr and "hint:" in done.stderr
        assert "Traceback" not in done.stderr and "unexpected" not in done.stderr
    assert "could run code" in kinetype_here("convert", "b.pkl", "out.npz", "--to", "amass").stderr
