"""Motions given as rotations of SMPL's joints, under the names that the field's programs use.

=====================  =====================================================================
program                keys
=====================  =====================================================================
AMASS, Kimodo, BABEL   poses, or root_orient and pose_body; trans; mocap_frame_rate (two spellings)
GVHMR                  smpl_params_global: global_orient, body_pose, transl
AIST++                 smpl_poses, smpl_trans, smpl_scaling
WHAM, TRAM             pose_world, trans_world; or pred_rotmat, pred_trans
ROMP                   smpl_thetas, cam_trans
HY-Motion              poses, trans, Rh (with poses whose root is zero), no rate
=====================  =====================================================================

Rotations may be axis-angles ``[T, 66 or more]``, ``[T, J, 3]`` or matrices ``[T, J, 3, 3]``. SMPL
adds the rest pelvis to its translation without turning it (Loper et al., 2015). Which axis is up is
measured: a body stands, sits and walks along it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import FormatError, NoMotion
from ...wire.skeleton import NUM_JOINTS
from ..representations import motion135
from ..rotations import axis_angle_to_matrix
from .array_layouts import TO_Y_UP

if TYPE_CHECKING:
    from ..steps import Clip

REST_PELVIS = np.array([-0.002, -0.223, 0.028])
"""Where the pelvis of the neutral SMPL-H body is when ``trans`` is zero (m, rounded)."""

POSE_KEYS = (
    "poses", "smpl_poses", "pose_world", "pred_rotmat", "smpl_thetas", "fullpose", "full_pose",
    "pose",
)  # fmt: skip
ROOT_KEYS = ("root_orient", "global_orient", "Rh")
BODY_KEYS = ("pose_body", "body_pose")
TRANS_KEYS = ("trans", "transl", "smpl_trans", "trans_world", "pred_trans", "cam_trans", "Th")
_BESIDE = {"pose_world": "trans_world"}
"""Poses whose translation is this one, where there are several."""
RATE_KEYS = ("mocap_frame_rate", "mocap_framerate", "fps", "target_fps", "frame_rate", "framerate")

_HINT = "A motion file needs motion_135, or the AMASS keys poses, trans and a frame rate."
RATE_HINT = "Give it: --source-fps on the command line, fps= in Python."
_OTHER = (
    ({"v_template", "shapedirs"}, "a body model, not a motion"),
    ({"shapedirs"}, "a body model, not a motion"),
    ({"markers"}, "positions of markers, not a body's motion"),
    ({"marker_data"}, "positions of markers, not a body's motion"),
    ({"betas"}, "the shape of a body, not a motion"),
    ({"Mean", "Std"}, "statistics of a data set, not a motion"),
)
_UPRIGHT = 0.5


@dataclass(frozen=True)
class Params:
    """A motion out of SMPL parameters.

    Attributes:
        data: motion_135 ``[T, 135]`` at the file's own rate.
        fps: None where the file does not say it.
        up: the axis that was up in the file.
        notes: what was assumed or changed, for a person.
    """

    data: np.ndarray
    fps: float | None
    up: str
    notes: tuple[str, ...] = ()


def has_motion(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether there are rotations of a body among the arrays."""
    return any(key in arrays for key in (*POSE_KEYS, *BODY_KEYS))


def what_else(arrays: Mapping[str, np.ndarray]) -> str:
    """What arrays without a motion are, in words; empty where nobody knows."""
    names = set(arrays)
    if names & {*ROOT_KEYS, *TRANS_KEYS}:
        return ""  # parts of a motion are there
    return next((what for keys, what in _OTHER if keys <= names), "")


def read(arrays: Mapping[str, np.ndarray], what: str, *, up: str | None = None) -> Params:
    """The motion in named arrays.

    Args:
        what: name of the file, for messages.
        up: "y", "z" or "-y"; measured when None.

    Raises:
        FormatError: no rotations, other shapes, lengths that differ, values that are not finite.
    """
    if not has_motion(arrays):
        named = ", ".join(sorted(arrays)) or "nothing"
        other = what_else(arrays)
        raise NoMotion(
            f"{what} holds {other} ({named})." if other else
            f"{what} has no array 'poses'; it holds {named}.",
            _HINT,
        )  # fmt: skip
    rotations, own_root = _rotations(arrays, what)
    notes = []
    trans = _translation(arrays, len(rotations), what)
    if trans is None:
        notes.append("There is no translation: the body stays where it is.")
        trans = np.zeros((len(rotations), 3))
    # a root given apart from its poses turns the whole body, its pelvis included
    pelvis = rotations[:, 0] @ REST_PELVIS if own_root else REST_PELVIS
    axis = up or _up_axis(rotations[:, 0])
    turn = TO_Y_UP[axis]
    rotations = rotations.copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    if axis == "-y":
        notes.append("The motion is in a camera's frame (Y down); it was turned upright.")
    data = motion135.pack((trans + pelvis) @ turn.T, rotations)
    return Params(data, rate_of(arrays, what), axis, tuple(notes))


def rate_of(arrays: Mapping[str, np.ndarray], what: str) -> float | None:
    """Frames per second that a file says, or None; :class:`FormatError` for what is no rate."""
    key = next((k for k in RATE_KEYS if k in arrays), None)
    if key is None:
        return None
    value = arrays[key]
    if value.size != 1 or value.dtype.kind not in "fiu" or not 0 < float(value.reshape(())) < 1e5:
        raise FormatError(f"{what}: {key} is not a frame rate.", _HINT)
    return float(value.reshape(()))


