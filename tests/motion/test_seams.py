"""Where made motion meets recorded motion."""

from __future__ import annotations

import numpy as np

from backend.motion import seams
from backend.motion.representations import motion135
from backend.motion.rotations import axis_angle_to_matrix, rotation_about


def parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return motion135.unpack(np.asarray(x, np.float64))


def moved(pair: tuple[np.ndarray, np.ndarray], angle: float, shift) -> tuple:
    """A clip turned about y and put elsewhere."""
    turn = rotation_about("y", np.array(angle))
    rotations = pair[1].copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    return pair[0] @ turn.T + shift, rotations


def test_gaps_and_stretches() -> None:
    kept = np.array([0, 1, 1, 0, 0, 1, 0], bool)
    assert seams.gaps(kept) == [(0, 1), (3, 5), (6, 7)]
    assert seams.kept_stretches(kept) == [(1, 3), (5, 6)]


def test_a_moved_copy_comes_back_to_its_place(clip: np.ndarray) -> None:
    given = parts(clip)
    for gap in ((10, 30), (0, 30), (10, 48), (0, 48)):
        root, rotations = seams.place(moved(given, 2.1, [4.0, 0.0, -3.0]), given, gap)
        np.testing.assert_allclose(root, given[0], atol=1e-6)
        np.testing.assert_allclose(rotations, given[1], atol=1e-6)


def test_place_reaches_both_ends_of_a_gap(clip: np.ndarray) -> None:
    given = parts(clip)
    made = (given[0] * [0.7, 1.0, 0.7], given[1])
    root, _ = seams.place(made, given, (10, 30))
    np.testing.assert_allclose(root[[9, 30]], given[0][[9, 30]], atol=1e-9)


def test_a_joined_gap_is_continuous_in_pose_and_speed(clip: np.ndarray) -> None:
    given = parts(clip)
    frames = np.arange(48)
    # another motion with a pose and a speed of its own: offsets of 30 cm, 60 degrees, 1.5 m/s
    root = given[0] + 0.3 + 0.05 * frames[:, None]
    tilt = axis_angle_to_matrix(np.stack([1.0 + 0.02 * frames, 0 * frames, 0 * frames], -1))
    made = (root, given[1] @ tilt[:, None])
    kept = np.ones(48, bool)
    kept[12:36] = False
    new_root, new_rotations = seams.join(made, given, (12, 36), kept, 9.0)
    joined = given[0].copy(), given[1].copy()
    joined[0][12:36], joined[1][12:36] = new_root, new_rotations
    for values, hard in zip(joined, made, strict=True):
        own = given[0] if values is joined[0] else given[1]
        cut = np.concatenate([own[:12], hard[12:36], own[36:]])
        bends, broken = (np.abs(np.diff(v, n=2, axis=0)).max() for v in (values, cut))
        assert bends < 0.15 * broken
    # in the middle of the gap the made motion is untouched
    np.testing.assert_allclose(new_root[10:14], made[0][22:26], atol=1e-9)


def test_a_single_kept_pose_gives_no_speed(clip: np.ndarray) -> None:
    given = parts(clip)
    wild = given[0].copy()
    wild[:20] += 5.0  # not kept: must not be read as a speed
    kept = np.zeros(48, bool)
    kept[20] = True
    root, _ = seams.join(given, (wild, given[1]), (21, 48), kept, 9.0)
    np.testing.assert_allclose(root, given[0][21:], atol=1e-9)
