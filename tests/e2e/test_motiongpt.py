"""MotionGPT from the command line, on the small golden artifact."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from backend.motion.io import npz

from .conftest import Kinetype

ARTIFACT = Path(__file__).parents[1] / "parity/golden/motiongpt/artifact"


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


def test_convert_checkpoint_proves_equality(kinetype_here: Kinetype, tmp_path: Path) -> None:
    done = kinetype_here("convert-checkpoint", "motiongpt", ARTIFACT, "own", "--verify")
    assert done.returncode == 0, done.stderr
    assert "max-abs-diff = 0.0" in done.stdout
    assert done.stdout.count("equal") == 2 and "DIFFERENT" not in done.stdout
    assert (tmp_path / "own/model.safetensors").is_file()
    told = kinetype_here("models", "--json")
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("describe", "none.npz", "--model", ARTIFACT), 1, "none.npz"),
        (("describe", "short.npy", "--model", ARTIFACT), 1, "4 or more"),
        (("describe", "short.npy", "--model", "starter"), 2, "cannot describe"),
        (("describe", "short.npy", "--model", "nothing-like-it"), 2, "no model"),
    ],
)
def test_bad_input(
    kinetype_here: Kinetype,
    tmp_path: Path,
    arguments: tuple[object, ...],
    code: int,
    message: str,
) -> None:
    np.save(tmp_path / "short.npy", np.zeros((3, 263), np.float32))
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
    assert wrong.returncode == 2 and "keeps its sizes" in wrong.stderr