def _first(arrays: Mapping[str, np.ndarray], keys: Sequence[str]) -> str | None:
    return next((key for key in keys if key in arrays), None)


def _rotations(arrays: Mapping[str, np.ndarray], what: str) -> tuple[np.ndarray, bool]:
    """``[T, 22, 3, 3]``, and whether the root was given apart as the turn of the whole body."""
    body_key, root_key = _first(arrays, BODY_KEYS), _first(arrays, ROOT_KEYS)
    pose_key = _first(arrays, POSE_KEYS)
    if pose_key is not None:
        rotations = _matrices(arrays[pose_key], f"{what}: {pose_key}", NUM_JOINTS)
        if "Rh" in arrays and np.allclose(rotations[:, 0], np.eye(3), atol=1e-6):
            root = _matrices(arrays["Rh"], f"{what}: Rh", 1)
            _same_length(rotations, root, what)
            rotations = np.concatenate([root, rotations[:, 1:]], axis=1)
            return rotations, "trans" not in arrays
        return rotations, False
    if body_key is None or root_key is None:
        raise FormatError(f"{what} has {body_key or root_key} but no root or no body.", _HINT)
    root = _matrices(arrays[root_key], f"{what}: {root_key}", 1)
    body = _matrices(arrays[body_key], f"{what}: {body_key}", NUM_JOINTS - 1)
    _same_length(root, body, what)
    return np.concatenate([root, body], axis=1), False


def _same_length(a: np.ndarray, b: np.ndarray, what: str) -> None:
    if len(a) != len(b):
        raise FormatError(f"{what}: root and poses do not fit together.", _HINT)


def _matrices(x: np.ndarray, what: str, joints: int) -> np.ndarray:
    """``[T, joints, 3, 3]`` of axis-angles or matrices with that many joints or more."""
    x = np.asarray(x)
    if x.dtype.kind not in "fiu":
        raise FormatError(f"{what} holds no numbers.", _HINT)
    if x.ndim >= 3 and x.shape[0] == 1 and x.shape[1] != 1 and x.ndim in (3, 5):
        x = x[0]  # a batch of one: [1, T, D] or [1, T, J, 3, 3]
    wide = 3 * joints
    if x.ndim == 4 and x.shape[1] >= joints and x.shape[2:] == (3, 3):
        found = x[:, :joints].astype(np.float64)
        _check_finite(found, what)
        return found
    if x.ndim == 3 and joints == 1 and x.shape[1:] == (3, 3):
        found = x[:, None].astype(np.float64)
        _check_finite(found, what)
        return found
    if x.ndim == 3 and x.shape[1] >= joints and x.shape[2] == 3:
        x = x[:, :joints].reshape(len(x), wide)
    if x.ndim != 2 or x.shape[1] < wide or not len(x):
        raise FormatError(
            f"{what} must have shape [T, {wide}] or wider, not {list(x.shape)}.", _HINT
        )
    angles = x[:, :wide].astype(np.float64)
    _check_finite(angles, what)
    return axis_angle_to_matrix(angles.reshape(-1, joints, 3))


def _check_finite(x: np.ndarray, what: str) -> None:
    if not np.isfinite(x).all():
        raise FormatError(f"{what} holds values that are not finite.", _HINT)


def _translation(arrays: Mapping[str, np.ndarray], frames: int, what: str) -> np.ndarray | None:
    pose = _first(arrays, POSE_KEYS) or ""
    key = _first(arrays, (_BESIDE.get(pose, TRANS_KEYS[0]), *TRANS_KEYS))
    if key is None:
        return None
    x = np.asarray(arrays[key])
    if x.ndim == 3 and 1 in x.shape[:2] and x.shape[2] == 3:
        x = x.reshape(-1, 3)
    if x.ndim != 2 or x.shape[1] != 3 or x.dtype.kind not in "fiu":
        raise FormatError(f"{what}: {key} must have shape [T, 3], not {list(x.shape)}.", _HINT)
    if len(x) != frames:
        raise FormatError(f"{what}: {frames} poses but {len(x)} translations.", _HINT)
    trans = x.astype(np.float64)
    _check_finite(trans, f"{what}: {key}")
    scaling = arrays.get("smpl_scaling")
    if scaling is not None and scaling.size == 1 and float(scaling.reshape(())) > 0:
        trans = trans / float(scaling.reshape(()))
    return trans


def _up_axis(roots: np.ndarray) -> str:
    """The axis along which the pelvis stands in most frames; AMASS's Z where none is."""
    spine = roots[:, :, 1]
    means = {"y": spine[:, 1], "z": spine[:, 2], "-y": -spine[:, 1]}
    median = {name: float(np.median(values)) for name, values in means.items()}
    best = max(median, key=lambda name: median[name])
    return best if median[best] > _UPRIGHT else "z"


def clip_of(found: Params, what: str, fps: float | None, own: float | None = None) -> Clip:
    """The clip, once its rate is known.

    Args:
        fps: what the person says; it goes before all else.
        own: rate of all files of that program, where the file does not say it.

    Raises:
        FormatError: nobody says the rate.
    """
    from ..steps import Clip

    rate = fps or found.fps or own
    if rate is None:
        raise FormatError(
            f"{what} does not say its frame rate.",
            RATE_HINT,
        )
    return Clip(found.data, motion135.SPEC.name, rate, warnings=found.notes)
