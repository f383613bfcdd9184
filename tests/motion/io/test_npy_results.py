"""Arrays of other programs: MDM's pickled results, rotation matrices, centimetres laid flat."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion.io.load import read_clip
from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about

FRAMES = 12


def local_turns() -> np.ndarray:
    """``[T, 22, 3, 3]``: arms down, walking on the spot."""
    turns = np.tile(np.eye(3), (FRAMES, 22, 1, 1))
    swing = 0.4 * np.sin(np.linspace(0, 6, FRAMES))
    turns[:, 1], turns[:, 2] = rotation_about("x", swing), rotation_about("x", -swing)
    turns[:, 16] = rotation_about("z", np.full(FRAMES, -1.2))
    turns[:, 17] = rotation_about("z", np.full(FRAMES, 1.2))
    return turns


def walking() -> np.ndarray:
    root = np.tile([0.0, 0.93, 0.0], (FRAMES, 1))
    return motion135.joints(motion135.pack(root, local_turns()))


@pytest.mark.parametrize("wrapped", [False, True])
def test_results_of_mdm_are_read_without_unpickling(tmp_path, wrapped):
    points = walking()
    motion = np.stack([points, 1.01 * points]).transpose(0, 2, 3, 1).astype(np.float32)
    content = {"motion": motion, "text": ["a", "b"], "lengths": np.array([10, 12]), "n": 2}
    path = tmp_path / "results.npy"
    np.save(path, np.array(content, dtype=object) if wrapped else content, allow_pickle=True)
    clip = read_clip(path)
    np.testing.assert_allclose(clip.data, points[:10], atol=1e-6)
    assert clip.fps == 20.0
    assert "2 motions" in " ".join(clip.warnings)


class _Harm:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("content", ["harm", {"motion": np.zeros(3)}, [1, 2], {"a": "b"}])
def test_other_pickles_in_a_npy_are_refused(tmp_path, content):
    mark = tmp_path / "harmed"
    path = tmp_path / "results.npy"
    content = {"motion": _Harm(mark)} if content == "harm" else content
    boxed = np.empty((), dtype=object)
    boxed[()] = content
    np.save(path, boxed, allow_pickle=True)
    with pytest.raises(FormatError):
        read_clip(path)
    assert not mark.exists()


def test_a_truncated_pickle_in_a_npy_is_refused(tmp_path):
    path = tmp_path / "results.npy"
    np.save(path, {"motion": np.zeros((1, 22, 3, 4))}, allow_pickle=True)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FormatError):
        read_clip(path)


def test_rotation_matrices_of_hmr_are_read_when_the_rate_is_said(tmp_path):
    path = tmp_path / "rotmat.npy"
    np.save(path, np.concatenate([local_turns(), np.tile(np.eye(3), (FRAMES, 2, 1, 1))], axis=1))
    with pytest.raises(FormatError, match="frame rate"):
        read_clip(path)
    clip = read_clip(path, fps=25.0)
    assert (clip.representation, clip.fps) == ("motion135", 25.0)
    _, turns = motion135.unpack(clip.data.astype(np.float64))
    np.testing.assert_allclose(turns, local_turns(), atol=1e-5)


def test_flat_joints_in_centimetres_become_metres(tmp_path):
    path = tmp_path / "flat.npy"
    np.save(path, 100.0 * walking().reshape(FRAMES, 66))
    clip = read_clip(path)
    np.testing.assert_allclose(clip.data, walking(), atol=1e-5)
    assert "centimetres" in " ".join(clip.warnings)


def test_flat_axis_angles_are_not_taken_for_joints_without_a_word(tmp_path):
    path = tmp_path / "angles.npy"
    np.save(path, np.random.default_rng(0).normal(0, 0.4, (FRAMES, 66)))
    assert "Read as it is" in " ".join(read_clip(path).warnings)


def test_how_well_points_were_seen_is_left_out(tmp_path):
    path = tmp_path / "seen.npy"
    np.save(path, np.concatenate([walking(), np.ones((FRAMES, 22, 1))], axis=2))
    clip = read_clip(path)
    np.testing.assert_allclose(clip.data, walking(), atol=1e-5)
    assert "seen" in " ".join(clip.warnings)
