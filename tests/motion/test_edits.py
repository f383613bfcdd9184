"""Heading, place, length and speed of clips."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import InvalidRequest
from backend.motion import edits
from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about


def test_align_heading_is_a_rigid_move(clip: np.ndarray) -> None:
    aligned = edits.align_heading(clip, 0.5)
    assert edits.heading(aligned)[0] == pytest.approx(0.5)
    np.testing.assert_allclose(aligned[0, [0, 2]], 0.0, atol=1e-12)
    before, after = motion135.joints(clip), motion135.joints(aligned)
    turn = rotation_about("y", np.array(0.5 - edits.heading(clip)[0]))
    shift = before[:, 0] * [1, 0, 1] - (clip[:, :3] - clip[0, :3]) * [1, 0, 1]
    np.testing.assert_allclose(after, (before - shift[:, None]) @ turn.T, atol=1e-12)


def test_heading_convention() -> None:
    rotations = np.tile(np.eye(3), (3, 22, 1, 1))
    rotations[:, 0] = rotation_about("y", np.array([0.0, np.pi / 2, -2.0]))
    clip = motion135.pack(np.zeros((3, 3)), rotations)
    np.testing.assert_allclose(edits.heading(clip), [0.0, np.pi / 2, -2.0])
    np.testing.assert_allclose(rotations[1, 0] @ [0, 0, 1], [1, 0, 0], atol=1e-12)


def test_in_place_keeps_height_and_poses(clip: np.ndarray) -> None:
    still = edits.in_place(clip)
    assert np.ptp(still[:, [0, 2]], axis=0).max() == 0.0
    np.testing.assert_array_equal(still[:, 1], clip[:, 1])
    np.testing.assert_array_equal(still[:, 3:], clip[:, 3:])


def test_trim(clip: np.ndarray) -> None:
    np.testing.assert_array_equal(edits.trim(clip, 0.5, 1.0), clip[15:30])
    for start, stop in ((-0.1, 1.0), (1.0, 1.0), (0.0, 1.7)):
        with pytest.raises(InvalidRequest):
            edits.trim(clip, start, stop)


def test_speed(clip: np.ndarray) -> None:
    fast = edits.change_speed(clip, 2.0)
    assert len(fast) == 25  # 47 steps become 23.5, rounded to even
    np.testing.assert_allclose(fast[[0, -1]], clip[[0, -1]], atol=1e-12)
    assert len(edits.change_speed(clip, 0.5)) == 95
    with pytest.raises(InvalidRequest):
        edits.change_speed(clip, 0.0)
