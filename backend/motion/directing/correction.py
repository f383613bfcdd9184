"""Bring a finished motion to what it shall reach, with the least and smoothest change.

In this order: the body is shifted and turned along its way (paths, and where poses stand); what is
left of poses is added and dies away around them; the body leans towards hands and feet that it
cannot reach; the feet are held where they stand (:mod:`.feet`); last, two-bone inverse kinematics
brings hands and feet to their pins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..contacts import contacts_of_joints
from ..edits import heading
from ..filters import gaussian_filter1d
from ..limb_ik import ARMS, LEGS, Limbs, reach, solve_limbs
from ..representations import motion135
from ..rotations import axis_angle_to_matrix, matrix_to_axis_angle, rotation_about, transpose
from ..seams import facing_like
from ..skeleton import PARENTS, forward_kinematics, global_rotations, joint_index
from .feet import Moved, with_held_feet
from .fields import EXACT, smooth_field
from .report import LIMITS
from .targets import Path, Pin, Pose, Target

POSE_SECONDS, PIN_SECONDS, LEAN_SECONDS = 0.25, 0.22, 0.4
"""In about this time what was added for a pose, a pin, or to reach a pin, dies away."""
LONGEST_LEAN = 0.4
"""Metres that the body may be moved so that a limb reaches its pin."""
_FLAT = [0, 2]
_PATH_SHARE = 0.6
"""Of a path's limit: the way is bent no more than it takes to come so near."""
_SOFTEST, _TIMES, _ROUNDS = 4.0, 4.0, 9
_TRAVEL = 0.25  # m/s: below this the direction of travel says nothing
_SOFT = 0.97
"""Of an arm's length: beyond it, an arm is stretched less than it is asked to be."""
_MOVED = 0.04  # m
_STEADY = 0.1  # s: see :func:`.limb_ik.solve_limbs`
_PELVIS = joint_index("pelvis")


def corrected(
    x: np.ndarray, targets: Sequence[Target], fps: float = 30.0, held: np.ndarray | None = None
) -> np.ndarray:
    """A motion brought to its targets; where two ask for the same thing the last one counts.

    Args:
        x: motion_135 ``[T, 135]``, the floor at y = 0.
        held: ``[T]`` bool, frames that stay bit for bit as they are.

    Returns:
        ``[T, 135]`` of the same dtype.
    """
    x = motion135.SPEC.check(x)
    kept = np.zeros(len(x), bool) if held is None else held
    root, rotations = (a.astype(np.float64) for a in motion135.unpack(x))
    before = forward_kinematics(rotations, root)
    targets = [_part_of(each, root, rotations) for each in targets]
    poses = _with_held(targets, root, rotations, kept)
    paths = [each for each in targets if isinstance(each, Path)]
    pins = [each for each in targets if isinstance(each, Pin)]
    keys = np.zeros(len(x), bool)
    keys[poses.frames] = True
    root, rotations, turn = _along(root, rotations, poses, paths, fps)
    root, rotations = _posed(root, rotations, poses, fps)
    still = keys.copy()
    for path in paths:
        still[path.frames] = True
    root = root + _lean(root, rotations, pins, still, fps)
    contacts = contacts_of_joints(before, fps)
    rotations = with_held_feet(root, rotations, Moved(before, turn, contacts, keys), fps)
    rotations = _pinned(root, rotations, pins, keys, kept, fps)
    out = motion135.pack(root, rotations).astype(x.dtype)
    return np.where(kept[:, None], x, out)


def _part_of(target: Target, root: np.ndarray, rotations: np.ndarray) -> Target:
    """A target that lies only its strength of the way from what is there."""
    share, rows = target.strength, target.frames
    if share == 1.0:
        return target
    here, turned = root[rows], rotations[rows]
    if isinstance(target, Pose):
        aims = _between(turned, target.rotations, share)
        return replace(target, root=here + share * (target.root - here), rotations=aims)
    if isinstance(target, Path):
        flat = here[:, _FLAT]
        now = heading(motion135.pack(here, turned))
        aim = target.heading
        if aim is not None:
            aim = now + share * np.arctan2(np.sin(aim - now), np.cos(aim - now))
        return replace(target, ground=flat + share * (target.ground - flat), heading=aim)
    places = forward_kinematics(turned, here)[:, target.joints]
    world = target.world
    if world is not None:
        world = _between(global_rotations(turned)[:, target.joints], world, share)
    places = places + share * (target.positions - places)
    return replace(target, positions=places, world=world)


