"""smplrifke205 <-> motion_135: axes, heading, heights, frame rates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion.representations import motion135, smplrifke205
from backend.motion.rotations import rotation_about
from backend.motion.skeleton import NUM_JOINTS
from backend.wire.skeleton import SOLE_HEIGHT

MotionMaker = Callable[..., np.ndarray]


def test_round_trip_at_equal_rate_is_the_same_motion_from_the_origin(
    make_motion: MotionMaker,
) -> None:
    clip = make_motion(turns=1.3)
    back = smplrifke205.to_motion135(smplrifke205.from_motion135(clip, 20), 20)
    root, rotations = motion135.unpack(clip)
    new_root, new_rotations = motion135.unpack(back)
    assert back.shape == clip.shape
    np.testing.assert_allclose(new_rotations[:, 1:], rotations[:, 1:], atol=1e-12)
    turn = new_rotations[:, 0] @ rotations[:, 0].swapaxes(-1, -2)
    np.testing.assert_allclose(turn, np.broadcast_to(turn[0], turn.shape), atol=1e-12)
    np.testing.assert_allclose(turn[0, 1], [0, 1, 0], atol=1e-12)  # about the vertical only
    moved = (root - root[0]) @ turn[0].T
    np.testing.assert_allclose(new_root - new_root[0], moved, atol=1e-12)
    np.testing.assert_allclose(new_root[0, [0, 2]], 0.0, atol=1e-12)


def test_a_rest_pose_comes_back_facing_plus_z_on_the_ground() -> None:
    rotations = np.tile(np.eye(3), (6, NUM_JOINTS, 1, 1))
    rotations[:, 0] = rotation_about("y", np.array(2.2))
    clip = motion135.pack(np.tile([3.0, 0.9, -1.0], (6, 1)), rotations)
    back = smplrifke205.to_motion135(smplrifke205.from_motion135(clip, 20), 20)
    _, new_rotations = motion135.unpack(back)
    np.testing.assert_allclose(new_rotations[:, 0], rotations[:, 0] * 0 + np.eye(3), atol=1e-12)
    assert motion135.joints(back)[..., 1].min() == pytest.approx(SOLE_HEIGHT, abs=1e-12)


def test_first_angle_turns_about_the_vertical(make_motion: MotionMaker) -> None:
    features = smplrifke205.from_motion135(make_motion(), 20)
    ahead = motion135.joints(smplrifke205.to_motion135(features))
    turned = motion135.joints(smplrifke205.to_motion135(features, first_angle=0.7))
    np.testing.assert_allclose(turned, ahead @ rotation_about("y", np.array(0.7)).T, atol=1e-12)


def test_heading_and_place_do_not_change_the_features(make_motion: MotionMaker) -> None:
    clip = make_motion()
    root, rotations = motion135.unpack(clip)
    turn = rotation_about("y", np.array(1.9))
    rotations[:, 0] = turn @ rotations[:, 0]
    moved = motion135.pack(root @ turn.T + [5.0, 0.3, -2.0], rotations)
    np.testing.assert_allclose(
        smplrifke205.from_motion135(moved), smplrifke205.from_motion135(clip), atol=1e-12
    )


def test_stored_joints_agree_with_stored_rotations(make_motion: MotionMaker) -> None:
    features = smplrifke205.from_motion135(make_motion(), 20)
    _, _, joints = smplrifke205.decode(features)
    body = motion135.joints(smplrifke205.to_motion135(features, 20))
    body[..., 1] -= SOLE_HEIGHT
    as_y_up = joints[:, :NUM_JOINTS] @ smplrifke205.Z_UP_FROM_Y_UP
    np.testing.assert_allclose(as_y_up, body, atol=1e-12)


def test_frame_rates_and_dtype(make_motion: MotionMaker) -> None:
    features = smplrifke205.from_motion135(make_motion(61).astype(np.float32))
    assert features.shape == (41, 205) and features.dtype == np.float32
    assert smplrifke205.to_motion135(features).shape == (61, 135)
    assert smplrifke205.to_motion135(features, frames=60).shape == (60, 135)


def test_too_short_or_drifting_input_is_refused(make_motion: MotionMaker) -> None:
    with pytest.raises(FormatError, match="3 or more frames"):
        smplrifke205.from_motion135(make_motion(2), 20)
    root, rotations = motion135.unpack(make_motion(8))
    joints = smplrifke205.joints24(rotations, root)
    with pytest.raises(FormatError, match="drift apart"):
        smplrifke205.encode(rotations, root * 2.0, joints)
    with pytest.raises(FormatError, match="NaN"):
        smplrifke205.decode(np.full((4, 205), np.nan))
