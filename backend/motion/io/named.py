"""Motions in named arrays, however deep they lie: persons of a video, tracks, results of a sampler.

=====================  ===========================================================================
program                how its content is laid out
=====================  ===========================================================================
WHAM                   ``{person: {pose_world, trans_world, frame_ids, ...}}``
PHALP, 4D-Humans       ``{frame: {tid: [..], smpl: [{global_orient, body_pose}, ..], camera}}``
ROMP                   ``results: {frame: {smpl_thetas [N, 72], cam_trans}}``, ``sequence_results:
                       {track: {smpl_thetas: [..], cam_trans: [..], frame_id: [..]}}``
GVHMR                  ``smpl_params_global: {global_orient, body_pose, transl}``
MDM and its kin        ``{motion: [N, J, 3, T], lengths: [N]}``
Kimodo                 ``posed_joints, global_rot_mats, root_positions``
others                 SMPL's rotations (:mod:`.smpl_params`), or joints ``[T, J, 3]``, by name
=====================  ===========================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import FormatError
from ..kimodo_body import to_motion135
from ..representations import joints, motion135
from ..representations.kimodo_skeletons import skeleton
from ..resample import resample_at
from ..steps import Clip
from . import smpl_params
from .array_layouts import MAX_JOINTS, batched, body_of, pick, several
from .formats import Reading

PLACES = (
    "smpl_params_global", "smpl_params", "smpl_params_incam", "params", "sequence_results",
    "results",
)  # fmt: skip
"""Where programs keep the body; one in world space goes before one in a camera's."""
JOINT_KEYS = (
    "joints", "joints3d", "joints_3d", "3d_joints", "smpl_joints", "pred_joints", "joint_positions",
    "positions", "positions_3d", "poses_3d", "pose3d", "keypoints3d_optim", "keypoints3d",
    "keypoints_3d", "kp3d", "xyz", "posed_joints", "motion", "motions",
)  # fmt: skip
GVHMR_FPS = 30.0
KIMODO_FPS = 30.0
AIST_FPS = 60.0
"""AIST++ motions hold no rate; its annotations are made at 60 fps (Li et al., 2021)."""
MDM_FPS = 20.0
"""MDM's motions of HumanML3D (Tevet et al., 2023)."""
_KIMODO = {22: "smplx22", 30: "soma30", 77: "soma30"}
_FRAME_KEYS = ("frame_ids", "frame_id", "frames", "frame")
_DEEPEST = 6
_HINT = (
    "Expected SMPL's rotations (poses, or global_orient and body_pose; trans) or joints [T, J, 3] "
    "by name."
)

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Found:
    """One motion of a file.

    Attributes:
        arrays: by name, the first axis is time.
        place: where in the file it lay: a person, a track, or a key of :data:`PLACES`.
    """

    arrays: Arrays
    place: str = ""

    @property
    def length(self) -> int:
        """Frames that its arrays have."""
        return max((len(a) for a in self.arrays.values() if a.ndim > 1), default=0)


def motions_of(content: object) -> list[Found]:
    """Every motion in the content of a file; persons that are seen longest come first."""
    found = list(_walk(content, "", 0))
    persons = [f for f in found if f.place and "motion" not in f.arrays]
    return sorted(found, key=lambda f: -f.length) if len(persons) == len(found) else found


def chosen(found: Sequence[Found], path: Path, sample: int | None) -> tuple[Found, tuple[str, ...]]:
    """The motion that is asked for, the first when None; and what is told of the others.

    Raises:
        FormatError: there is no motion of that number.
    """
    number = pick(len(found), sample, str(path))
    if len(found) < 2 or sample is not None:
        return found[number], ()
    place = f" ({found[number].place})" if found[number].place else ""
    return found[number], (several(len(found), place),)


def read(content: object, path: Path, reading: Reading) -> Clip:
    """The clip that is asked for in the content of a file.

    Raises:
        FormatError: no motion (what it is instead is said), none of that number, no rate.
    """
    found = motions_of(content)
    if not found:
        arrays = _arrays_of(content) if isinstance(content, Mapping) else {}
        smpl_params.read(arrays, str(path))  # says what it is instead
    one, notes = chosen(found, path, reading.sample)
    clip = clip_of(one, path, reading)
    return replace(clip, warnings=(*notes, *clip.warnings))