def _between(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    return a @ axis_angle_to_matrix(share * matrix_to_axis_angle(transpose(a) @ b))


def _with_held(
    targets: Sequence[Target], root: np.ndarray, rotations: np.ndarray, kept: np.ndarray
) -> Pose:
    """All poses as one, each frame once; held frames are poses that are met already."""
    wanted: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for pose in targets:
        if isinstance(pose, Pose):
            wanted |= {
                int(frame): (pose.root[i], pose.rotations[i]) for i, frame in enumerate(pose.frames)
            }
    wanted |= {int(t): (root[t], rotations[t]) for t in np.flatnonzero(kept)}
    frames = np.array(sorted(wanted), dtype=int)
    return Pose(
        "",
        frames,
        np.array([wanted[t][0] for t in frames]).reshape(-1, 3),
        np.array([wanted[t][1] for t in frames]).reshape(-1, *rotations.shape[1:]),
    )


# ---------------------------------------------------------------------------- way and heading


def _along(
    root: np.ndarray, rotations: np.ndarray, poses: Pose, paths: Sequence[Path], fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Root and rotations shifted and turned on the floor, and the turn ``[T]`` (rad)."""
    rows, wanted = _waypoints(poses, paths, lambda p: p.ground, poses.root[:, _FLAT])
    strict = np.isin(rows, poses.frames)
    limit = _PATH_SHARE * LIMITS["root2d"][0] / 100.0
    shift = _near(len(root), fps, rows, wanted - root[rows][:, _FLAT], strict, limit)
    moved = root.copy()
    moved[:, _FLAT] += shift
    facing = facing_like(rotations[poses.frames, 0], poses.rotations[:, 0])
    turns = matrix_to_axis_angle(facing @ transpose(rotations[poses.frames, 0]))[:, 1]
    told = [path for path in paths if path.heading is not None]
    now = heading(motion135.pack(root, rotations))
    rows, wanted = _waypoints(poses, told, lambda p: p.heading, now[poses.frames] + turns)
    strict = np.isin(rows, poses.frames)
    turn = _following(root, moved, fps) if paths and not told else np.zeros(len(root))
    rest = wanted - now[rows] - turn[rows]
    rest = np.unwrap(np.arctan2(np.sin(rest), np.cos(rest)))
    limit = _PATH_SHARE * np.radians(LIMITS["root2d"][1])
    turn = turn + _near(len(root), fps, rows, rest, strict, limit)
    out = rotations.copy()
    out[:, 0] = rotation_about("y", turn) @ rotations[:, 0]
    return moved, out, turn


def _waypoints(
    poses: Pose, paths: Sequence[Path], value: object, of_poses: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Frames and values of paths and poses together, in order; poses count where both do."""
    wanted: dict[int, np.ndarray] = {}
    for path in paths:
        wanted |= zip(map(int, path.frames), value(path), strict=True)  # type: ignore[operator]
    wanted |= zip(map(int, poses.frames), of_poses, strict=True)
    rows = np.array(sorted(wanted), dtype=int)
    return rows, np.array([wanted[t] for t in rows]).reshape(len(rows), *of_poses.shape[1:])


def _near(
    frames: int, fps: float, rows: np.ndarray, values: np.ndarray, strict: np.ndarray, limit: float
) -> np.ndarray:
    """The smoothest field within ``limit`` of the values, and on them where ``strict``."""
    if not len(rows):
        return np.zeros((frames, *values.shape[1:]))
    crowd = np.array([(np.abs(rows - row) <= 0.25 * fps).sum() for row in rows])
    weight = _SOFTEST
    for _ in range(_ROUNDS):
        weights = np.where(strict, EXACT, weight / crowd)
        field = smooth_field(frames, fps, rows, values, weights=weights)
        apart = np.abs(field[rows] - values).reshape(len(rows), -1)
        if np.linalg.norm(apart, axis=-1).max() <= limit:
            break
        weight *= _TIMES
    return field


def _following(root: np.ndarray, moved: np.ndarray, fps: float) -> np.ndarray:
    """Turn ``[T]`` of a body so that it faces its new way as it faced its old one."""
    velocity = [
        gaussian_filter1d(np.gradient(a[:, _FLAT], axis=0) * fps, 0.2 * fps, axis=0)
        for a in (root, moved)
    ]
    old, new = (v[:, 0] + 1j * v[:, 1] for v in velocity)
    speed = np.minimum(np.abs(old), np.abs(new))
    rows = np.flatnonzero(speed > _TRAVEL)
    if not len(rows):
        return np.zeros(len(root))
    # heading is measured from z to x, the other way round than an angle in the plane of x and z
    turn = np.unwrap(np.angle(old[rows] * np.conj(new[rows])))
    return smooth_field(len(root), fps, rows, turn, weights=20.0)


# ---------------------------------------------------------------------------- poses


def _posed(
    root: np.ndarray, rotations: np.ndarray, poses: Pose, fps: float
) -> tuple[np.ndarray, np.ndarray]:
    """With what is left of the poses added."""
    rows = poses.frames
    if not len(rows):
        return root, rotations
    shift = smooth_field(len(root), fps, rows, poses.root - root[rows], memory=POSE_SECONDS)
    between = matrix_to_axis_angle(transpose(rotations[rows]) @ poses.rotations)
    turn = smooth_field(len(root), fps, rows, between, memory=POSE_SECONDS)
    return root + shift, rotations @ axis_angle_to_matrix(turn)


# ---------------------------------------------------------------------------- hands and feet


def _lean(
    root: np.ndarray, rotations: np.ndarray, pins: Sequence[Pin], keys: np.ndarray, fps: float
) -> np.ndarray:
    """Shift ``[T, 3]`` of the body towards hands and feet that are too far for their limbs."""
    joints = forward_kinematics(rotations, root)
    wanted: dict[int, np.ndarray] = {int(t): np.zeros(3) for t in np.flatnonzero(keys)}
    for pin in pins:
        for number, joint in enumerate(pin.joints):
            for t, place in zip(map(int, pin.frames), pin.positions[:, number], strict=True):
                if keys[t]:
                    continue
                missing = _missing(joints[t], joint, place)
                wanted[t] = max(missing, wanted.get(t, missing), key=np.linalg.norm)
    if not any(np.any(shift) for shift in wanted.values()):
        return np.zeros_like(root)
    rows = np.array(sorted(wanted), dtype=int)
    values = np.array([wanted[t] for t in rows])
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    values *= np.minimum(1.0, LONGEST_LEAN / np.maximum(length, 1e-9))
    weights = np.where(keys[rows], EXACT, 1e5)
    return smooth_field(len(root), fps, rows, values, memory=LEAN_SECONDS, weights=weights)


def _missing(joints: np.ndarray, joint: int, place: np.ndarray) -> np.ndarray:
    """What a limb lacks to a place; all of the way for the pelvis."""
    if joint == _PELVIS:
        return place - joints[joint]
    for limbs in (ARMS, LEGS):
        if joint in limbs.ends:
            side = limbs.ends.index(joint)
            aim = place - joints[limbs.firsts[side]]
            far = float(np.linalg.norm(aim))
            # a limb that is bent a little still moves easily
            over = far - 0.98 * float(limbs.lengths[:, side].sum())
            return aim * max(over, 0.0) / max(far, 1e-9)
    return np.zeros(3)


def _pinned(
    root: np.ndarray,
    rotations: np.ndarray,
    pins: Sequence[Pin],
    keys: np.ndarray,
    kept: np.ndarray,
    fps: float,
) -> np.ndarray:
    """With hands and feet at their pins, and as they are where poses stand that no pin changes."""
    for limbs in (ARMS, LEGS):
        joints = forward_kinematics(rotations, root)
        goals = joints[:, limbs.ends].copy()
        asked = False
        for side, end in enumerate(limbs.ends):
            rows, offsets = _offsets(pins, end, joints[:, end], keys, kept)
            if len(rows):
                asked = True
                goals[:, side] += smooth_field(len(root), fps, rows, offsets, memory=PIN_SECONDS)
        if asked:
            if limbs is ARMS:
                goals = _softly(joints[:, limbs.firsts], joints[:, limbs.ends], goals, limbs)
            limit = reach(joints[:, limbs.firsts], joints[:, limbs.ends], limbs)
            rotations = solve_limbs(rotations, root, goals, limit, limbs, _STEADY * fps)
            rotations = _directed(rotations, pins, limbs, keys, kept, fps)
    return rotations


def _softly(first: np.ndarray, now: np.ndarray, goals: np.ndarray, limbs: Limbs) -> np.ndarray:
    """Goals of arms that come to rest at their reach: an elbow that straightens at once jumps.

    Where they are hardly moved they stay as straight as they are.
    """
    whole = limbs.lengths.sum(0)
    bent = _SOFT * whole
    aim = goals - first
    far = np.linalg.norm(aim, axis=-1)
    soft = bent + (whole - bent) * (1.0 - np.exp(-np.maximum(far - bent, 0.0) / (whole - bent)))
    share = np.clip(np.linalg.norm(goals - now, axis=-1) / _MOVED, 0.0, 1.0)
    wanted = np.where(far > bent, far + share * (soft - far), far)
    return first + aim * (wanted / np.maximum(far, 1e-9))[..., None]


def _offsets(
    pins: Sequence[Pin], joint: int, now: np.ndarray, keys: np.ndarray, kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Frames at which a joint is pinned with what it lacks, and those at which it stays."""
    wanted: dict[int, np.ndarray] = {}
    for pin in pins:
        if joint in pin.joints:
            places = pin.positions[:, pin.joints.index(joint)]
            wanted |= {int(t): p - now[t] for t, p in zip(pin.frames, places, strict=True)}
    return _anchored(wanted, keys, kept)


def _anchored(
    wanted: dict[int, np.ndarray], keys: np.ndarray, kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Frames and values: none at kept frames, nor at poses that want none; nothing if all is so."""
    if not wanted:
        return np.zeros(0, int), np.zeros((0, 3))
    found = {int(t): np.zeros(3) for t in np.flatnonzero(keys)} | wanted
    found |= {int(t): np.zeros(3) for t in np.flatnonzero(kept)}
    rows = np.array(sorted(found), dtype=int)
    return rows, np.array([found[t] for t in rows])


def _directed(
    rotations: np.ndarray,
    pins: Sequence[Pin],
    limbs: Limbs,
    keys: np.ndarray,
    kept: np.ndarray,
    fps: float,
) -> np.ndarray:
    """With hands and feet turned as their pins tell."""
    world = global_rotations(rotations)
    out = rotations.copy()
    for end in limbs.ends:
        wanted: dict[int, np.ndarray] = {}
        for pin in pins:
            if pin.world is None or end not in pin.joints:
                continue
            own = pin.world[:, pin.joints.index(end)]
            between = matrix_to_axis_angle(transpose(world[pin.frames, end]) @ own)
            wanted |= zip(map(int, pin.frames), between, strict=True)
        rows, values = _anchored(wanted, keys, kept)
        if len(rows):
            turn = smooth_field(len(rotations), fps, rows, values, memory=PIN_SECONDS)
            turned = world[:, end] @ axis_angle_to_matrix(turn)
            out[:, end] = transpose(world[:, PARENTS[end]]) @ turned
    return out
