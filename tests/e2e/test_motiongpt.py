"""MotionGPT from the command line, on the small golden artifact."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.motion.io import bvh, load, npz
from backend.wire.messages import Motion

from .conftest import Kinetype

ARTIFACT = Path(__file__).parents[1] / "parity/golden/motiongpt/artifact"
CONTINUE = ("continue", "--out", "o.npz")


def test_generate_then_describe(kinetype_here: Kinetype, tmp_path: Path) -> None:
    made = kinetype_here(
        "generate", "a person jumps", "--model", ARTIFACT, "--seconds", 2, "--out", "x.npz",
        "--quiet", "--offline",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert made.stdout.split() == ["x.npz"]
    motion = npz.read_at_own_rate(tmp_path / "x.npz")
    assert motion.data.shape == (60, 135) and np.isfinite(motion.data).all()

    told = kinetype_here("describe", "x.npz", "--model", ARTIFACT)
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip()
    both = kinetype_here("describe", "x.npz", "x.npz", "--model", ARTIFACT, "--json")
    rows = [json.loads(line) for line in both.stdout.splitlines()]
    assert [row["text"] for row in rows] == [told.stdout.strip()] * 2


def test_continue_keeps_what_is_given_and_numbers_what_is_new(
    kinetype_here: Kinetype, tmp_path: Path, make_motion: Callable[..., np.ndarray]
) -> None:
    given = make_motion(frames=90, seed=1).astype(np.float32)
    npz.write_motion(tmp_path / "in.npz", Motion(given, 30.0))
    common = ("--model", ARTIFACT, "--quiet", "--offline")
    done = kinetype_here(
        "continue", "in.npz", "--share", 0.2, "--seconds", 1, "--samples", 4, "--seed", 2,
        "--out", "on.npz", "--out", "on.bvh", *common,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = [tmp_path / line for line in done.stdout.split()]
    takes = [path for path in written if path.suffix == ".npz"]
    assert takes and {path.with_suffix(".bvh") for path in takes} < set(written)
    assert all(path.is_file() for path in written)
    # the tiny model does not always write a motion: every sample is told of or written
    assert len(takes) + done.stderr.count("wrote") == 4
    for path in takes:
        motion = npz.read_at_own_rate(path)
        np.testing.assert_array_equal(motion.data[:18], given[:18])
        assert 18 < len(motion.data) <= 18 + 32
        assert motion.meta["seed"] == 2 + int(path.stem[-2:])

    again = kinetype_here(
        "continue", "in.npz", "--share", 0.2, "--seconds", 1, "--out", "one.npz", *common,
        "--seed", npz.read_at_own_rate(takes[0]).meta["seed"],
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    alone, among = (npz.read_at_own_rate(path).data for path in (tmp_path / "one.npz", takes[0]))
    np.testing.assert_allclose(alone, among, atol=1e-5)


def test_continue_in_between_from_a_bvh_file(
    kinetype_here: Kinetype, tmp_path: Path, make_motion: Callable[..., np.ndarray]
) -> None:
    given = make_motion(frames=90, seed=1).astype(np.float32)
    bvh.write_motion(tmp_path / "in.bvh", Motion(given, 30.0))
    read = load.read_clip(tmp_path / "in.bvh").data
    done = kinetype_here(
        "continue", "in.bvh", "--in-between", "--samples", 16, "--model", ARTIFACT,
        "--out", "between.npz",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "filling in" in done.stderr
    takes = [npz.read_at_own_rate(tmp_path / line) for line in done.stdout.split()]
    assert takes
    for motion in takes:
        [(_, first), (last, end)] = motion.meta["in_between"]["kept_frames"]
        np.testing.assert_array_equal(motion.data[:first], read[:first])
        np.testing.assert_array_equal(motion.data[last:end], read[last - end :])


def test_convert_checkpoint_proves_equality(kinetype_here: Kinetype, tmp_path: Path) -> None:
    done = kinetype_here("convert-checkpoint", "motiongpt", ARTIFACT, "own", "--verify")
    assert done.returncode == 0, done.stderr
    assert "max-abs-diff = 0.0" in done.stdout
    assert done.stdout.count("equal") == 2 and "DIFFERENT" not in done.stdout
    assert (tmp_path / "own/model.safetensors").is_file()
    assert json.loads((tmp_path / "own/config.json").read_text())["name"] == "own"
    again = kinetype_here("convert-checkpoint", "motiongpt", ARTIFACT, "own")
    assert again.returncode == 1 and "not empty" in again.stderr and "--overwrite" in again.stderr
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("describe", "none.npz", "--model", ARTIFACT), 1, "none.npz"),
        (("describe", "short.npy", "--model", ARTIFACT), 1, "4 or more"),
        (("describe", "short.npy", "--model", "starter"), 2, "cannot describe"),
        (("describe", "short.npy", "--model", "nothing-like-it"), 2, "no model"),
        ((*CONTINUE, "none.npz", "--model", ARTIFACT), 1, "none.npz"),
        ((*CONTINUE, "short.npy", "--fps", 30, "--model", ARTIFACT), 1, "too short"),
        ((*CONTINUE, "long.npz", "--model", "starter", "--greedy"), 2, "no tokens"),
        ((*CONTINUE, "long.npz", "--model", ARTIFACT, "--share", 0), 2, "share"),
        ((*CONTINUE, "long.npz", "--model", ARTIFACT, "--seconds", -1), 2, "seconds"),
        ((*CONTINUE, "long.npz", "--model", ARTIFACT, "--seed", -1), 2, "seed"),
        ((*CONTINUE, "long.npz", "--model", ARTIFACT, "--prompt", "jump"), 2, "no prompt"),
        (
            (*CONTINUE, "in.npz", "--in-between", "--model", ARTIFACT, "--prompt", "jump"),
            2,
            "no prompt",
        ),
        ((*CONTINUE, "long.npz", "--in-between", "--model", "starter"), 2, "make the middle"),
        ((*CONTINUE, "long.npz", "--in-between", "--share", 0.5), 2, "--share is for"),
        ((*CONTINUE, "long.npz", "--in-between", "--steps", 5), 2, "--steps is for"),
        ((*CONTINUE, "long.npz", "--in-between", "--model", ARTIFACT), 2, "up to 9.8"),
        (("continue", "long.npz", "--model", ARTIFACT, "--out", "o.gif"), 2, "suffix"),
        (
            ("edit", "long.npz", "--keep-frames", "0-1s", "--model", ARTIFACT, "--out", "o.npz"),
            2,
            "can: generate, continue",
        ),
    ],
)
def test_bad_input(
    kinetype_here: Kinetype,
    tmp_path: Path,
    make_motion: Callable[..., np.ndarray],
    arguments: tuple[object, ...],
    code: int,
    message: str,
) -> None:
    np.save(tmp_path / "short.npy", np.zeros((3, 263), np.float32))
    for name, frames in (("in", 90), ("long", 320)):
        npz.write_motion(tmp_path / f"{name}.npz", Motion(make_motion(frames=frames), 30.0))
    done = kinetype_here(*arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr


def test_missing_part_is_named(kinetype_here: Kinetype, tmp_path: Path) -> None:
    shutil.copytree(ARTIFACT, tmp_path / "model")
    (tmp_path / "model/assets/meta/mean.npy").unlink()
    done = kinetype_here("generate", "walk", "--model", "model", "--out", "x.npz", "--quiet")
    assert done.returncode == 1
    assert "lacks assets/meta/mean.npy" in done.stderr


def test_train_tokenizer(kinetype_here: Kinetype, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "new_joint_vecs").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        clip = 0.1 * rng.normal(size=(24, 263)).astype(np.float32)
        np.save(folder / f"new_joint_vecs/{name}.npy", clip)
    (folder / "train.txt").write_text("a")
    (folder / "test.txt").write_text("b")
    options = ("train", "tokenizer", "--data", "data", "--run", "run")
    sizes = ("--width", 8, "--codes", 8, "--window", 16, "--batch", 2)
    done = kinetype_here(*options, *sizes, "--steps", 3)
    assert done.returncode == 0, done.stderr
    assert "before" in done.stdout and "after" in done.stdout
    more = kinetype_here(*options, "--resume", "--steps", 5)
    assert more.returncode == 0, more.stderr
    assert "5 steps" in more.stderr
    wrong = kinetype_here(*options, "--resume", "--width", 16)
    assert wrong.returncode == 2 and "A resumed run cannot change" in wrong.stderr
