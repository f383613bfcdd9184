"""Rest offsets of a skeleton from a file of one's own: no body's measures ship with Kinetype.

The 272 evaluator measures motions on a skeleton of its own, which derives from SMPL-X. It comes
from a file of offsets (``bone_offsets_canon272.npy``), an SMPL body file, a folder with offsets, or
a folder of real 272 clips, from whose positions and rotations it is solved.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import FormatError
from .body_model import BodyModel
from .io.load import read_array
from .representations import ms272
from .skeleton import NUM_JOINTS, PARENTS, global_rotations, pelvis_at_root

FILES = ("bone_offsets_canon272.npy", "skeleton.npy")
"""Names of offset files in a folder, the evaluator's among them."""
CLIPS = 400
"""Clips that a skeleton is solved from, the first ones by name, as published."""
MAX_BONE = 2.0  # m
_HINT = (
    "Give a .npy of [22, 3] offsets (m), an SMPL, SMPL-H or SMPL-X body file, or a folder with"
    " bone_offsets_canon272.npy or real 272 clips."
)


def load_offsets(path: str | Path) -> np.ndarray:
    """Parent-relative rest offsets ``[22, 3]`` float64 (m, Y-up); the pelvis row is zero.

    Raises:
        FormatError: nothing there that a skeleton can be read from.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        named = next((path / name for name in FILES if (path / name).is_file()), None)
        return load_offsets(named) if named else _solved(path)
    if not path.is_file():
        raise FormatError(f"There is no skeleton {path}.", _HINT)
    own = path.suffix.lower() == ".npy"
    offsets = read_array(path) if own else BodyModel.load(path).offsets()
    if offsets.shape != (NUM_JOINTS, 3) or offsets.dtype.kind != "f":
        raise FormatError(f"{path} holds {offsets.dtype} of shape {list(offsets.shape)}.", _HINT)
    lengths = np.linalg.norm(offsets[1:], axis=-1)
    if not np.isfinite(offsets).all() or not ((lengths > 0) & (lengths < MAX_BONE)).all():
        raise FormatError(f"{path} holds bones of no length, or beyond {MAX_BONE:g} m.", _HINT)
    found = pelvis_at_root(offsets)
    assert found is not None
    return found


def _solved(folder: Path) -> np.ndarray:
    clips = []
    for path in sorted(folder.glob("*.npy"))[:CLIPS]:
        data = read_array(path)
        if data.ndim == 2 and data.shape[1] == ms272.SPEC.dim:
            clips.append(data)
    if not clips:
        raise FormatError(f"{folder} holds no skeleton and no 272 clips.", _HINT)
    return skeleton_of(clips)


def skeleton_of(clips: Sequence[np.ndarray]) -> np.ndarray:
    """The mean rest offsets ``[22, 3]`` of 272 clips ``[T, 272]``, as the evaluator's was made.

    Each bone is turned back by its parent's rotation; the mean is over all frames.
    """
    total, frames = np.zeros((NUM_JOINTS, 3)), 0
    for clip in clips:
        rotations, _ = ms272.decode(clip)
        points = ms272.decode_joints(clip)
        parents = list(PARENTS[1:])
        bones = points[:, 1:] - points[:, parents]
        world = global_rotations(rotations)[:, parents]
        total[1:] += np.einsum("tjba,tjb->ja", world, bones)
        frames += len(clip)
    return total / max(frames, 1)
