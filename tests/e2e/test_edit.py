"""``kinetype edit``: parts of a motion made anew, the rest as it was."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.cli import continue_motion, edit
from backend.cli.edit import parse_ranges
from backend.errors import InvalidRequest
from backend.motion.io import npz
from backend.motion.joint_sets import joint_mask
from backend.motion.representations import motion135
from backend.wire.messages import Motion

from .conftest import Kinetype


@pytest.fixture
def walk(make_motion, tmp_path: Path) -> np.ndarray:
    data = make_motion(frames=90).astype(np.float32)
    npz.write_motion(tmp_path / "walk.npz", Motion(data))
    return data


def test_upper_body_anew(kinetype: Kinetype, tiny_model: Path, walk, tmp_path: Path) -> None:
    done = kinetype(
        *("edit", "walk.npz", "--prompt", "a person waves", "--regenerate", "upper"),
        *("--model", tiny_model, "--out", "new.npz", "--out", "new.bvh", "--seed", 3),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["new.npz", "new.bvh"]
    new = npz.read_motion(tmp_path / "new.npz")
    before, after = (motion135.joints(x.astype(float)) for x in (walk, new.data))
    lower = joint_mask("lower")
    assert np.abs(after - before)[:, lower].max() < 1e-6
    assert np.abs(after - before)[:, ~lower].max() > 0.01
    assert new.meta["edit"]["kept_joints"][0] == "pelvis"
    assert new.meta["prompt"] == "a person waves"


def test_in_between(kinetype_here: Kinetype, tiny_model: Path, walk, tmp_path: Path) -> None:
    common = ("edit", "walk.npz", "--model", tiny_model, "--keep-frames", "0-1s,2s-", "--quiet")
    assert kinetype_here(*common, "--out", "a.npz").returncode == 0
    assert kinetype_here(*common, "--out", "b.npz", "--restarts", "0").returncode == 0
    a, b = (npz.read_motion(tmp_path / name).data for name in ("a.npz", "b.npz"))
    for made in (a, b):
        np.testing.assert_array_equal(made[:30], walk[:30])
        np.testing.assert_array_equal(made[60:], walk[60:])
        assert np.abs(made - walk)[30:60].max() > 1e-2
    assert np.abs(a - b).max() > 1e-3


def test_a_motion_goes_on(kinetype_here: Kinetype, make_motion, tmp_path: Path) -> None:
    given = make_motion(frames=200).astype(np.float32)  # more than the model reads of it
    npz.write_motion(tmp_path / "long.npz", Motion(given))
    common = ("continue", "long.npz", "--seconds", 1, "--steps", 5, "--quiet", "--out", "on.npz")
    added = {}
    for prompt in ("a person bows", "a person runs"):
        done = kinetype_here(*common, "--prompt", prompt, "--samples", 2)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["on_00.npz", "on_01.npz"]
        for name in done.stdout.split():
            new = npz.read_motion(tmp_path / name)
            np.testing.assert_array_equal(new.data[:200], given)
            assert new.data.shape == (230, 135)
            assert new.meta["continued"] == {"kept_frames": 200}
            assert new.meta["prompt"] == prompt
            added[prompt, name] = new.data[200:]
    bow = added["a person bows", "on_00.npz"]
    assert np.abs(bow - added["a person bows", "on_01.npz"]).max() > 1e-2
    assert np.abs(bow - added["a person runs", "on_00.npz"]).max() > 1e-2


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("--keep-frames", "0-9s"), "0 to 90"),
        (("--keep-frames", "first second"), "0-1s,3s-4s"),
        (("--regenerate", "tail"), "tail"),
        ((), "keep something"),
        (("--keep", "lower", "--restarts", "2"), "noise levels"),
        (("--keep", "lower", "--model", "nowhere/at/all"), "nowhere"),
        (("--keep-frames", "9" * 400 + "-"), "no range of frames"),
        (("--keep-frames", "0-30", "--fps", "0"), "--fps 0 is out of range"),
        (("--keep-frames", "0-30", "--fps", "nan"), "--fps nan is out of range"),
        (("--keep-frames", "0-30", "--device", "tpu"), "'tpu' is not available"),
    ],
)
def test_wishes_refused_before_anything_is_written(
    kinetype_here: Kinetype, tiny_model: Path, walk, tmp_path: Path, words, answer: str
) -> None:
    model = () if "--model" in words else ("--model", tiny_model)
    done = kinetype_here("edit", "walk.npz", *model, *words, "--out", "new.npz")
    assert done.returncode == 2, done.stderr
    assert answer in done.stderr
    assert not (tmp_path / "new.npz").exists()


def test_ranges() -> None:
    assert parse_ranges("0-1s,3s-4s", 30.0, 120) == [(0, 30), (90, 120)]
    assert parse_ranges(" 0-30 , 90- ", 30.0, 120) == [(0, 30), (90, 120)]
    assert parse_ranges("-0.5s", 24.0, 48) == [(0, 12)]
    with pytest.raises(InvalidRequest, match="1s to 2s"):
        parse_ranges("1s to 2s", 30.0, 120)


def test_edit_and_continue_share_their_options() -> None:
    """What one of them says of an option, the other says too."""
    parsers = []
    for command in (edit, continue_motion):
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        parsers.append({a.dest: (a.type, a.option_strings) for a in parser._actions})
    common = {"input", "out", "seed", "no_cleanup", "device", "offline", "quiet", "model"}
    reading = {"source_fps", "up", "force", "sample"}
    for name in common | reading | {"no_overwrite", "prompt"}:
        assert parsers[0][name] == parsers[1][name], name


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_keeps_the_other_outputs(
    environment: dict[str, str], tiny_model: Path, walk, tmp_path: Path
) -> None:
    """The BVH is too large; the npy that comes after it fits."""
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000));"
        "from backend.cli.main import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", limited, "edit", "walk.npz", "--keep-frames", "0-30"]
    command += ["--model", str(tiny_model), "--steps", "2", "--out", "a.bvh", "--out", "a.npy"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 1 and done.stdout.split() == ["a.npy"], done.stderr
    assert "error: Cannot write a.bvh" in done.stderr and "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "walk.npz"]
