"""BVH as MotionStreamer's 272-dim-Motion-Representation writes it, to the digit.

24 SMPL joints (22 and two flat hands) with capitalised names, depth first, ZYX Euler angles in
degrees, metres, six decimals, empty end sites. The root channels hold the decoded pelvis PLUS the
rest pelvis, although MS272 decodes to the pelvis already: the body floats or sinks by that offset.
It is kept because files must equal theirs; :func:`backend.motion.io.bvh.write_motion` has no such
offset.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import OutputError
from ..representations.spec import check_shape
from ..rotations import matrix_to_euler_zyx
from ..skeleton import HAND_OFFSETS, JOINT_NAMES, NUM_JOINTS, PARENTS, rest_offsets
from .atomic import atomic_path

NAMES: tuple[str, ...] = (
    *(name.capitalize() for name in JOINT_NAMES),
    "Left_palm",
    "Right_palm",
)
_PARENTS24 = (*PARENTS, JOINT_NAMES.index("left_wrist"), JOINT_NAMES.index("right_wrist"))


def _depth_first(joint: int = 0) -> list[int]:
    below = [c for c, parent in enumerate(_PARENTS24) if parent == joint]
    return [joint, *(j for child in below for j in _depth_first(child))]


ORDER: tuple[int, ...] = tuple(_depth_first())
"""Index in :data:`NAMES` of each joint in file order."""


def rest_offsets24() -> np.ndarray:
    """``[24, 3]`` offsets of the neutral skeleton with hands; the pelvis offset is zero."""
    return np.concatenate([rest_offsets(), HAND_OFFSETS])


def channels(
    local_rotations: np.ndarray, root: np.ndarray, rest_pelvis: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the file.

    Args:
        local_rotations: ``[T, 22, 3, 3]``; root: ``[T, 3]`` as ``ms272.decode`` gives them.
        rest_pelvis: ``[3]`` offset of the root joint.

    Returns:
        Root positions ``[T, 3]`` and angles ``[T, 24, 3]`` (degrees; Z, Y, X), in file order.

    Raises:
        FormatError: wrong shapes or values that are not finite.
    """
    rotations = check_shape(local_rotations, (NUM_JOINTS, 3, 3), "The local rotations")
    angles = np.zeros((len(rotations), len(NAMES), 3))
    angles[:, :NUM_JOINTS] = np.rad2deg(matrix_to_euler_zyx(rotations.astype(np.float64)))
    position = check_shape(root, (3,), "The root").astype(np.float64) + rest_pelvis
    return position, angles[:, list(ORDER)]


def write(
    path: str | Path,
    local_rotations: np.ndarray,
    root: np.ndarray,
    *,
    fps: float = 30.0,
    offsets: np.ndarray | None = None,
) -> None:
    """Write rotations and root as MotionStreamer does.

    Args:
        local_rotations: ``[T, 22, 3, 3]``; root: ``[T, 3]`` (m, Y-up).
        fps: MotionStreamer's own script says 60 unless it is told otherwise.
        offsets: ``[24, 3]`` rest offsets, the first the rest pelvis. The neutral skeleton when
            omitted; files equal MotionStreamer's only with the offsets of its SMPL body.

    Raises:
        OutputError: the file cannot be written, or a frame rate that is none.
        FormatError: wrong shapes or values that are not finite.
    """
    if not fps > 0:
        raise OutputError(
            f"A BVH needs a frame rate above zero, not {fps!r}.", "Give frames per second."
        )
    offsets = rest_offsets24() if offsets is None else np.asarray(offsets, dtype=np.float64)
    position, angles = channels(local_rotations, root, offsets[0])
    values = np.concatenate([position, angles.reshape(len(angles), -1)], axis=1)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as out:
        out.write("HIERARCHY\n" + _joint_text(0, offsets, 0))
        out.write(f"MOTION\nFrames: {len(values)}\nFrame Time: {1.0 / fps:f}\n")
        np.savetxt(out, values, fmt="%f")


def _joint_text(joint: int, offsets: np.ndarray, depth: int) -> str:
    tab = "\t" * depth
    rotations = "Zrotation Yrotation Xrotation"
    head = f"CHANNELS 3 {rotations}"
    if joint == 0:
        head = f"CHANNELS 6 Xposition Yposition Zposition {rotations}"
    x, y, z = offsets[joint]
    inner = f"{tab}\tOFFSET {x:f} {y:f} {z:f}\n{tab}\t{head}\n"
    below = [c for c, parent in enumerate(_PARENTS24) if parent == joint]
    inner += "".join(_joint_text(child, offsets, depth + 1) for child in below)
    if not below:
        end = f"{tab}\t\tOFFSET {0:f} {0:f} {0:f}\n"
        inner += f"{tab}\tEnd Site\n{tab}\t{{\n{end}{tab}\t}}\n"
    return f"{tab}{'JOINT' if depth else 'ROOT'} {NAMES[joint]}\n{tab}{{\n{inner}{tab}}}\n"
