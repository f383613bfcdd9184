"""Is what a BVH shows a person? Limbs that end too early are completed, animals are told apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...wire.skeleton import JOINT_NAMES
from ..representations import motion135
from ..retarget import Body
from ..retarget.names import read_names
from . import bvh

_NAMED = 0.5
_LAST = {"elbow": "Hand", "knee": "Foot"}
LEAST_TRUNK = 0.35
"""Hips to shoulders, in legs (hip to ankle): 0.6 of a person, 0.8 of a child, 0.3 of a spider."""
ARMS = (0.25, 3.0)
"""Shoulder to wrist, in legs."""
_LEVEL = 0.5
"""Cosine below which a trunk lies rather than stands (60 degrees)."""
_LOW = 0.2
"""Legs: hands that are so near to the height of the ankles stand on the floor."""

_LIMBS = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
LIMB_JOINTS = tuple(
    f"{side}_{part}"
    for side in ("left", "right")
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
)
_SOME = 300
"""Frames of which limbs are measured."""


def limb_checks(data: np.ndarray, places: dict[str, np.ndarray]) -> dict[str, float]:
    """How well a motion shows what the file shows: three measures of :mod:`.body_checks`.

    Args:
        data: motion_135 ``[T, 135]``.
        places: ``[T, 3]`` of the file's joints in SMPL axes, any unit.
    """
    step = max(len(data) // _SOME, 1)
    made = motion135.joints(data[::step].astype(np.float64))
    errors, changes = [0.0], [0.0]
    for side in ("left", "right"):
        for upper, lower in _LIMBS:
            ends = f"{side}_{upper}", f"{side}_{lower}"
            if not set(ends) <= set(places):
                continue
            theirs = places[ends[1]][::step] - places[ends[0]][::step]
            a, b = (JOINT_NAMES.index(name) for name in ends)
            ours = made[:, b] - made[:, a]
            length = np.linalg.norm(theirs, axis=-1)
            middle = max(float(np.median(length)), 1e-9)
            scaled = np.linalg.norm(ours, axis=-1, keepdims=True) * theirs
            scaled /= np.maximum(length, 1e-9)[:, None]
            errors.append(float(np.linalg.norm(ours - scaled, axis=-1).mean()))
            changes.append(float(np.quantile(np.abs(length - middle), 0.95)) / middle)
    return {
        "ik_error_mm": 1000.0 * max(errors),
        "bone_change": max(changes),
        "trunk_degrees": _trunk_turned(made, {name: at[::step] for name, at in places.items()}),
    }


def _trunk_turned(made: np.ndarray, places: dict[str, np.ndarray]) -> float:
    """Median angle by which hips, shoulders or the back lie another way than in the file."""
    ours = {name: made[:, JOINT_NAMES.index(name)] for name in places}
    angles = [0.0]
    for one in (ours, places):
        for joint in ("hip", "shoulder"):
            if {f"left_{joint}", f"right_{joint}"} <= set(one):
                one[joint] = 0.5 * (one[f"left_{joint}"] + one[f"right_{joint}"])
    for a, b in (
        ("left_hip", "right_hip"), ("left_shoulder", "right_shoulder"), ("hip", "shoulder"),
    ):  # fmt: skip
        if {a, b} <= set(places):
            lines = [one[b] - one[a] for one in (ours, places)]
            sizes = np.linalg.norm(lines, axis=-1).prod(0)
            cosines = (lines[0] * lines[1]).sum(-1) / np.maximum(sizes, 1e-12)
            angles.append(float(np.degrees(np.arccos(np.clip(np.median(cosines), -1.0, 1.0)))))
    return max(angles)


def with_ends(clip: bvh.BvhClip) -> bvh.BvhClip:
    """A clip whose forearms and shins end in a joint, as their end sites say.

    Without an end site the last bone goes on as the one above it. What hangs on no forearm or
    shin by name stays as it is.
    """
    read = read_names(clip.names)
    leaves = set(range(len(clip.names))) - set(clip.parents)
    added: list[tuple[int, str, np.ndarray]] = []
    for joint in sorted(leaves):
        name = read[joint]
        part = max(_LAST, key=name.fits)
        if not name.side or name.flags or name.fits(part) < _NAMED:
            continue
        tip = clip.tips.get(joint, np.zeros(3))
        offset = tip if np.any(tip) else clip.offsets[joint]
        added.append((joint, f"{name.side.title()}{_LAST[part]}", offset))
    added = [(joint, name, offset) for joint, name, offset in added if name not in clip.names]
    if not added:
        return clip
    parents, names, offsets = zip(*added, strict=True)
    frames = len(clip.local_positions)
    still = np.broadcast_to(np.eye(3), (frames, len(added), 3, 3))
    places = np.broadcast_to(np.array(offsets), (frames, len(added), 3))
    return replace(
        clip,
        names=(*clip.names, *names),
        parents=(*clip.parents, *parents),
        offsets=np.concatenate([clip.offsets, np.array(offsets)]),
        channels=(*clip.channels, *[()] * len(added)),
        local_rotations=np.concatenate([clip.local_rotations, still], axis=1),
        local_positions=np.concatenate([clip.local_positions, places], axis=1),
    )


def proportions(body: Body) -> str:
    """What keeps the rest pose from being a person's, in words; empty where nothing does."""
    leg, arm = _length(body, "hip", "knee", "ankle"), _length(body, "shoulder", "elbow", "wrist")
    trunk = float(np.linalg.norm(_middle(body, "shoulder") - _middle(body, "hip")))
    if trunk < LEAST_TRUNK * leg:
        return (
            f"from hips to shoulders it measures {trunk / leg:.2f} of a leg; of a person it is "
            f"more than {LEAST_TRUNK}."
        )
    if not ARMS[0] * leg < arm < ARMS[1] * leg:
        return f"an arm measures {arm / leg:.2f} of a leg; of a person {ARMS[0]} to {ARMS[1]}."
    return ""


