"""The classifier of motions: trained by the command, taken into a model, and used by it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.cli.main import main
from backend.errors import ArtifactError
from backend.motion import skeleton
from backend.motion.representations import motion135, smplrifke205
from backend.motion.rotations import rotation_about
from backend.pipelines.dit.judge import JUDGE_FILES, Judge, shows
from backend.training.data.dataset import Clip, Item, MotionDataset
from backend.training.judge.recipe import JudgeConfig, JudgeRecipe
from backend.training.judge.takes import load_takes
from backend.training.loop import Training
from backend.training.run import RunFolder

JOINTS = {"raise_left": "left_shoulder", "raise_right": "right_shoulder"}


def arm_raise(joint: str, rng: np.random.Generator, frames: int = 60) -> np.ndarray:
    """One arm goes up and down, at a random pace and height."""
    time = np.arange(frames) / 30
    angle = rng.uniform(0.9, 1.4) * np.sin(rng.uniform(0.7, 1.3) * np.pi * time) ** 2
    rotations = np.tile(np.eye(3), (frames, skeleton.NUM_JOINTS, 1, 1))
    sign = 1 if joint.startswith("left") else -1
    rotations[:, skeleton.joint_index(joint)] = rotation_about("z", sign * angle)
    return motion135.pack(np.tile([0.0, 0.92, 0.0], (frames, 1)), rotations).astype(np.float32)


@pytest.fixture(scope="module")
def dataset() -> MotionDataset:
    rng = np.random.default_rng(0)
    clips, items, motion, features = [], [], [], []
    rows = native_rows = 0
    for number in range(20):
        label, joint = list(JOINTS.items())[number % 2]
        split = "val" if number >= 14 else "train"
        x = arm_raise(joint, rng)
        native = smplrifke205.from_motion135(x)
        clips.append(Clip(str(number), split, rows, len(x), label, "normal"))
        items.append(
            Item(
                str(number),
                split,
                native_rows,
                len(native),
                0,
                content=label,
                label=label,
                source="capture",
            )
        )
        motion.append(x)
        features.append(native)
        rows, native_rows = rows + len(x), native_rows + len(native)
    return MotionDataset(
        "smplrifke205",
        20.0,
        np.concatenate(features),
        np.concatenate(motion),
        tuple(clips),
        tuple(items),
        (("a person raises a hand.",),),
    )


def test_it_tells_clips_apart_that_it_never_saw(dataset: MotionDataset, tmp_path: Path) -> None:
    takes, held_out = load_takes(dataset, "train"), load_takes(dataset, "val")

    def recipe(steps: int) -> JudgeRecipe:
        return JudgeRecipe(JudgeConfig(batch=8, steps=steps), takes, held_out)

    whole = Training(recipe(60), RunFolder(tmp_path / "whole"))
    whole.fit()
    assert whole.recipe.report() == "6 of 6 held-out clips recognised"
    judge = Judge.load(tmp_path / "whole")
    assert judge.labels == ("raise_left", "raise_right")
    for take in held_out:
        native = smplrifke205.from_motion135(
            dataset.clip_motion(dataset.clips[int(take.item.clip)])
        )
        likely = judge.probabilities(native)
        assert likely[take.label] > 0.8
        assert shows(take.label, likely) == pytest.approx(likely[take.label])
        assert shows("wave", likely) is None
    assert judge.probabilities(np.zeros((5, 205), np.float32)) == {}


def test_the_command_trains_it(dataset: MotionDataset, tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    dataset.save(data)
    command = ["train", "judge", "--data", str(data), "--run", str(run), "--batch", "4"]
    assert main([*command, "--steps", "3", "--quiet"]) == 0
    assert main([*command, "--steps", "5", "--quiet"]) != 0, "a run is never trained over"
    assert main([*command, "--steps", "5", "--resume", "--quiet"]) == 0
    assert json.loads((run / "judge.json").read_text("utf-8"))["labels"] == list(JOINTS)
    (run / JUDGE_FILES[0]).write_bytes(b"damaged")
    with pytest.raises(ArtifactError):
        Judge.load(run)
