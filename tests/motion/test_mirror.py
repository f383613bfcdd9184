"""Mirroring is a reflection of the whole body with the names swapped."""

from __future__ import annotations

import numpy as np

from backend.motion.mirror import mirror_motion135
from backend.motion.representations import motion135
from backend.motion.skeleton import MIRROR_ORDER, joint_index, rest_offsets


def test_twice_is_the_same(clip: np.ndarray) -> None:
    np.testing.assert_allclose(mirror_motion135(mirror_motion135(clip)), clip, atol=1e-14)


def test_joints_are_reflected_on_a_symmetric_skeleton(clip: np.ndarray) -> None:
    offsets = rest_offsets()
    offsets = 0.5 * (offsets + offsets[list(MIRROR_ORDER)] * [-1.0, 1.0, 1.0])
    before = motion135.joints(clip, offsets)
    after = motion135.joints(mirror_motion135(clip), offsets)
    expected = before[:, MIRROR_ORDER] * [-1.0, 1.0, 1.0]
    np.testing.assert_allclose(after, expected, atol=1e-12)
    hand = joint_index("left_wrist")
    assert np.abs(after[:, hand] - before[:, hand]).max() > 0.1
