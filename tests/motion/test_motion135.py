"""The hub representation: packing, reading back, refusing what is not one."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion.representations import motion135, smplrifke205
from backend.motion.skeleton import forward_kinematics


def test_pack_unpack_round_trip(clip: np.ndarray) -> None:
    root, rotations = motion135.unpack(clip)
    assert root.shape == (48, 3) and rotations.shape == (48, 22, 3, 3)
    np.testing.assert_allclose(motion135.pack(root, rotations), clip, atol=1e-14)


def test_layout_is_first_two_columns_row_by_row(clip: np.ndarray) -> None:
    _, rotations = motion135.unpack(clip)
    r = rotations[5, 7]
    expected = [r[0, 0], r[0, 1], r[1, 0], r[1, 1], r[2, 0], r[2, 1]]
    np.testing.assert_allclose(clip[5, 3 + 7 * 6 : 9 + 7 * 6], expected, atol=1e-14)


def test_dtype_is_kept(clip: np.ndarray) -> None:
    root, rotations = motion135.unpack(clip.astype(np.float32))
    assert root.dtype == rotations.dtype == np.float32
    assert motion135.pack(root, rotations).dtype == np.float32


def test_unpack_returns_rotations_for_noisy_input(clip: np.ndarray) -> None:
    noisy = clip + np.random.default_rng(1).normal(0, 0.2, clip.shape)
    _, rotations = motion135.unpack(noisy)
    identity = rotations @ rotations.swapaxes(-1, -2)
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0, atol=1e-12)


@pytest.mark.parametrize("broken", [np.zeros(6), np.array([1.0, 2.0, 0.0, 0.0, 0.0, 0.0])])
def test_numbers_that_make_no_rotation(clip: np.ndarray, broken: np.ndarray) -> None:
    noisy = clip + np.random.default_rng(1).normal(0, 0.2, clip.shape)
    np.testing.assert_array_equal(motion135.check_rotations(noisy), noisy)
    damaged = noisy.copy()
    damaged[7, 3 + 16 * 6 : 9 + 16 * 6] = broken
    with pytest.raises(FormatError, match="left_shoulder in frame 7"):
        motion135.check_rotations(damaged)


def test_joints_is_forward_kinematics(clip: np.ndarray) -> None:
    root, rotations = motion135.unpack(clip)
    np.testing.assert_array_equal(motion135.joints(clip), forward_kinematics(rotations, root))


@pytest.mark.parametrize("shape", [(0, 135), (5, 134), (135,), (2, 5, 135)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(FormatError, match="motion135"):
        motion135.unpack(np.zeros(shape))


def test_nan_is_refused_with_its_frame(clip: np.ndarray) -> None:
    clip[17, 30] = np.nan
    with pytest.raises(FormatError, match="frame 17"):
        motion135.unpack(clip)


def test_columns_have_one_home() -> None:
    spec = smplrifke205.SPEC
    assert (motion135.SPEC.dim, motion135.SPEC.fps) == (135, 30.0)
    assert (spec.dim, spec.fps) == (205, 20.0)
    assert spec.columns("root_height") == slice(0, 1)
    assert spec.columns("root_velocity", "yaw_velocity") == slice(1, 4)
    assert spec.columns("rotations") == slice(4, 136)
    assert spec.columns("joints") == slice(136, 205)
    with pytest.raises(KeyError, match="foot_contacts"):
        spec.columns("foot_contacts")
    with pytest.raises(KeyError, match="neighbouring"):
        spec.columns("root_height", "joints")
