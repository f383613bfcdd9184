"""npz motion files: what AMASS readers expect, plus motion_135 itself.

===================  ==========================  ================================================
key                  shape                       content
===================  ==========================  ================================================
poses                [T, 156]                    SMPL-H axis-angles: pelvis, 21 joints, flat hands
root_orient          [T, 3]                      pelvis, Z-up world
pose_body            [T, 63]                     21 joints, parent-relative
trans                [T, 3]                      SMPL translation (m), Z-up world
betas                [16]                        zeros: the neutral body
gender               ()                          "neutral"
mocap_frame_rate     ()                          frames per second; also as mocap_framerate and fps
motion_135           [T, 135]                    the exact motion, Y-up (``wire.skeleton``)
kinetype_meta        ()                          JSON: prompt, seed, model, parameters
===================  ==========================  ================================================

AMASS (Mahmood et al., 2019) is Z-up and adds the rest pelvis of the body to ``trans`` without
turning it. Files without ``motion_135`` are read from the AMASS keys. A file of HFTrainer's IK
(``motion_135`` with ``target_fps`` and ``rot6d_convention``) is read as well; its translation is
SMPL's, from which the pelvis is 22 cm down.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import FormatError
from ...wire.messages import Motion
from ...wire.skeleton import MOTION_FPS, NUM_JOINTS
from ..representations import motion135
from ..representations.smplrifke205 import Z_UP_FROM_Y_UP
from ..resample import resample_motion135
from ..rotations import (
    matrix_to_axis_angle,
    matrix_to_rot6d_interleaved,
    rot6d_column_to_matrix,
)
from . import bounds, smpl_params
from .atomic import atomic_path
from .formats import Reading
from .pickle_scan import TooMuch
from .smpl_params import REST_PELVIS
from .zip_guard import check_listing

if TYPE_CHECKING:
    from ..steps import Clip

_UNREADABLE = (
    OSError, EOFError, ValueError, KeyError, OverflowError, MemoryError, NotImplementedError,
    RuntimeError, zipfile.BadZipFile, zlib.error, TokenError,
)  # fmt: skip
"""What NumPy and zipfile raise for a damaged archive, or one that claims more than there is."""
_HINT = "A motion file needs motion_135, or the AMASS keys poses, trans and a frame rate."
_SMPLH_POSE = 156
_SAME = 1e-4  # m: translations that are one and the same
_BODY_POSE = 3 * NUM_JOINTS


def write_motion(path: str | Path, motion: Motion) -> None:
    """Write a motion with every key of the table above; the suffix stays as it is.

    Raises:
        OutputError: the file cannot be written.
        FormatError: NaN or infinite values, or ``meta`` is not plain JSON.
    """
    root, rotations = motion135.unpack(motion.data.astype(np.float64))
    rotations[:, 0] = Z_UP_FROM_Y_UP @ rotations[:, 0]
    body = matrix_to_axis_angle(rotations).reshape(len(root), _BODY_POSE)
    poses = np.zeros((len(root), _SMPLH_POSE))
    poses[:, :_BODY_POSE] = body
    try:
        meta = json.dumps(motion.meta, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"The motion's notes are not plain JSON: {error}.",
            "Keep text, numbers, lists and dictionaries in Motion.meta.",
        ) from error
    rate = np.float64(motion.fps)
    # packed in memory: an archive that meets a full disk halfway cannot be closed quietly
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        poses=poses.astype(np.float32),
        root_orient=body[:, :3].astype(np.float32),
        pose_body=body[:, 3:].astype(np.float32),
        trans=(root @ Z_UP_FROM_Y_UP.T - REST_PELVIS).astype(np.float32),
        betas=np.zeros(16, dtype=np.float32),
        gender=np.array("neutral"),
        mocap_frame_rate=rate,
        mocap_framerate=rate,
        fps=rate,
        motion_135=motion.data,
        kinetype_meta=np.array(meta),
    )
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed.getvalue())


def read_motion(path: str | Path) -> Motion:
    """Read a motion file of Kinetype or AMASS.

    A file of Kinetype comes back exactly; an AMASS file comes back at 30 fps on the neutral body
    (its ``betas`` and hands are left out).

    Raises:
        FormatError: no such file, not an npz, truncated, keys missing, wrong shapes, NaN.
    """
    motion, exact = _read(Path(path))
    if exact:
        return motion
    data = resample_motion135(motion.data, motion.fps, MOTION_FPS)
    return Motion(data, MOTION_FPS, motion.meta)


def read_at_own_rate(path: str | Path) -> Motion:
    """:func:`read_motion` without the change to 30 fps."""
    return _read(Path(path))[0]


def _read(path: Path) -> tuple[Motion, bool]:
    """The motion at its own rate, and whether Kinetype wrote it."""
    return _found(path, read_arrays(path), Reading())[:2]


def read_notes(path: str | Path) -> dict[str, object]:
    """What Kinetype wrote into an npz besides the motion; nothing of other makers' files.

    Raises:
        FormatError: no npz, or notes that are none.
    """
    return _meta(Path(path), read_arrays(path))


def read_clip(path: Path, reading: Reading) -> Clip:
    """The clip in an ``.npz`` file; see :func:`backend.motion.io.load.read_clip`."""
    from ..steps import Clip
    from . import named

    arrays = read_arrays(path)
    if "motion_135" in arrays:
        motion, _, notes = _found(path, arrays, reading)
        return Clip(motion.data, motion135.SPEC.name, motion.fps, warnings=notes)
    return named.read(_content(path, arrays), path, reading)


def count(path: Path) -> int:
    """How many motions (persons, tracks, samples) a file holds."""
    from . import named

    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except _UNREADABLE:
        return 1  # reading it says what is wrong
    if "motion_135" in names or smpl_params.has_motion(dict.fromkeys(names, np.empty(0))):
        return 1
    return max(len(named.motions_of(_content(path, read_arrays(path)))), 1)


def _content(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, object]:
    """The arrays of a file, and what lies pickled in it, opened without running anything."""
    from . import strangers
    from .npy import pickle_in

    content: dict[str, object] = {n: a for n, a in arrays.items() if a.size}
    if smpl_params.has_motion(arrays):
        return content
    with zipfile.ZipFile(path) as archive:
        for name in arrays.keys() - content.keys():
            data = archive.read(f"{name}.npy")
            start = pickle_in(io.BytesIO(data))
            if start is not None:
                try:
                    content[name] = strangers.read_content(data, start)
                except FormatError as error:
                    raise FormatError(f"{path}: {error.message}", error.hint) from error
    return content


def _found(
    path: Path, arrays: dict[str, np.ndarray], reading: Reading
) -> tuple[Motion, bool, tuple[str, ...]]:
    """The motion at its own rate, whether Kinetype wrote it, and notes for a person."""
    if "motion_135" in arrays:
        fps = reading.fps or smpl_params.rate_of(arrays, str(path))
        if fps is None:
            raise FormatError(f"{path} does not say its frame rate.", smpl_params.RATE_HINT)
        data = motion135.SPEC.check(_named(path, arrays, "motion_135"))
        if "rot6d_convention" in arrays:
            data = _interleaved(path, data, str(arrays["rot6d_convention"]))
        data = _at_pelvis(data, arrays)
        return Motion(data, fps, _meta(path, arrays)), True, ()
    found = smpl_params.read(arrays, str(path), up=reading.up)
    rate = reading.fps or found.fps
    if rate is None:
        raise FormatError(f"{path} does not say its frame rate.", smpl_params.RATE_HINT)
    meta = {"source": path.name, "source_fps": rate}
    return Motion(found.data, rate, meta), False, found.notes


def _at_pelvis(data: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """motion_135 of the same IK, whose first columns are SMPL's translation, with the pelvis there.

    Told by its ``transl``, which Kinetype does not write, or by the fitted joints beside it.
    """
    root = data[:, motion135.SPEC.columns("root_translation")]
    shift = np.zeros(3)
    fitted, transl = (arrays.get(key, np.empty(0)) for key in ("fitted_joints", "transl"))
    if fitted.ndim == 3 and fitted.shape[::2] == (len(data), 3) and fitted.shape[1] >= NUM_JOINTS:
        apart = fitted[:, 0] - root
        if np.ptp(apart, axis=0).max() < _SAME:
            shift = apart.mean(axis=0)
    elif transl.shape == root.shape and np.abs(transl - root).max(initial=0.0) < _SAME:
        shift = REST_PELVIS
    if not np.isfinite(shift).all() or np.linalg.norm(shift) < _SAME:
        return data
    out = data.copy()
    out[:, motion135.SPEC.columns("root_translation")] += shift.astype(data.dtype)
    return out


def _interleaved(path: Path, data: np.ndarray, order: str) -> np.ndarray:
    """motion_135 of HFTrainer's IK, which says its order of rot6d: "row" is interleaved."""
    if order == "row":
        return data
    if order != "column":
        raise FormatError(f"{path}: unknown rot6d_convention {order!r}.", "Use row or column.")
    columns = motion135.SPEC.columns("rotations")
    rot6d = data[:, columns].reshape(len(data), NUM_JOINTS, 6)
    rotations = matrix_to_rot6d_interleaved(rot6d_column_to_matrix(rot6d))
    out = data.copy()
    out[:, columns] = rotations.reshape(len(data), -1)
    return out


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of an npz, without unpickling anything; :class:`FormatError` when it cannot."""
    path = Path(path)
    hint = "Choose a motion file that Kinetype or AMASS wrote; this one may be truncated."
    try:
        packed = path.stat().st_size
        with path.open("rb") as stream:
            check_listing(stream, packed)
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise FormatError(f"{path} is a single array, not an npz archive.", hint)
        with loaded as file:
            size = sum(member.file_size for member in file.zip.infolist())
            if size > allowed_unpacked(packed):
                raise FormatError(
                    f"{path} unpacks to {size / 2**30:.1f} GiB, too much for a motion.", hint
                )
            return {name: _plain(file, name) for name in file.files}
    except FileNotFoundError as error:
        raise FormatError(f"There is no file {path}.", "Check the path.") from error
    except TooMuch as error:
        raise FormatError(f"{path}: {error.message}", error.hint) from error
    except _UNREADABLE as error:
        raise FormatError(f"{path} is not a readable npz file ({error}).", hint) from error


def allowed_unpacked(packed: int) -> int:
    """What an archive of so many bytes may unpack to: megabytes of zip can become gigabytes."""
    return min(bounds.MAX_ARRAY_BYTES, bounds.UNPACKED_FREE + bounds.UNPACKED_TIMES * packed)


def _plain(file: Any, name: str) -> np.ndarray:
    """One array of an open npz; empty for a pickled object, which nobody here needs."""
    try:
        return np.asarray(file[name])
    except ValueError as error:
        if "allow_pickle" in str(error):
            return np.empty(0)
        raise


def _named(path: Path, arrays: dict[str, np.ndarray], key: str) -> np.ndarray:
    if key not in arrays:
        raise FormatError(
            f"{path} has no array {key!r}; it holds {', '.join(sorted(arrays)) or 'nothing'}.",
            _HINT,
        )
    return arrays[key]


def _meta(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, object]:
    if "kinetype_meta" not in arrays:
        return {}
    try:
        text = str(arrays["kinetype_meta"])
        if len(text) > bounds.MAX_CONFIG_BYTES:
            raise ValueError("it is far too long")
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(
            f"{path}: kinetype_meta is not JSON ({error}).", "Write the file again."
        ) from error
    if not isinstance(meta, dict):
        raise FormatError(f"{path}: kinetype_meta is not a JSON object.", "Write the file again.")
    return meta
