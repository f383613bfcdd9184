"""``kinetype convert`` as people run it, killed halfway and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.batch import journal
from backend.cli import main as cli
from backend.motion import convert

from .conftest import Kinetype

REPO = Path(__file__).resolve().parents[2]
CLIPS = 50


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, make_motion: Callable[..., np.ndarray]
) -> Path:
    """50 clips in HumanML3D-263."""
    out = tmp_path_factory.mktemp("clips") / "in"
    out.mkdir()
    for number in range(CLIPS):
        features = convert.motion135_to_hml263(make_motion(12 + number % 7, seed=number))
        np.save(out / f"{number:06d}.npy", features)
    return out


@pytest.fixture(scope="module")
def whole(folder: Path) -> tuple[Path, dict[str, object]]:
    """The result of one undisturbed run."""
    out = folder.parent / "whole"
    return out, convert_all(folder, out)


def command(source: Path, out: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "backend", "convert", str(source), str(out)),
        *("--from", "hml263", "--to", "motion135", "--refine-iters", "12", "--quiet"),
        *more,
    ]


def convert_all(source: Path, out: Path, *more: str) -> dict[str, object]:
    done = subprocess.run(
        command(source, out, *more), cwd=REPO, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    summary: dict[str, object] = json.loads(done.stdout)
    assert json.loads((out / "convert_summary.json").read_text()) == summary
    return summary


def contents(folder: Path) -> dict[str, bytes]:
    names = {"convert_summary.json", journal.NAME}
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name not in names}


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_halfway_and_started_again(
    folder: Path, whole: tuple[Path, dict[str, object]], tmp_path: Path, workers: int
) -> None:
    expected, summary = whole
    assert summary["converted"] == CLIPS
    more = ("--skip-existing", "--workers", str(workers))
    log = tmp_path / "out" / journal.NAME
    process = subprocess.Popen(
        command(folder, tmp_path / "out", *more),
        cwd=REPO,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while not log.exists() or log.read_bytes().count(b"\n") < CLIPS // 3:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    if workers > 1:
        time.sleep(1.0)  # the workers notice that their parent is gone
    made = len(list((tmp_path / "out").glob("[0-9]*.npz")))
    assert CLIPS // 3 - workers <= made < CLIPS, "the kill came too late to prove anything"

    again = convert_all(folder, tmp_path / "out", *more)
    assert again["skipped"] == made and again["converted"] == CLIPS - made
    assert contents(tmp_path / "out") == contents(expected)
    counts = {"converted", "skipped"}
    assert {k: v for k, v in again.items() if k not in counts} == {
        k: v for k, v in summary.items() if k not in counts
    }


def test_exit_codes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, bad = folder / "000000.npy", tmp_path / "bad.npy"
    np.save(bad, np.zeros((4, 9)))
    quick = ["--refine-iters", "0", "--quiet"]
    for arguments, code, said in (
        ([str(clip), str(tmp_path / "a.bvh"), "--to", "motion135"], 0, ""),
        ([str(clip), str(tmp_path / "a.npy"), "--to", "ms272"], 0, ""),
        ([str(bad), str(tmp_path / "b.npz"), "--to", "motion135"], 1, "[T, 263] (hml263)"),
        ([str(clip), str(tmp_path / "b.npz"), "--to", "ms272"], 2, "Write a .npy file"),
        ([str(clip), str(tmp_path / "b.npz"), "--to", "vrm"], 2, "vrm"),
        ([str(tmp_path / "none"), str(tmp_path / "b.npz"), "--to", "bvh"], 2, "no file or folder"),
    ):
        assert cli.main(["convert", *arguments, *quick]) == code, said
        captured = capsys.readouterr()
        assert said in captured.err and "Traceback" not in captured.err
        if code < 2:
            assert json.loads(captured.out)["failed"] == code
    assert not (tmp_path / "b.npz").exists()
    with pytest.raises(SystemExit) as caught:
        cli.main(["convert", str(clip)])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("suffix", "starts"),
    # .blend plain or compressed, as Blender writes it
    [(".blend", (b"BLEN", b"\x28\xb5\x2f\xfd")), (".glb", (b"glTF",)), (".fbx", (b"Kayd",))],
)
def test_a_file_onto_a_character_in_blender(
    kinetype: Kinetype, tmp_path: Path, suffix: str, starts: tuple[bytes, ...]
) -> None:
    pytest.importorskip("bpy")
    source = Path(__file__).resolve().parents[1] / "motion/files/08_world_z_up.bvh"
    out = tmp_path / f"walk{suffix}"
    done = kinetype("convert", source, out, "--to", "motion135", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out)
    assert out.read_bytes()[:4] in starts
    wrong = kinetype("convert", source.parent, tmp_path / f"all{suffix}", "--to", "motion135")
    assert wrong.returncode == 2 and "one file" in wrong.stderr
