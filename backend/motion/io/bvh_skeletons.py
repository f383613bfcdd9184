"""BVH of SMPL-22 and of CMU-style skeletons to motion_135 at the file's own rate.

CMU-style files (the Motionbuilder-friendly CMU release, Mixamo, the older Hips/Chest names) rest in
a T-pose with zero angles, Y-up. Their world rotations are carried over: where the rest pose R turns
SMPL's T-pose into theirs, bone by bone,

    G_smpl(j) = G_source(b) @ R_j

with R_j the yaw of their rest pose, and for limbs the smallest further turn that lays SMPL's bone
on theirs. The size comes from the length of the legs, the place from the middle of the hips.
Skeletons whose rest pose is no T-pose need a profile (``kinetype train data --profile``).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import FormatError
from ...wire.messages import Motion
from ..representations import motion135
from ..rotations import rotation_about, shortest_arc, transpose
from ..skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS, joint_index, rest_offsets
from ..steps import Clip
from . import bvh
from .formats import Reading

_SIDE = {
    "hip": ("upleg", "hip"),
    "knee": ("leg", "knee"),
    "ankle": ("foot", "ankle"),
    "foot": ("toebase", "toe"),
    "collar": ("shoulder", "collar"),
    "shoulder": ("arm", "shoulder"),
    "elbow": ("forearm", "elbow"),
    "wrist": ("hand", "wrist"),
}
"""SMPL joint -> its name behind left/right in two naming families; one file uses one family."""

_MIDDLE = {"pelvis": "hips", "neck": "neck", "head": "head"}
_REQUIRED = ("pelvis", "neck", "head", "hip", "knee", "ankle", "shoulder", "elbow", "wrist")
_BONES = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist"}
_LARGEST_TURN = np.deg2rad(50.0)  # of a limb between two T-poses
_HINT = (
    "Expected the SMPL joint names, or CMU names (Hips, LeftUpLeg, ...) resting in a T-pose, Y-up. "
    "Retarget other skeletons with a profile."
)


def read_motion135(path: str | Path) -> Motion:
    """A BVH as motion_135 at its own frame rate.

    Raises:
        FormatError: malformed, or neither an SMPL-22 nor a CMU-style skeleton in a T-pose.
    """
    clip = bvh.read(path)
    if {name.lower() for name in clip.names} >= set(JOINT_NAMES):
        return bvh.motion_of(clip, path)
    source = _match(clip, path)
    world, points = _world(clip)
    rest = _rest_turns(clip, source, path)
    target = np.empty((len(world), NUM_JOINTS, 3, 3))
    for joint, parent in enumerate(PARENTS):
        if source[joint] >= 0:
            target[:, joint] = world[:, source[joint]] @ rest[joint]
        else:
            target[:, joint] = target[:, parent]  # a joint the file lacks follows its parent
    local = target.copy()
    local[:, 1:] = transpose(target[:, PARENTS[1:]]) @ target[:, 1:]
    offsets = rest_offsets()
    hips = [joint_index("left_hip"), joint_index("right_hip")]
    middle = points[:, [source[h] for h in hips]].mean(1) * _scale(clip, source)
    root = middle - target[:, 0] @ offsets[hips].mean(0)
    meta = {"source": Path(path).name, "source_fps": clip.fps}
    return Motion(motion135.pack(root, local), clip.fps, meta)


def _match(clip: bvh.BvhClip, path: str | Path) -> list[int]:
    """Index in the file of each SMPL joint, -1 where the file has none."""
    index = {name.split(":")[-1].lower().replace("_", ""): j for j, name in enumerate(clip.names)}
    family = 0 if "leftupleg" in index else 1
    names = dict(_MIDDLE)
    for joint, options in _SIDE.items():
        names |= {f"{side}_{joint}": side + options[family] for side in ("left", "right")}
    found = [index.get(names.get(joint, ""), -1) for joint in JOINT_NAMES]
    missing = [
        names[joint]
        for joint, at in zip(JOINT_NAMES, found, strict=True)
        if at < 0 and joint.split("_")[-1] in _REQUIRED
    ]
    if missing:
        raise FormatError(
            f"{path} is no skeleton that can be read: there is no {missing[0]}.", _HINT
        )
    spine: list[int] = []
    at = clip.parents[found[joint_index("neck")]]
    while at >= 0 and at != found[0]:
        spine.insert(0, at)
        at = clip.parents[at]
    chosen = [spine[0], spine[len(spine) // 2], spine[-1]] if len(spine) > 2 else spine
    for name, bone in zip(("spine3", "spine2", "spine1"), reversed(chosen), strict=False):
        found[joint_index(name)] = bone
    return found


def _world(clip: bvh.BvhClip) -> tuple[np.ndarray, np.ndarray]:
    """World rotations ``[T, J, 3, 3]`` and positions ``[T, J, 3]`` (file units)."""
    world, points = clip.local_rotations.copy(), clip.local_positions.copy()
    for joint, parent in enumerate(clip.parents):
        if parent >= 0:
            step = (world[:, parent] @ points[:, joint, :, None])[..., 0]
            points[:, joint] = points[:, parent] + step
            world[:, joint] = world[:, parent] @ world[:, joint]
    return world, points


def _rest_positions(clip: bvh.BvhClip) -> np.ndarray:
    rest = clip.offsets.copy()
    for joint, parent in enumerate(clip.parents):
        rest[joint] = rest[joint] + rest[parent] if parent >= 0 else 0.0
    return rest


def _rest_turns(clip: bvh.BvhClip, source: list[int], path: str | Path) -> np.ndarray:
    """``[22, 3, 3]``: from SMPL's rest pose to the file's, bone by bone."""
    rest = _rest_positions(clip)[source]  # -1 gives a wrong row, used for no bone below
    left, right = joint_index("left_hip"), joint_index("right_hip")
    across, up = rest[left] - rest[right], rest[joint_index("head")] - rest[left]
    if up[1] < 0.9 * np.linalg.norm(up):
        raise FormatError(f"{path} does not stand upright along Y in its rest pose.", _HINT)
    yaw = rotation_about("y", np.arctan2(-across[2], across[0]))
    turns = np.tile(yaw, (NUM_JOINTS, 1, 1))
    offsets = rest_offsets()
    for side in ("left", "right"):
        for start, end in _BONES.items():
            joint, child = joint_index(f"{side}_{start}"), joint_index(f"{side}_{end}")
            bone = rest[child] - rest[joint]
            own = yaw @ offsets[child]
            lengths = np.linalg.norm(bone) * np.linalg.norm(own)
            if bone @ own < np.cos(_LARGEST_TURN) * lengths or lengths == 0.0:
                name = clip.names[source[joint]]
                raise FormatError(f"{path} does not rest in a T-pose: look at {name}.", _HINT)
            arc = shortest_arc(own / np.linalg.norm(own), bone / np.linalg.norm(bone))
            turns[joint] = np.asarray(arc) @ yaw
    return turns


def _scale(clip: bvh.BvhClip, source: list[int]) -> float:
    """Metres per unit of the file, from the length of both legs."""
    rest, offsets = _rest_positions(clip), rest_offsets()
    legs = [
        (joint_index(f"{side}_{a}"), joint_index(f"{side}_{b}"))
        for side in ("left", "right")
        for a, b in (("hip", "knee"), ("knee", "ankle"))
    ]
    own = sum(np.linalg.norm(offsets[child]) for _, child in legs)
    theirs = sum(np.linalg.norm(rest[source[b]] - rest[source[a]]) for a, b in legs)
    return float(own / theirs)


def read_clip(path: Path, reading: Reading) -> Clip:
    """The clip in a ``.bvh`` file; see :func:`backend.motion.io.load.read_clip`."""
    motion = read_motion135(path)
    return Clip(motion.data, motion135.SPEC.name, reading.fps or motion.fps)
