"""HumanAct12 (Guo et al. 2020): reading ``humanact12poses.pkl``, and its 25 x 6 form for MDM.

The pickle holds ``poses`` (SMPL axis-angles ``[F, 72]``), ``joints3D`` (``[F, 24, 3]``) and ``y``
(the class). It is read without running anything it names. The data set is not part of Kinetype.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import FormatError
from ...motion.io import strangers
from ...pipelines.action_mdm.names import HUMANACT12 as ACTIONS

__all__ = ["ACTIONS", "HumanAct12", "RotationBatch", "RotationWindows", "read"]

FPS = 20.0
FILE_NAME = "humanact12poses.pkl"
NUM_JOINTS = 24
NUM_ROWS, NUM_FEATURES = NUM_JOINTS + 1, 6
"""24 rotations as rot6d and one row for the translation."""

_SMALL_ANGLE = 1e-6
_HINT = f"Give {FILE_NAME} of HumanAct12Poses, or the folder that holds it."


@dataclass(frozen=True)
class HumanAct12:
    """The clips of the pickle: ``poses[i]`` ``[F, 72]``, ``joints[i]`` ``[F, 24, 3]``, a class."""

    poses: tuple[np.ndarray, ...]
    joints: tuple[np.ndarray, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def read(path: str | Path) -> HumanAct12:
    """Read the pickle, or the one in a folder.

    Raises:
        FormatError: no such file, a damaged or harmful pickle, or not this data set.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        path = path / FILE_NAME
    lists = strangers.read_array_lists(path)
    missing = [name for name in ("poses", "joints3D", "y") if name not in lists]
    if missing:
        raise FormatError(f"{path} lacks {', '.join(missing)}.", _HINT)
    poses, joints = lists["poses"], lists["joints3D"]
    try:
        labels = np.array([int(label) for label in lists["y"]], dtype=np.int64)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{path}: its classes y are no whole numbers.", _HINT) from error
    if not len(poses) == len(joints) == len(labels) > 0:
        raise FormatError(
            f"{path} has {len(poses)} poses, {len(joints)} joints3D and {len(labels)} y.", _HINT
        )
    for index, (pose, points) in enumerate(zip(poses, joints, strict=True)):
        fits = pose.ndim == 2 and pose.shape[1] == 3 * NUM_JOINTS and len(pose) > 0
        if not fits or points.shape != (len(pose), NUM_JOINTS, 3):
            raise FormatError(
                f"{path}: clip {index} has poses {list(pose.shape)} and joints3D "
                f"{list(points.shape)}; expected [F, 72] and [F, 24, 3].",
                _HINT,
            )
        if not (np.isfinite(pose).all() and np.isfinite(points).all()):
            raise FormatError(f"{path}: clip {index} holds NaN or infinite values.", _HINT)
    if labels.min() < 0:
        raise FormatError(f"{path} has a class below 0.", _HINT)
    return HumanAct12(tuple(poses), tuple(joints), labels)


# ------------------------------------------------------------------ the 25 x 6 form


def axis_angle_to_matrix(axis_angle: np.ndarray) -> np.ndarray:
    """``[..., 3]`` to ``[..., 3, 3]`` float32, rounded as MDM's data loader rounds.

    The quaternion takes sin(a/2)/a, or 0.5 - a^2/48 below 1e-6 (:mod:`backend.motion.rotations`
    has the general routine).
    """
    vectors = np.asarray(axis_angle, dtype=np.float64)
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    small = angle < _SMALL_ANGLE
    safe = np.where(small, 1.0, angle)
    factor = np.where(small, 0.5 - angle * angle / 48.0, np.sin(0.5 * safe) / safe)
    w, xyz = np.cos(0.5 * angle)[..., 0], vectors * factor
    x, y, z = (xyz[..., i] for i in range(3))
    s = 2.0 / (w * w + x * x + y * y + z * z)
    rows = [
        [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
        [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
        [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
    ]
    stacked = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
    return np.asarray(stacked, dtype=np.float32)


def matrix_to_rot6d(matrix: np.ndarray) -> np.ndarray:
    """``[..., 3, 3]`` to its first two ROWS ``[..., 6]`` (HumanML3D stores columns)."""
    return matrix[..., :2, :].reshape(*matrix.shape[:-2], NUM_FEATURES)


def rot6d_to_matrix(rot6d: np.ndarray) -> np.ndarray:
    """``[..., 6]`` to rotation matrices by Gram-Schmidt on the two rows."""
    a, b = rot6d[..., :3], rot6d[..., 3:]
    first = a / np.linalg.norm(a, axis=-1, keepdims=True)
    rest = b - (first * b).sum(-1, keepdims=True) * first
    second = rest / np.linalg.norm(rest, axis=-1, keepdims=True)
    return np.stack([first, second, np.cross(first, second)], axis=-2)


def rotation_features(pose: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """MDM's input for actions: ``[25, 6, F]`` float32.

    Rows 0 to 23 are the SMPL rotations (row 0 the global orientation); row 24 holds the pelvis
    position relative to the first frame in its first three channels.

    Args:
        pose: axis-angles ``[F, 72]``.
        joints: positions ``[F, 24, 3]`` in metres.
    """
    frames = len(pose)
    features = np.zeros((frames, NUM_ROWS, NUM_FEATURES), dtype=np.float32)
    matrices = axis_angle_to_matrix(pose.reshape(frames, NUM_JOINTS, 3))
    features[:, :NUM_JOINTS] = matrix_to_rot6d(matrices)
    features[:, NUM_JOINTS, :3] = joints[:, 0] - joints[0, 0]
    return np.ascontiguousarray(features.transpose(1, 2, 0))


@dataclass(frozen=True)
class RotationBatch:
    """``x`` ``[B, 25, 6, F]``, ``mask`` ``[B, 1, 1, F]`` (real frames), lengths and classes."""

    x: np.ndarray
    mask: np.ndarray
    lengths: np.ndarray
    actions: np.ndarray


class RotationWindows:
    """Windows of ``num_frames`` consecutive frames of every clip, as MDM trains on them.

    A shorter clip is taken whole and its last frame repeated. ``seed`` is that of Python's own
    generator, which the released loader draws from.
    """

    def __init__(self, data: HumanAct12, num_frames: int = 60, seed: int = 0) -> None:
        if num_frames < 1:
            raise FormatError(f"A window cannot have {num_frames} frames.", "Give 1 or more.")
        self.data, self.num_frames = data, num_frames
        self.random = random.Random(seed)

    def __len__(self) -> int:
        return len(self.data)

    def chosen_frames(self, total: int) -> np.ndarray:
        """Frame numbers of one window; the last possible start is never drawn, as released."""
        slack = total - self.num_frames
        if slack < 0:
            return np.minimum(np.arange(self.num_frames), total - 1)
        return self.random.randint(0, max(0, slack - 1)) + np.arange(self.num_frames)

    def item(self, index: int) -> np.ndarray:
        """Features ``[25, 6, num_frames]`` of a window of clip ``index``."""
        pose, joints = self.data.poses[index], self.data.joints[index]
        chosen = self.chosen_frames(len(pose))
        return rotation_features(pose[chosen], joints[chosen])

    def batch(self, indices: Sequence[int]) -> RotationBatch:
        """Several windows; every frame counts as real, held ones too, as released."""
        x = np.stack([self.item(int(i)) for i in indices])
        lengths = np.full(len(x), self.num_frames, dtype=np.int64)
        mask = np.ones((len(x), 1, 1, self.num_frames), dtype=bool)
        return RotationBatch(x, mask, lengths, self.data.labels[list(indices), None])
