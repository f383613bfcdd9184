"""Tempo, repetitions, amplitude, layering and path of finished motions."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import InvalidRequest
from backend.motion import layering, limb_motion, pathing, repetitions, timing
from backend.motion.edits import heading
from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about
from backend.motion.skeleton import joint_index

FPS = 30.0


def moving(frames: int = 120, speed: float = 1.2, waves: float = 4.0) -> np.ndarray:
    """Somebody who glides along +Z at ``speed`` and swings the right arm ``waves`` times."""
    time = np.arange(frames) / FPS
    root = np.stack([0 * time, 0.95 + 0 * time, speed * time], axis=1)
    rotations = np.tile(np.eye(3), (frames, 22, 1, 1))
    phase = 2 * np.pi * waves * np.arange(frames) / frames
    rotations[:, joint_index("right_shoulder")] = rotation_about(
        "z", 0.6 * np.sin(phase - np.pi / 2)
    )
    return motion135.pack(root, rotations)


@pytest.mark.parametrize("tempo", [0.7, 1.35])
def test_a_retimed_walk_travels_at_the_tempo(tempo: float) -> None:
    x = moving(120)
    frames = round(120 / tempo)
    slow = timing.retimed(x, [(120, frames)], FPS)
    assert len(slow) == frames
    root = motion135.unpack(slow)[0]
    speed = np.linalg.norm(np.diff(root, axis=0), axis=1) * FPS
    assert speed.mean() == pytest.approx(1.2 * tempo, rel=0.02)
    np.testing.assert_allclose(slow[-1], x[-1], atol=1e-6)


def test_tempi_of_stretches_meet_without_a_jump() -> None:
    grid = timing.time_grid([(60, 86), (60, 45)], FPS)
    assert len(grid) == 131 and grid[0] == 0 and grid[-1] == pytest.approx(119)
    pace = np.diff(grid)
    assert (pace > 0).all() and np.abs(np.diff(pace)).max() < 0.1
    assert pace[5] == pytest.approx(60 / 86, rel=0.05)
    assert pace[-5] == pytest.approx(60 / 45, rel=0.05)


def test_stretches_must_cover_the_motion() -> None:
    with pytest.raises(InvalidRequest, match="stretches"):
        timing.retimed(moving(60), [(59, 80)], FPS)
    with pytest.raises(InvalidRequest, match="cannot take"):
        timing.retimed(moving(60), [(60, 300)], FPS)


@pytest.mark.parametrize("waves", [1, 3, 5])
def test_waves_are_counted(waves: int) -> None:
    assert repetitions.count(moving(150, waves=waves), FPS) == waves


@pytest.mark.parametrize("times", [1, 2, 3, 4, 6, 9])
def test_a_motion_repeats_as_often_as_asked(times: int) -> None:
    made = repetitions.with_count(moving(150, waves=4), times, FPS)
    assert repetitions.count(made, FPS) == times
    root = motion135.unpack(made)[0]
    steps = np.linalg.norm(np.diff(root, axis=0), axis=1)
    assert steps.max() < 2 * 1.2 / FPS  # no jump where pieces meet


def test_one_bow_becomes_three() -> None:
    x = moving(90, speed=0.0, waves=1)
    made = repetitions.with_count(x, 3, FPS)
    assert repetitions.count(made, FPS) == 3
    assert len(made) == pytest.approx(3 * 90, abs=6)


def test_standing_still_repeats_nothing() -> None:
    still = moving(60, waves=0)
    assert repetitions.count(still, FPS) == 0
    np.testing.assert_array_equal(repetitions.with_count(still, 4, FPS), still)


def extent(x: np.ndarray, joint: str) -> float:
    joints = motion135.joints(x)
    way = joints[:, joint_index(joint)] - joints[:, 0]
    return float(np.ptp(way, axis=0).max())


def test_a_big_wave_reaches_further_and_a_held_arm_not_at_all() -> None:
    x = moving()
    big = limb_motion.scaled(x, ["right_arm"], 1.3)
    assert extent(big, "right_wrist") > 1.15 * extent(x, "right_wrist")
    assert extent(limb_motion.scaled(x, ["right_arm"], 0.5), "right_wrist") < 0.6 * extent(
        x, "right_wrist"
    )
    held = limb_motion.held(x, ["arms"])
    assert extent(held, "right_wrist") < 1e-5
    np.testing.assert_allclose(motion135.unpack(held)[0], motion135.unpack(x)[0], atol=1e-6)


def test_higher_jumps_keep_their_ground() -> None:
    x = moving(90, speed=0.0)
    column = motion135.SPEC.columns("root_translation").start + 1
    x[40:60, column] += 0.3 * np.sin(np.linspace(0, np.pi, 20))
    high = limb_motion.higher(x, 1.3)
    assert high[:, column].max() - 0.95 == pytest.approx(1.3 * 0.3, rel=0.05)
    np.testing.assert_allclose(high[:39, column], x[:39, column])


def test_layers_take_arms_from_one_and_the_rest_from_the_other() -> None:
    walk, wave = moving(120, waves=0), moving(100, speed=0.0, waves=4)
    both = layering.layered(walk, wave, ["arms"], start=30, stop=90, fps=FPS)
    root, rotations = motion135.unpack(both)
    np.testing.assert_allclose(root, motion135.unpack(walk)[0], atol=1e-6)
    shoulder = joint_index("right_shoulder")
    np.testing.assert_allclose(
        rotations[50, shoulder], motion135.unpack(wave)[1][50, shoulder], atol=1e-6
    )
    own = motion135.unpack(walk)[1]
    np.testing.assert_allclose(rotations[10, shoulder], own[10, shoulder], atol=1e-6)
    np.testing.assert_allclose(rotations[-1, shoulder], own[-1, shoulder], atol=1e-6)


@pytest.mark.parametrize("turn", [2 * np.pi, -np.pi / 2])
def test_a_bent_path_turns_by_as_much_and_keeps_its_length(turn: float) -> None:
    x = moving(300)
    bent = pathing.bent(x, turn)
    assert pathing.turned(bent) == pytest.approx(turn, rel=1e-3)
    steps = [
        np.linalg.norm(np.diff(motion135.unpack(m)[0], axis=0), axis=1).sum() for m in (x, bent)
    ]
    assert steps[1] == pytest.approx(steps[0], rel=1e-3)
    if turn == 2 * np.pi:
        assert pathing.travelled(bent) < 0.05 * steps[0]  # a full circle comes home
    else:
        assert motion135.unpack(bent)[0][-1, 0] < -1  # to the right of +Z is -X
    assert heading(bent)[0] == pytest.approx(0, abs=1e-3)


def test_metres() -> None:
    x = moving(120)
    assert pathing.travelled(x) == pytest.approx(1.2 * 119 / 30)
    assert pathing.frames_for(x, 2.0) == 51
    assert pathing.travelled(pathing.stretched(x, 4.0)) == pytest.approx(4.0)
    assert pathing.travelled(pathing.stretched(x, 40.0)) == pytest.approx(
        pathing.LONGEST_STRETCH * pathing.travelled(x)
    )
