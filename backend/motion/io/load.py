"""Any motion file to a clip: which format it is, and what was expected where it is none."""

from __future__ import annotations

from pathlib import Path

from ...errors import FormatError, InvalidRequest
from .. import resample
from ..convert import SPECS, Clip
from ..representations import motion135
from . import body_checks, formats
from .array_layouts import TO_Y_UP
from .formats import Reading
from .npy import EXPECTED, read_array
from .pointers import refuse_pointer

__all__ = ["AMASS", "AUTO", "BVH", "SOURCES", "SUFFIXES", "read_array", "read_clip"]

AUTO, AMASS, BVH = "auto", "amass", "bvh"
SOURCES: tuple[str, ...] = (AUTO, AMASS, BVH, *sorted(SPECS))
"""What a file can be read as."""

SUFFIXES: tuple[str, ...] = formats.readable()
"""Suffixes of files that can be read."""

_EXPECTED = f"Expected a file that ends in {', '.join(SUFFIXES)}. {EXPECTED}"


def read_clip(
    path: str | Path,
    source: str = AUTO,
    *,
    fps: float | None = None,
    up: str | None = None,
    prefer: str = "",
    force: bool = False,
    sample: int | None = None,
) -> Clip:
    """Read a file as ``source``, or as what it looks like.

    Args:
        path: any row of :data:`backend.motion.io.formats.FORMATS` with a reader.
        source: one of :data:`SOURCES`; ``"auto"`` goes by suffix, keys, shape and the body.
        fps: frame rate where the file does not say it (``.npy``) or says it wrongly.
        up: axis that is up: "y", "z", "-y" or "x"; measured when None.
        prefer: the representation that an array of its width is taken for, with ``"auto"``.
        force: read also what does not look like a body; the doubts are in ``warnings``.
        sample: which of several motions; the first when None, which is told.

    Returns:
        The clip at its own rate; files of rotations as motion_135, of positions as joints in
        metres, Y-up. ``warnings`` says what was assumed or changed, ``checks`` what was measured.

    Raises:
        FormatError: unreadable, not what ``source`` says, or no body, also by the second limits of
            :data:`.body_checks.LIMITS`, or a rate or length that no motion has; the message says
            what was expected or measured.
        InvalidRequest: an unknown ``source`` or ``up``.
    """
    path = Path(path)
    if source not in SOURCES:
        raise InvalidRequest(
            f"There is no format {source!r} to read.", f"Use one of: {', '.join(SOURCES)}."
        )
    if up is not None and up not in TO_Y_UP:
        raise InvalidRequest(f"There is no axis {up!r}.", f"Use one of: {', '.join(TO_Y_UP)}.")
    refuse_pointer(path)
    row = formats.by_suffix(path)
    wanted = {AMASS: ".npz", BVH: ".bvh"}.get(source)
    if row is None or not row.reader or (wanted and row.suffix != wanted):
        expected = f"Expected a {wanted} file." if wanted else _EXPECTED
        kind = "a motion" if source == AUTO else source
        raise FormatError(f"{path} cannot be read as {kind}.", expected)
    array = row.suffix == ".npy"
    if not array and source not in (AUTO, AMASS, BVH, motion135.SPEC.name):
        raise FormatError(
            f"{path} cannot be read as {source}.",
            f"Expected a .npy of shape [T, {SPECS[source].dim}].",
        )
    clip = row.read(path, Reading(source, fps, up, prefer, force, sample))
    try:
        resample.check_rate(clip.fps)
        resample.check_frames(len(clip.data))
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}", error.hint) from error
    clip = body_checks.checked(clip)
    if source != AUTO and array:
        return clip  # as the person says; models may put a body anywhere
    return body_checks.check(clip, str(path), force=force)