def clip_of(found: Found, path: Path, reading: Reading) -> Clip:
    """The clip of one motion.

    Raises:
        FormatError: no rotations and no joints of a body, or nobody says the rate.
    """
    arrays, place = found.arrays, found.place
    reading = replace(reading, sample=None)  # it was chosen
    if _is_kimodo(arrays):
        return _of_kimodo(arrays, path, reading)
    key = _joint_key(arrays)
    if not smpl_params.has_motion(arrays) and key is not None:
        return joints_clip(path, arrays[key], reading, smpl_params.rate_of(arrays, str(path)))
    params = smpl_params.read(arrays, str(path), up=reading.up)
    own = GVHMR_FPS if place == PLACES[0] else None
    if "smpl_poses" in arrays and "smpl_scaling" in arrays:
        own = AIST_FPS
    clip = smpl_params.clip_of(params, str(path), reading.fps, own)
    return _gaps_filled(clip, arrays)


def joints_clip(path: Path, data: np.ndarray, reading: Reading, rate: float | None = None) -> Clip:
    """Joints of a body, in metres and Y-up; by force also what is none.

    Args:
        rate: what the file says.
    """
    fps = reading.fps or rate or joints.SPEC.fps
    try:
        body = body_of(data, str(path), up=reading.up, sample=reading.sample)
    except FormatError as error:
        if not reading.force:
            raise
        forced = Clip(joints.as_joints(data), joints.SPEC.name, fps)
        return replace(forced, warnings=(f"Read by force: {error.message}",))
    # bits as they are where nothing had to be changed
    as_is = data.ndim == 3 and data.shape[2] == 3 and not body.notes
    points = joints.as_joints(data) if as_is else body.joints
    return Clip(points, joints.SPEC.name, fps, warnings=body.notes)


# --------------------------------------------------------------------------- where they lie


def _walk(content: object, place: str, depth: int) -> Iterator[Found]:
    if isinstance(content, Sequence) and not isinstance(content, str):
        content = dict(enumerate(content))
    if not isinstance(content, Mapping) or depth > _DEEPEST:
        return
    for key in PLACES:
        inner = content.get(key)
        if isinstance(inner, Mapping | list):
            below = list(_walk(inner, key, depth + 1))
            if below:
                yield from below
                return
    arrays = _arrays_of(content)
    if place == "results" and "smpl_thetas" in arrays:  # one picture: a row is a person
        yield from (
            Found({n: a[i : i + 1] for n, a in arrays.items() if len(a) > i}, f"person {i}")
            for i in range(len(arrays["smpl_thetas"]))
        )
    elif "motion" in arrays and arrays["motion"].ndim == 4:
        yield from _sampled(arrays)
    elif smpl_params.has_motion(arrays) or _is_kimodo(arrays):
        yield Found(arrays, place)
    elif (points := _joint_key(arrays)) is not None:
        all_of_it = arrays[points]
        for number in range(batched(all_of_it.shape)):
            one = all_of_it[number : number + 1] if all_of_it.ndim == 4 else all_of_it
            yield Found({**arrays, points: one}, place)
    else:
        frames = [value for value in content.values() if isinstance(value, Mapping)]
        if frames and place != "sequence_results" and all(map(_is_frame, frames)):
            yield from _tracks(frames)
            return
        for name, value in content.items():
            yield from _walk(value, str(name), depth + 1)


def _arrays_of(content: Mapping[object, object]) -> Arrays:
    """Values that are arrays, or lists of arrays of one shape."""
    out: Arrays = {}
    for name, value in content.items():
        array = value if isinstance(value, np.ndarray) else None
        listed = value if isinstance(value, list) and value else []
        numbers = all(type(v) in (int, float) for v in listed) and bool(listed)
        if listed and all(isinstance(v, np.ndarray) for v in listed):
            array = np.stack(listed) if len({v.shape for v in listed}) == 1 else None
        elif numbers or type(value) in (int, float):
            array = np.asarray(value)
        if array is not None and array.dtype.kind in "fiub":
            out[str(name)] = array
    return out


def _sampled(arrays: Arrays) -> Iterator[Found]:
    """MDM's ``[N, J, 3, T]``."""
    motion, lengths = arrays["motion"], arrays.get("lengths")
    if motion.shape[2] != 3 or not motion.size:
        return
    known = lengths is not None and lengths.ndim == 1 and len(lengths) == len(motion)
    for number, one in enumerate(motion):
        frames = min(max(int(lengths[number]), 1), motion.shape[3]) if known else motion.shape[3]  # type: ignore[index]
        points = one.transpose(2, 0, 1)[:frames]
        yield Found({"motion": points, "fps": np.asarray(MDM_FPS)})


def _is_frame(frame: Mapping[object, object]) -> bool:
    """Whether it holds the persons that one picture shows."""
    if isinstance(frame.get("smpl"), list):
        return "tid" in frame or "tracked_ids" in frame
    bodies = frame.get("smpl_thetas")
    return isinstance(bodies, np.ndarray) and bodies.ndim == 2


