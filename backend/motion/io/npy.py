"""Single arrays: a representation by its width, or joint positions in any known order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from ...errors import FormatError
from ...wire.messages import Motion
from ...wire.skeleton import NUM_JOINTS
from ..convert import SPECS, Clip
from ..representations import joints
from . import bounds, named, smpl_params, strangers
from .array_layouts import batched
from .atomic import atomic_path
from .formats import Reading
from .pointers import refuse_pointer

BY_WIDTH = {spec.dim: name for name, spec in SPECS.items() if spec.guessed}
EXPECTED = (
    "Expected an array of shape "
    + ", ".join(f"[T, {width}] ({name})" for width, name in sorted(BY_WIDTH.items()))
    + " or [T, J, 3] (joints)."
)
_SQUARE = 0.02
"""How far rotation matrices, some of half precision, are from square ones."""


def read_clip(path: Path, reading: Reading) -> Clip:
    """The clip in a ``.npy`` file; see :func:`backend.motion.io.load.read_clip`."""
    start = _pickle_at(path) if reading.source in ("auto", joints.SPEC.name) else None
    if start is not None:
        return named.read(strangers.read_content(path, start), path, reading)
    data = read_array(path)
    name = reading.source
    if name == "auto" and _are_turns(data):
        found = smpl_params.read({"pred_rotmat": data}, str(path), up=reading.up)
        return smpl_params.clip_of(found, str(path), reading.fps)
    if name == "auto":
        flat = data.ndim == 2
        known = BY_WIDTH.get(data.shape[1]) if flat else joints.SPEC.name
        if flat and reading.prefer in SPECS and data.shape[1] == SPECS[reading.prefer].dim:
            known = reading.prefer
        if known is None:
            raise FormatError(f"{path} holds an array of shape {list(data.shape)}.", EXPECTED)
        name = known
        if name == joints.SPEC.name:
            return _flat(path, data, reading) if flat else named.joints_clip(path, data, reading)
    spec = SPECS[name]
    try:
        data = joints.as_joints(data) if spec is joints.SPEC else spec.check(data)
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}", error.hint) from error
    return Clip(data, name, reading.fps or spec.fps)


def _flat(path: Path, data: np.ndarray, reading: Reading) -> Clip:
    """Joints ``[T, 66]``: in metres and Y-up if they form a body, else as they are, which is told.

    A width says less than ``[T, J, 3]`` does, and programs make such arrays of no body, too.
    """
    try:
        points = data.reshape(len(data), -1, 3)
        return named.joints_clip(path, points, replace(reading, force=False))
    except FormatError as error:
        clip = Clip(joints.as_joints(data), joints.SPEC.name, reading.fps or joints.SPEC.fps)
        told = (f"Read as it is: {error.message}",)
        return replace(clip, warnings=told, checks={"bone_change": 0.0})  # it was measured there


def count(path: Path) -> int:
    """How many motions a file holds: those of a sampler's results, or of a batch of joints."""
    start = _pickle_at(path)
    if start is not None:
        return max(len(named.motions_of(strangers.read_content(path, start))), 1)
    try:
        return batched(np.load(path, mmap_mode="r", allow_pickle=False).shape)
    except (OSError, EOFError, ValueError, OverflowError, AttributeError, TokenError):
        return 1  # reading it says what is wrong


def _pickle_at(path: Path) -> int | None:
    """Where the pickle of a ``.npy`` of one object begins; None for any other file."""
    try:
        with path.open("rb") as file:
            return pickle_in(file)
    except OSError:
        return None  # the reader itself says it better


def pickle_in(file: BinaryIO) -> int | None:
    """Where, in what NumPy wrote of one object (a dictionary mostly), its pickle begins."""
    readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    try:
        reader = readers.get(npy_format.read_magic(file))
        if reader is None:
            return None
        shape, _, dtype = reader(file)
        return file.tell() if dtype == np.dtype(object) and shape == () else None
    except (OSError, ValueError, EOFError, OverflowError, TypeError, TokenError):
        return None


def _are_turns(data: np.ndarray) -> bool:
    """Whether it is rotation matrices ``[T, J, 3, 3]`` of SMPL's joints, as HMR and others give."""
    if data.ndim != 4 or data.shape[2:] != (3, 3) or data.shape[1] < NUM_JOINTS or not len(data):
        return False
    if data.dtype.kind != "f":
        return False
    some = data[:: max(len(data) // 50, 1)].astype(np.float64)
    square = some @ np.swapaxes(some, -1, -2)
    return bool(np.abs(square - np.eye(3)).max() < _SQUARE)


def write_motion(path: Path, motion: Motion) -> None:
    """The bare ``[T, 135]`` array; :class:`OutputError` when it cannot be written."""
    with atomic_path(path) as temporary:
        np.save(temporary, motion.data, allow_pickle=False)


def read_array(path: str | Path) -> np.ndarray:
    """The array of a ``.npy`` file, without unpickling anything.

    Raises:
        FormatError: no such file, truncated, no plain array, or a file that only stands for one.
    """
    path = Path(path)
    refuse_pointer(path)
    try:
        if path.stat().st_size > bounds.MAX_ARRAY_BYTES:
            raise FormatError(f"{path} is far too large for a motion.", EXPECTED)
        data = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise FormatError(f"There is no file {path}.", "Check the path.") from error
    except (OSError, EOFError, ValueError, OverflowError, MemoryError, TokenError) as error:
        # memory: of a header that claims more frames than the file has
        raise FormatError(f"{path} is not a readable .npy file ({error}).", EXPECTED) from error
    if not isinstance(data, np.ndarray):
        data.close()
        raise FormatError(f"{path} is an npz archive named .npy.", "Rename it to .npz.")
    return data
