"""Motion capture in BVH to SMPL-22 motion_135, by transferring global rotations.

Every source bone has its own local frame. A profile says where the axes of that frame point when
the body stands in the canonical T-pose (X left, Y up, Z forward), so that

    G_smpl(j) = G_source(b) @ T_b^T @ C_j

where ``T_b`` holds those directions as columns and ``C_j`` is the smallest rotation that takes the
SMPL rest bone to the canonical one (thighs and shins straight down, arms straight out).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import FormatError
from .. import skeleton
from ..io import bvh
from ..representations import motion135
from ..rotations import orthonormalise, rotation_about, shortest_arc

_DOWN, _LEFT, _RIGHT = (0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0)
_CANONICAL_BONES: dict[str, tuple[str, tuple[float, float, float]]] = {
    "left_hip": ("left_knee", _DOWN),
    "right_hip": ("right_knee", _DOWN),
    "left_knee": ("left_ankle", _DOWN),
    "right_knee": ("right_ankle", _DOWN),
    "left_collar": ("left_shoulder", _LEFT),
    "left_shoulder": ("left_elbow", _LEFT),
    "left_elbow": ("left_wrist", _LEFT),
    "right_collar": ("right_shoulder", _RIGHT),
    "right_shoulder": ("right_elbow", _RIGHT),
    "right_elbow": ("right_wrist", _RIGHT),
}


@dataclass(frozen=True)
class RetargetProfile:
    """How one family of BVH files maps to SMPL-22.

    Attributes:
        name: for messages.
        joints: SMPL joint -> source joint. ``pelvis``, hips, knees and ankles are required; a
            spine joint that is absent is blended from its neighbours, any other follows its parent.
        rest_axes: source joint -> ``[3, 3]``, columns = directions of its local x, y, z axes in the
            canonical T-pose. Identity for joints not named.
        vertical_offset: metres added to the height so that flat soles touch the ground.
    """

    name: str
    joints: dict[str, str]
    rest_axes: dict[str, np.ndarray]
    vertical_offset: float = 0.0

    @classmethod
    def load(cls, path: Path) -> RetargetProfile:
        """Read a profile from JSON; :class:`FormatError` names what is wrong with it."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            axes = {k: np.array(v, dtype=np.float64).T for k, v in raw["rest_axes"].items()}
            profile = cls(raw["name"], raw["joints"], axes, float(raw.get("vertical_offset", 0.0)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FormatError(
                f"{path} is not a retarget profile ({error}).",
                "It needs the keys name, joints and rest_axes; see docs/train-your-own.md.",
            ) from error
        for joint, matrix in axes.items():
            if matrix.shape != (3, 3) or np.abs(matrix @ matrix.T - np.eye(3)).max() > 1e-3:
                raise FormatError(
                    f"{path}: the rest axes of {joint!r} are not a rotation.",
                    "Give three perpendicular unit vectors: where local x, y and z point.",
                )
            if np.linalg.det(matrix) < 0:
                raise FormatError(
                    f"{path}: the rest axes of {joint!r} are left-handed.",
                    "Turn one of the three vectors round.",
                )
        return profile


def profile_path(name: str) -> Path:
    """Path of a profile that ships with Kinetype."""
    return Path(__file__).parent / "profiles_bvh" / f"{name}.json"


def canonical_rest() -> np.ndarray:
    """``C_j`` for every joint, ``[22, 3, 3]``: SMPL rest bone to canonical direction."""
    offsets = skeleton.rest_offsets()
    out = np.tile(np.eye(3), (skeleton.NUM_JOINTS, 1, 1))
    for joint, (child, direction) in _CANONICAL_BONES.items():
        bone = offsets[skeleton.joint_index(child)]
        out[skeleton.joint_index(joint)] = shortest_arc(bone, np.array(direction))
    for side in ("left", "right"):
        toe = offsets[skeleton.joint_index(f"{side}_foot")]
        yaw = rotation_about("y", np.array(-np.arctan2(toe[0], toe[2])))
        out[skeleton.joint_index(f"{side}_ankle")] = yaw
    return out


def retarget(
    clip: bvh.BvhClip, profile: RetargetProfile, *, snap_heading: bool = False
) -> np.ndarray:
    """A BVH clip as motion_135 at the clip's own frame rate.

    The first frame lies at x = z = 0. The root is scaled by leg length and placed so that the
    mid-hip points coincide. ``snap_heading`` turns the clip by the quarter turn that makes the
    first frame face +Z.

    Returns:
        ``[T, 135]`` float32, metres, Y-up.

    Raises:
        FormatError: the file lacks a joint that the profile names.
    """
    index = {name: i for i, name in enumerate(clip.names)}
    missing = sorted(b for b in profile.joints.values() if b not in index)
    if missing:
        raise FormatError(
            f"The BVH has no joint named {', '.join(missing)} (profile {profile.name!r}).",
            "Write a profile for this skeleton; see docs/train-your-own.md.",
        )
    world, positions = bvh.world_of(clip)
    smpl_world = _transfer(world, index, profile)
    root = _root(positions, smpl_world, index, profile)
    if snap_heading:
        facing = smpl_world[0, 0] @ np.array([0.0, 0.0, 1.0])
        quarter = np.round(np.arctan2(facing[0], facing[2]) / (np.pi / 2)) * (np.pi / 2)
        turn = rotation_about("y", np.array(-quarter))
        smpl_world, root = turn @ smpl_world, root @ turn.T
    root[:, [0, 2]] -= root[0, [0, 2]]
    local = skeleton.local_rotations_from_global(smpl_world)
    return motion135.pack(root, local).astype(np.float32)


def _transfer(world: np.ndarray, index: dict[str, int], profile: RetargetProfile) -> np.ndarray:
    rest = canonical_rest()
    out: dict[str, np.ndarray] = {}
    for j, name in enumerate(skeleton.JOINT_NAMES):
        source = profile.joints.get(name)
        if source is not None:
            axes = profile.rest_axes.get(source, np.eye(3))
            out[name] = world[:, index[source]] @ axes.T @ rest[j]
    if "spine1" not in out and "spine2" in out:
        out["spine1"] = orthonormalise(0.6 * out["pelvis"] + 0.4 * out["spine2"])
    for j, name in enumerate(skeleton.JOINT_NAMES):
        if name not in out:
            out[name] = out[skeleton.JOINT_NAMES[skeleton.PARENTS[j]]]
    return np.stack([out[name] for name in skeleton.JOINT_NAMES], 1)


def _root(
    positions: np.ndarray, world: np.ndarray, index: dict[str, int], profile: RetargetProfile
) -> np.ndarray:
    """Pelvis path ``[T, 3]`` in metres."""

    def at(joint: str) -> np.ndarray:
        return positions[:, index[profile.joints[joint]]]

    leg = np.mean(
        [
            np.linalg.norm(at(f"{s}_hip") - at(f"{s}_knee"), axis=-1)
            + np.linalg.norm(at(f"{s}_knee") - at(f"{s}_ankle"), axis=-1)
            for s in ("left", "right")
        ]
    )
    offsets = skeleton.rest_offsets()
    joint = skeleton.joint_index
    own_leg = np.mean(
        [
            np.linalg.norm(offsets[joint(f"{s}_knee")])
            + np.linalg.norm(offsets[joint(f"{s}_ankle")])
            for s in ("left", "right")
        ]
    )
    mid_hip = 0.5 * (at("left_hip") + at("right_hip")) * (own_leg / leg)
    own_mid = 0.5 * (offsets[joint("left_hip")] + offsets[joint("right_hip")])
    root = mid_hip - world[:, 0] @ own_mid
    root[:, 1] += profile.vertical_offset
    return root
