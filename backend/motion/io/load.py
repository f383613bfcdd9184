"""Any motion file to a clip: which format it is, and what was expected where it is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import FormatError, InvalidRequest
from ...wire.messages import Motion
from ..convert import SPECS, Clip
from ..representations import joints, motion135
from . import bvh_skeletons, npz

AUTO, AMASS, BVH = "auto", "amass", "bvh"
SOURCES: tuple[str, ...] = (AUTO, AMASS, BVH, *sorted(SPECS))
"""What a file can be read as."""

SUFFIXES: tuple[str, ...] = (".npz", ".bvh", ".npy")
"""Suffixes of files that can be read."""

_BY_WIDTH = {spec.dim: name for name, spec in SPECS.items() if spec.guessed}
_EXPECTED = (
    "Expected .npz with motion_135 or the AMASS keys, .bvh, or .npy of shape "
    + ", ".join(f"[T, {width}] ({name})" for width, name in sorted(_BY_WIDTH.items()))
    + " or [T, 22 or more, 3] (joints)."
)


def read_clip(
    path: str | Path, source: str = AUTO, *, fps: float | None = None, prefer: str = ""
) -> Clip:
    """Read a file as ``source``, or as what it looks like.

    Args:
        path: ``.npz`` (Kinetype, AMASS), ``.bvh`` (SMPL-22, MotionStreamer, CMU-style) or ``.npy``.
        source: one of :data:`SOURCES`; ``"auto"`` goes by suffix, keys and shape.
        prefer: the representation that an array of its width is taken for, with ``"auto"``.
        fps: frame rate where the file does not say it (``.npy``) or says it wrongly.

    Returns:
        The clip at its own rate; npz and BVH files as motion_135.

    Raises:
        FormatError: unreadable, or not what ``source`` says; the message names what was expected.
        InvalidRequest: an unknown ``source``.
    """
    path = Path(path)
    if source not in SOURCES:
        raise InvalidRequest(
            f"There is no format {source!r} to read.", f"Use one of: {', '.join(SOURCES)}."
        )
    suffix = path.suffix.lower()
    wanted = {AMASS: ".npz", BVH: ".bvh"}.get(source)
    if suffix not in SUFFIXES or (wanted and suffix != wanted):
        expected = f"Expected a {wanted} file." if wanted else _EXPECTED
        kind = "a motion" if source == AUTO else source
        raise FormatError(f"{path} cannot be read as {kind}.", expected)
    if suffix == ".npy":
        return _clip_of_array(path, source, fps, prefer)
    if source not in (AUTO, AMASS, BVH, motion135.SPEC.name):
        raise FormatError(
            f"{path} cannot be read as {source}.",
            f"Expected a .npy of shape [T, {SPECS[source].dim}].",
        )
    motion = _motion_of_file(path, suffix)
    return Clip(motion.data, motion135.SPEC.name, fps or motion.fps)


def _motion_of_file(path: Path, suffix: str) -> Motion:
    if suffix == ".bvh":
        return bvh_skeletons.read_motion135(path)
    return npz.read_at_own_rate(path)


def _clip_of_array(path: Path, source: str, fps: float | None, prefer: str) -> Clip:
    data = read_array(path)
    name = source
    if source == AUTO:
        flat = data.ndim == 2
        known = _BY_WIDTH.get(data.shape[1]) if flat else None
        if flat and prefer in SPECS and data.shape[1] == SPECS[prefer].dim:
            known = prefer
        if data.ndim == 3 and data.shape[1] >= 22 and data.shape[2] == 3:
            known = joints.SPEC.name
        if known is None:
            raise FormatError(f"{path} holds an array of shape {list(data.shape)}.", _EXPECTED)
        name = known
    spec = SPECS[name]
    try:
        data = joints.as_joints(data) if spec is joints.SPEC else spec.check(data)
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}", error.hint) from error
    return Clip(data, name, fps or spec.fps)


def read_array(path: str | Path) -> np.ndarray:
    """The array of a ``.npy`` file, without unpickling anything.

    Raises:
        FormatError: no such file, truncated, or no plain array.
    """
    path = Path(path)
    try:
        if path.stat().st_size > npz.MAX_BYTES:
            raise FormatError(f"{path} is far too large for a motion.", _EXPECTED)
        data = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise FormatError(f"There is no file {path}.", "Check the path.") from error
    except (OSError, EOFError, ValueError, OverflowError, MemoryError) as error:
        # memory: of a header that claims more frames than the file has
        raise FormatError(f"{path} is not a readable .npy file ({error}).", _EXPECTED) from error
    if not isinstance(data, np.ndarray):
        data.close()
        raise FormatError(f"{path} is an npz archive named .npy.", "Rename it to .npz.")
    return data
