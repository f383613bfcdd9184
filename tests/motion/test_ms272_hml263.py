"""Properties of the 263 and 272 features that hold for any clip."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion.representations import hml263, motion135, ms272, smpl85, statistics
from backend.motion.rotations import rotation_about
from backend.motion.skeleton import forward_kinematics

MotionMaker = Callable[..., np.ndarray]


def test_ms272_round_trip_from_a_clip_that_faces_z(make_motion: MotionMaker) -> None:
    root, rotations = motion135.unpack(make_motion())
    rotations, root = ms272.face_z(rotations, root)
    joints = forward_kinematics(rotations, root)
    features = ms272.encode(joints, rotations)
    origin = joints[0, 0] * [1, 0, 1] + [0, joints[..., 1].min(), 0]
    np.testing.assert_allclose(ms272.decode_joints(features), joints - origin, atol=1e-12)
    back_rotations, back_root = ms272.decode(features)
    np.testing.assert_allclose(back_rotations, rotations, atol=1e-12)
    np.testing.assert_allclose(back_root, root - origin, atol=1e-12)


@pytest.mark.parametrize("representation", ["hml263", "ms272"])
def test_place_and_heading_are_not_stored(make_motion: MotionMaker, representation: str) -> None:
    root, rotations = motion135.unpack(make_motion())
    turn = rotation_about("y", np.array(2.3))
    turned = rotations.copy()
    turned[:, 0] = turn @ rotations[:, 0]
    moved = root @ turn.T + [4.0, 0.7, -3.0]

    def features(rotations: np.ndarray, root: np.ndarray) -> np.ndarray:
        joints = forward_kinematics(rotations, root)
        if representation == "hml263":
            return hml263.encode(joints)
        return ms272.encode(joints, rotations)

    np.testing.assert_allclose(features(turned, moved), features(rotations, root), atol=1e-9)


def test_hml263_recovers_the_uniform_clip(make_motion: MotionMaker) -> None:
    joints = motion135.joints(make_motion(60))
    features = hml263.encode(joints)
    poses = hml263.canonicalise(joints)[:-1]
    back = hml263.decode_joints(features)
    # the first heading is forced to zero, so the whole clip may come back turned
    half, _ = hml263.inverse_kinematics(hml263.canonicalise(joints))
    np.testing.assert_allclose(back, poses, atol=1e-9)
    assert half[0] == 0.0
    lengths = np.linalg.norm(back[:, 4] - back[:, 1], axis=-1)
    np.testing.assert_allclose(lengths, hml263.HML22.bone_lengths[4], atol=1e-9)
    np.testing.assert_allclose(hml263.joints_from_rotations(features), back, atol=1e-9)


def test_kit_skeleton_has_251_columns() -> None:
    rng = np.random.default_rng(0)
    rest = np.cumsum(rng.normal(0, 100, (21, 3)), axis=0)
    joints = rest + rng.normal(0, 5, (30, 21, 3))
    features = hml263.encode(joints, hml263.KIT21)
    assert features.shape == (29, 251)
    back = hml263.decode_joints(features, hml263.KIT21)
    poses = hml263.canonicalise(joints, hml263.KIT21)[:-1]
    np.testing.assert_allclose(
        np.linalg.norm(back[:, 1:] - back[:, :1], axis=-1),
        np.linalg.norm(poses[:, 1:] - poses[:, :1], axis=-1),
        atol=1e-8,
    )


def test_what_they_refuse(make_motion: MotionMaker) -> None:
    clip = make_motion(6)
    joints = motion135.joints(clip)
    rotations = motion135.unpack(clip)[1]
    with pytest.raises(FormatError, match="2 or more"):
        hml263.encode(joints[:1])
    with pytest.raises(FormatError, match="2 or more"):
        ms272.encode(joints[:1], rotations[:1])
    with pytest.raises(FormatError, match="equally many"):
        ms272.encode(joints, rotations[:-1])
    with pytest.raises(FormatError, match="263"):
        hml263.decode_joints(np.zeros((4, 262)))
    with pytest.raises(FormatError, match="bone lengths"):
        hml263.joints_from_rotations(np.zeros((4, 251)), hml263.KIT21)
    joints[3, 7] = joints[3, 4]
    with pytest.raises(FormatError, match="frame 3"):
        hml263.encode(joints)
    with pytest.raises(FormatError, match="no clip"):
        statistics.mean_std([np.full((3, 272), np.nan)], ms272.SPEC)


def test_smpl85_round_trip_and_mirror(make_motion: MotionMaker) -> None:
    root, rotations = motion135.unpack(make_motion(9))
    betas = np.linspace(-1, 1, 10)
    x = smpl85.pack(rotations, root, betas)
    assert x.shape == (9, 85) and not x[:, smpl85.SPEC.columns("hands")].any()
    back, trans, shapes = smpl85.unpack(x)
    np.testing.assert_allclose(back, rotations, atol=1e-12)
    np.testing.assert_allclose(trans, root)
    np.testing.assert_allclose(shapes, np.tile(betas, (9, 1)))
    np.testing.assert_allclose(smpl85.mirror(smpl85.mirror(x)), x, atol=1e-12)
