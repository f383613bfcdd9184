from __future__ import annotations

import numpy as np
import pytest

from backend.motion.representations import motion135, smplrifke205
from backend.motion.rotations import rotation_about
from backend.pipelines.dit.vocabulary import CONTROLS
from backend.training.data.conditioned import retimed, trimmed
from backend.training.data.controls import joint_speed, joint_steps, measure, root_path
from tests.training.described import walking

NAMES = [control.name for control in CONTROLS]


def _measured(x: np.ndarray, usual: float | None = None) -> dict[str, float]:
    return dict(zip(NAMES, measure(x, usual, True).tolist(), strict=True))


def _features(motion: np.ndarray) -> np.ndarray:
    return smplrifke205.from_motion135(motion)


def test_speed_and_places_of_someone_who_glides_ahead() -> None:
    x = _features(walking(91, 1.2).data)  # 3 s
    found = _measured(x)
    assert found["speed"] == pytest.approx(1.2, rel=0.05)
    assert found["forward"] == pytest.approx(3.6, abs=0.1)
    assert found["leftward"] == pytest.approx(0.0, abs=0.02)
    assert found["turn"] == pytest.approx(0.0, abs=0.01)
    assert found["left_hand"] > 0.3 > 0.05 > found["right_hand"]
    assert np.isnan(found["tempo"])


def test_a_turn_to_the_left_is_positive_and_ends_on_the_left() -> None:
    frames = 91
    angle = np.linspace(0, np.pi, frames)  # half a circle of radius 1, leftwards
    root = np.stack([1 - np.cos(angle), np.full(frames, 0.93), np.sin(angle)], 1)
    rotations = np.tile(np.eye(3), (frames, 22, 1, 1))
    rotations[:, 0] = rotation_about("y", angle)
    found = _measured(_features(motion135.pack(root, rotations).astype(np.float32)))
    assert found["turn"] == pytest.approx(np.pi, abs=0.05)
    assert found["leftward"] == pytest.approx(2.0, abs=0.05)
    assert found["forward"] == pytest.approx(0.0, abs=0.05)


def test_joint_steps_are_those_of_the_world() -> None:
    motion = walking(60, 0.8).data
    x = _features(motion)
    joints = motion135.joints(smplrifke205.to_motion135(x, 20.0))
    own = np.linalg.norm(joint_steps(x)[:, :22], axis=-1)
    assert np.abs(own - np.linalg.norm(np.diff(joints, axis=0), axis=-1)).max() < 1e-3
    assert np.abs(root_path(x)[:, 1] - (joints[:, 0, 2] - joints[0, 0, 2])).max() < 1e-3


def test_retiming_makes_it_faster_and_goes_the_same_way() -> None:
    x = _features(walking(91, 1.0).data)
    fast = retimed(x, 1.5)
    assert len(fast) == pytest.approx(len(x) / 1.5, abs=1)
    before, after = _measured(x, 1.0), _measured(fast, 1.0)
    assert after["forward"] == pytest.approx(before["forward"], abs=0.05)
    assert after["tempo"] - before["tempo"] == pytest.approx(np.log(1.5), abs=0.05)


def test_trimming_takes_only_still_frames() -> None:
    moving = _features(walking(60).data)
    still = np.repeat(moving[:1], 20, 0)
    still[:, 1:4] = 0.0
    x = np.concatenate([still, moving, still])
    rng = np.random.default_rng(0)
    lengths = {len(trimmed(x, rng, 10)) for _ in range(60)}
    assert min(lengths) >= len(moving) - 2 and max(lengths) <= len(x)
    assert len(lengths) > 15
    assert joint_speed(trimmed(x, rng, 10)).max() == pytest.approx(joint_speed(x).max())


def test_steps_are_counted() -> None:
    frames = 90
    time = np.arange(frames) / 30
    root = np.stack([0 * time, np.full(frames, 0.93), 0.7 * time], 1)
    rotations = np.tile(np.eye(3), (frames, 22, 1, 1))
    # half a second back as fast as the body goes ahead, half a second ahead: three swings of each
    # foot in three seconds
    for hip, phase in ((1, 0.0), (2, 0.5)):
        triangle = np.abs((time + phase) % 1.0 - 0.5) * 4 - 1
        rotations[:, hip] = rotation_about("x", 0.21 * triangle)
    found = _measured(_features(motion135.pack(root, rotations).astype(np.float32)))
    assert abs(found["steps"] - 6) <= 1
