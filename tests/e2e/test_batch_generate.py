"""``kinetype batch generate``: one set of bits for any number of workers, and after any stop."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PROMPTS = ["a person walks"] * 9  # each gets a seed of its own
Batch = Callable[..., subprocess.CompletedProcess[str]]


def command(tiny_model: Path, tmp_path: Path, out: str, *more: object) -> list[str]:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(PROMPTS) + "\n")
    return [
        *(sys.executable, "-m", "backend", "batch", "generate", "--offline", "--device", "cpu"),
        *("--prompts", str(prompts), "--out", str(tmp_path / out), "--model", str(tiny_model)),
        *("--seconds", "1.5", "--chunk", "2", *map(str, more)),
    ]


@pytest.fixture
def batch(tiny_model: Path, tmp_path: Path) -> Batch:
    def call(out: str, *more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(tiny_model, tmp_path, out, *more),
            cwd=REPO, capture_output=True, text=True, timeout=280,
        )  # fmt: skip

    return call


def motions(folder: Path) -> dict[str, str]:
    """Digest of each motion."""
    from backend.motion.io import npz

    return {
        path.name: hashlib.sha256(npz.read_motion(path).data.tobytes()).hexdigest()
        for path in sorted(folder.glob("*.npz"))
    }


def summary(folder: Path) -> dict[str, object]:
    return json.loads((folder / "run_summary.json").read_text())


def test_one_two_and_killed_workers_make_the_same(
    batch: Batch, tiny_model: Path, tmp_path: Path
) -> None:
    done = batch("one", "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "one" / "run_summary.json")
    expected = motions(tmp_path / "one")
    assert len(expected) == len(set(expected.values())) == len(PROMPTS)

    running = subprocess.Popen(
        command(tiny_model, tmp_path, "two", "--workers", 2), cwd=REPO, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 200
    while not list((tmp_path / "two").glob("*.npz")) and time.monotonic() < until:
        time.sleep(0.02)
    running.kill() if os.name == "nt" else running.send_signal(signal.SIGKILL)
    running.communicate()
    done = batch("two", "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert motions(tmp_path / "two") == expected
    told = summary(tmp_path / "two")
    assert told["jobs"] == told["files"] == 9 and told["done"] + told["kept"] == 9  # type: ignore[operator]
    assert not list((tmp_path / "two").glob(".*.npz"))


def test_kept_is_only_what_the_same_settings_made(
    batch: Batch, tmp_path: Path, tiny_model: Path
) -> None:
    assert batch("out").returncode == 0
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("*.npz")}
    assert batch("out").returncode == 0 and summary(tmp_path / "out")["kept"] == 9
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert batch("out", "--seed", 1).returncode == 0
    assert summary(tmp_path / "out")["kept"] == 0
    (tmp_path / "out" / "003_a_person_walks.npz").unlink()
    assert batch("out", "--seed", 1).returncode == 0
    assert summary(tmp_path / "out")["done"] == 1


def test_what_can_be_known_is_said_before_anything_is_made(batch: Batch, tmp_path: Path) -> None:
    for more, says in (
        (["--seconds", "0.01"], "Job '000_a_person_walks'"),
        (["--model", "no-such-model"], "no model"),
        (["--jobs", str(tmp_path / "none.json")], "cannot be read"),
        (["--workers", "0"], "0 workers"),
    ):
        done = batch("out", *more)
        assert done.returncode not in (0, 1) or more[0] == "--jobs", done.stderr
        assert says in done.stderr and "Traceback" not in done.stderr
        assert not list((tmp_path / "out").glob("*.npz"))
    done = batch("out", "--check")
    assert done.returncode == 0 and json.loads(done.stdout)["samples"] == 9
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("*.npz"))


def test_a_job_that_fails_is_counted_and_the_others_are_made(
    batch: Batch, tmp_path: Path, tiny_model: Path
) -> None:
    # a folder in the way of one file: found out when it is written
    (tmp_path / "out" / "002_a_person_walks.npz").mkdir(parents=True)
    done = batch("out")
    assert done.returncode == 1 and "002_a_person_walks" in done.stderr
    told = summary(tmp_path / "out")
    assert told["done"] == 8 and told["failed"] == 1
    assert sum(p.is_file() for p in (tmp_path / "out").glob("*.npz")) == 8


def test_two_runs_at_once_do_not_mix(batch: Batch, tmp_path: Path) -> None:
    from backend.store.folder_lock import folder_lock

    with folder_lock(tmp_path / "out"):
        done = batch("out")
    assert done.returncode != 0 and "Another run writes" in done.stderr
