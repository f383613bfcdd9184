"""``results.npy`` of MDM and its kin: a dictionary that NumPy has pickled inside a ``.npy``.

The header of the file is read as NumPy writes it; the pickle behind it goes through
a process of its own (:mod:`.strangers`), where nothing is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from ...errors import FormatError
from . import strangers

FPS = 20.0
"""MDM's motions of HumanML3D (Tevet et al., 2023)."""
_HINT = "Expected MDM's results: a dictionary with 'motion' [N, J, 3, T] and 'lengths' [N]."


@dataclass(frozen=True)
class Results:
    """The first motion of a file.

    Attributes:
        motion: ``[T, J, 3]`` positions.
        notes: which of how many it is, for a person.
    """

    motion: np.ndarray
    notes: tuple[str, ...]


def read(path: Path) -> Results | None:
    """The first motion of such a file; None where it is another one.

    Raises:
        FormatError: a pickle that names anything but arrays, or a dictionary without motions.
    """
    start = _pickle_at(path)
    if start is None:
        return None
    arrays = strangers.read_arrays(path, start)
    motion, lengths = arrays.get("motion"), arrays.get("lengths")
    if motion is None or motion.ndim != 4 or motion.shape[2] != 3 or not motion.size:
        named = ", ".join(sorted(arrays)) or "no arrays"
        raise FormatError(f"{path} holds a dictionary of {named}, no motions of joints.", _HINT)
    frames = motion.shape[3]
    if lengths is not None and lengths.ndim == 1 and len(lengths) == len(motion):
        frames = min(max(int(lengths[0]), 1), frames)
    notes = (f"It holds {len(motion)} motions; the first was read.",) if len(motion) > 1 else ()
    return Results(motion[0].transpose(2, 0, 1)[:frames], notes)


def _pickle_at(path: Path) -> int | None:
    """Where the pickle of a ``.npy`` of one object begins; None for any other file."""
    readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    try:
        with path.open("rb") as file:
            reader = readers.get(npy_format.read_magic(file))
            if reader is None:
                return None
            shape, _, dtype = reader(file)
            return file.tell() if dtype == np.dtype(object) and shape == () else None
    except (OSError, ValueError, EOFError, OverflowError, TypeError):
        return None