def four_legs(body: Body, points: dict[str, np.ndarray]) -> bool:
    """Whether it rests and goes on four legs: a trunk across its legs, hands as low as feet.

    A person who crawls rests in another pose.

    Args:
        points: ``[T, 3]`` of shoulders, hips, wrists and ankles in the file's world.
    """
    trunk, thigh = (
        _middle(body, a) - _middle(body, b) for a, b in (("shoulder", "hip"), ("hip", "knee"))
    )
    across = abs(trunk @ thigh) < _LEVEL * np.linalg.norm(trunk) * np.linalg.norm(thigh)
    if not across or not {"left_wrist", "right_wrist", "left_ankle", "right_ankle"} <= set(points):
        return False
    middle = {
        part: 0.5 * (points[f"left_{part}"] + points[f"right_{part}"])
        for part in ("shoulder", "hip", "wrist", "ankle")
    }
    shown = middle["shoulder"] - middle["hip"]
    down = middle["ankle"] - middle["hip"]
    down /= np.maximum(np.linalg.norm(down, axis=-1, keepdims=True), 1e-12)
    level = np.abs((shown * down).sum(-1)) < _LEVEL * np.linalg.norm(shown, axis=-1)
    gap = np.abs(((middle["wrist"] - middle["ankle"]) * down).sum(-1))
    low = gap < _LOW * _length(body, "hip", "knee", "ankle")
    return bool(np.median(level & low) > 0)


def _middle(body: Body, part: str) -> np.ndarray:
    return 0.5 * (body.at(f"left_{part}") + body.at(f"right_{part}"))


def _length(body: Body, *parts: str) -> float:
    """Mean of both sides along the joints that are there."""
    total = 0.0
    for side in ("left", "right"):
        chain = [body.at(f"{side}_{p}") for p in parts if f"{side}_{p}" in body.of_joint]
        if len(chain) < 3:  # the lower half is as long as the upper one
            chain.append(2.0 * chain[-1] - chain[-2])
        total += 0.5 * float(sum(np.linalg.norm(np.diff(chain, axis=0), axis=-1)))
    return total
