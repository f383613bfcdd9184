"""Left and right are shown as asked."""

from __future__ import annotations

import numpy as np
import pytest

from backend.motion import skeleton
from backend.motion.mirror import mirror_motion135
from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about
from backend.pipelines.dit.script import Scene, Script
from backend.pipelines.dit.sides import shown_side, sided
from backend.text.prompts.reading import PartReading


def moving(joint: str, axis: str = "z", frames: int = 40) -> np.ndarray:
    """One joint swings to and fro."""
    angle = 0.8 * np.sin(np.linspace(0, 4 * np.pi, frames))
    rotations = np.tile(np.eye(3), (frames, skeleton.NUM_JOINTS, 1, 1))
    rotations[:, skeleton.joint_index(joint)] = rotation_about(axis, angle)
    return motion135.pack(np.tile([0.0, 0.92, 0.0], (frames, 1)), rotations).astype(np.float32)


def turning(total: float, frames: int = 40) -> np.ndarray:
    """The body turns by ``total`` rad, left positive, as it stands."""
    rotations = np.tile(np.eye(3), (frames, skeleton.NUM_JOINTS, 1, 1))
    rotations[:, 0] = rotation_about("y", np.linspace(0, total, frames))
    return motion135.pack(np.tile([0.0, 0.92, 0.0], (frames, 1)), rotations).astype(np.float32)


def going(aside: float, frames: int = 40) -> np.ndarray:
    """The body glides ``aside`` metres to its left."""
    rotations = np.tile(np.eye(3), (frames, skeleton.NUM_JOINTS, 1, 1))
    root = np.tile([0.0, 0.92, 0.0], (frames, 1))
    root[:, 0] = np.linspace(0, aside, frames)
    return motion135.pack(root, rotations).astype(np.float32)


def part(text: str, label: str, side: str = "left") -> PartReading:
    return PartReading(text, {label: 1.0}, sides=(side == "left", side == "right"))


@pytest.mark.parametrize(
    ("motion", "asked"),
    [
        (moving("left_shoulder"), part("wave with the hand", "wave")),
        (moving("left_shoulder"), part("wave", "wave")),
        (moving("left_hip", "x"), part("kick", "kick")),
        (turning(1.2), part("turn", "turn_around")),
        (going(1.0), part("step aside", "sidestep")),
    ],
)
def test_a_side_is_seen_and_its_mirror_image_is_the_other(
    motion: np.ndarray, asked: PartReading
) -> None:
    assert shown_side(motion, asked) == 1
    assert shown_side(mirror_motion135(motion), asked) == -1


def test_the_wrong_side_is_mirrored_and_the_right_one_kept() -> None:
    waves = moving("left_shoulder")
    for side, same in (("left", True), ("right", False)):
        script = Script((Scene(part("wave", "wave", side), shown=40, made=40),))
        made = sided(waves, script, 0)
        assert np.array_equal(made, waves) == same
        assert shown_side(made, part("wave", "wave")) == (1 if side == "left" else -1)


def test_what_shows_no_side_or_several_stays() -> None:
    still = moving("spine1")
    script = Script((Scene(part("wave", "wave"), shown=40, made=40),))
    assert sided(still, script, 0) is still
    both = np.concatenate([moving("left_shoulder"), moving("right_shoulder")])
    first, second = (
        Scene(part("wave", "wave", side), shown=40, made=40) for side in ("left", "left")
    )
    assert sided(both, Script((first, second)), 0) is both
    plain = Scene(PartReading("wave", {"wave": 1.0}), shown=40, made=40)
    right = moving("right_shoulder")
    assert sided(right, Script((plain,)), 0) is right
    over = Scene(part("walk", "walk", ""), over=((part("wave", "wave"), ("left_arm",)),), made=40)
    assert shown_side(sided(right, Script((over,)), 1), part("wave", "wave")) == 1