def _tracks(frames: Sequence[Mapping[object, object]]) -> Iterator[Found]:
    """The tracks of a video whose persons are told frame by frame."""
    rows: dict[int, list[Arrays]] = {}
    for number, frame in enumerate(frames):
        time = _number(frame.get("time"), number)
        for row, (track, one) in enumerate(_persons(frame)):
            age = frame.get("tracked_time")
            if _number(_entry(age, row), 0) > 0:
                continue  # not seen here: a guess of the tracker
            rows.setdefault(track, []).append({**one, "frame_ids": np.asarray(time)})
    for track, seen in rows.items():
        names = set.intersection(*(set(one) for one in seen))
        seen.sort(key=lambda one: int(one["frame_ids"]))
        stacked = {n: np.stack([one[n] for one in seen]) for n in sorted(names)
                   if len({one[n].shape for one in seen}) == 1}  # fmt: skip
        yield Found(stacked, f"track {track}")


def _persons(frame: Mapping[object, object]) -> Iterator[tuple[int, Arrays]]:
    bodies = frame.get("smpl")
    ids = next((frame[k] for k in ("tid", "tracked_ids", "track_ids") if k in frame), None)
    if isinstance(bodies, list):  # PHALP
        for row, body in enumerate(bodies):
            if not isinstance(body, Mapping) or (isinstance(ids, list) and row >= len(ids)):
                continue
            arrays = _arrays_of(body)
            place = _entry(frame.get("camera"), row)
            if isinstance(place, np.ndarray | list) and np.size(place) == 3:
                arrays["trans"] = np.asarray(place, dtype=np.float64).reshape(3)
            yield _number(_entry(ids, row), row), arrays
        return
    arrays = _arrays_of(frame)
    for row in range(len(arrays.get("smpl_thetas", ()))):
        one = {n: a[row] for n, a in arrays.items() if a.ndim and len(a) > row}
        yield _number(_entry(ids, row), row), one


def _entry(values: object, row: int) -> object:
    if isinstance(values, list | np.ndarray) and len(values) > row:
        return values[row]
    return None


def _number(value: object, otherwise: int) -> int:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, int | float | np.number) and np.isfinite(value):
        return int(value)
    return otherwise


# --------------------------------------------------------------------------- what they are


def _joint_key(arrays: Arrays) -> str | None:
    """The array of joint positions: one of the known names, or the only one of that shape."""
    for key in JOINT_KEYS:
        if key in arrays and arrays[key].ndim in (3, 4) and 3 in arrays[key].shape[2:]:
            return key
    alike = [n for n, a in arrays.items() if a.ndim == 3 and a.shape[2] == 3
             and 17 <= a.shape[1] <= MAX_JOINTS]  # fmt: skip
    return alike[0] if len(alike) == 1 and "marker" not in alike[0].lower() else None


def _is_kimodo(arrays: Arrays) -> bool:
    turns = arrays.get("global_rot_mats")
    return (
        turns is not None and turns.ndim == 4 and turns.shape[1] in _KIMODO
        and ("root_positions" in arrays or "posed_joints" in arrays)
    )  # fmt: skip


def _of_kimodo(arrays: Arrays, path: Path, reading: Reading) -> Clip:
    """Kimodo's own files: Y-up, world rotations of its skeleton."""
    turns = arrays["global_rot_mats"].astype(np.float64)
    bones = skeleton(_KIMODO[turns.shape[1]])
    if turns.shape[1] != bones.count:
        turns = turns[:, list(bones.full)]
    root = arrays["root_positions"] if "root_positions" in arrays else arrays["posed_joints"][:, 0]
    root = root.astype(np.float64)
    if root.shape != (len(turns), 3) or not (np.isfinite(root).all() and np.isfinite(turns).all()):
        raise FormatError(f"{path}: root and rotations do not fit together.", _HINT)
    data, _ = to_motion135(turns, root, bones)
    rate = reading.fps or smpl_params.rate_of(arrays, str(path)) or KIMODO_FPS
    return Clip(data, motion135.SPEC.name, rate)


def _gaps_filled(clip: Clip, arrays: Arrays) -> Clip:
    """A track with the frames in which the person was not seen made of those around them."""
    key = next((k for k in _FRAME_KEYS if k in arrays), None)
    numbers = arrays[key].reshape(-1).astype(np.int64) if key else np.empty(0, dtype=np.int64)
    if len(numbers) != len(clip.data) or len(numbers) < 2 or (np.diff(numbers) <= 0).any():
        return clip
    whole = np.arange(numbers[0], numbers[-1] + 1)
    missing = len(whole) - len(numbers)
    if not 0 < missing <= 10 * len(numbers):
        return clip
    data = resample_at(clip.data, np.interp(whole, numbers, np.arange(len(numbers))))
    said = f"The person was not seen in {missing} of {len(whole)} frames; they were interpolated."
    return replace(clip, data=data.astype(clip.data.dtype), warnings=(*clip.warnings, said))
