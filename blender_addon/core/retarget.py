"""motion_135 to keyframe values for any armature with SMPL-22 joints.

Blender composes a bone's pose as ``pose = parent_pose @ parent_rest^-1 @ rest @ basis``; the keys
are ``basis``. With ``D`` the rotation of a joint away from rest in armature space,
``pose = D @ rest``, so ``basis = rest^-1 @ D_parent^-1 @ D @ rest``. SMPL rests at the identity:
its parent-relative rotation L becomes ``B L B^-1`` in an armature whose axes are ``B`` away from
SMPL's, hence ``basis = (rest^-1 B) L (rest^-1 B)^-1``. Bones in between that carry no SMPL joint
drop out because their own basis is the identity.

SMPL rests in a T-pose. Where a limb of the armature rests far from it (arms hanging in an A-pose),
C turns the limb from its rest to the T-pose first: ``D`` becomes ``D C``, and the parent-relative
rotation ``C_parent^-1 L C``.

A bone that does not inherit rotation, or hangs on another joint than SMPL's parent, is keyed
against what does turn it: the product of the L along SMPL's chain, divided by that joint's. In a
control rig that may be a joint further from the pelvis: the control that carries the body sits in
the middle of the spine, and the hips hang on it. It is moved to where the body takes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..backend_access import (
    JOINT_NAMES,
    MOTION_DIM,
    NUM_JOINTS,
    PARENTS,
    ROOT_COLUMNS,
    ROT6D_COLUMNS,
    SOLE_HEIGHT,
    FormatError,
)
from . import quaternions
from .axes import measure_basis
from .neutral import rest_heads
from .resample import resample

_LEG_CHAINS = (("left_hip", "left_knee", "left_ankle"), ("right_hip", "right_knee", "right_ankle"))
_ARM_CHAINS = (
    ("left_shoulder", "left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow", "right_wrist"),
)
_POSED_DEGREES = 20.0
"""Limbs of SMPL bodies rest a few degrees apart from each other's, and their rotations mean just
that; a limb this far from the neutral body's was posed on purpose."""


@dataclass(frozen=True)
class RestPose:
    """The rest pose of an armature's SMPL bones, in armature space.

    Attributes:
        rotations: ``[22, 3, 3]`` rest orientation of each bone (Blender's ``bone.matrix_local``).
        heads: ``[22, 3]`` rest position of each joint.
        local_location: whether the location of the bone that is moved is along its own axes
            (Blender's ``use_local_location``).
        turned_by: for each joint the joint whose turns its bone takes over, -1 for none: SMPL's
            parent, unless bones hang together otherwise or do not inherit rotation.
        mover: the joint whose bone takes the location.
        mover_head: ``[3]`` where that bone rests, if that is not at the joint.
        own_shape: small differences from SMPL's T-pose are the body's own shape, as among SMPL
            bodies; in another maker's rig they are a difference of the pose.
    """

    rotations: np.ndarray
    heads: np.ndarray
    local_location: bool = True
    turned_by: tuple[int, ...] = tuple(PARENTS)
    own_shape: bool = True
    mover: int = 0
    mover_head: np.ndarray | None = None

    @property
    def moved_from(self) -> np.ndarray:
        """``[3]`` rest position of the bone that takes the location."""
        return self.heads[self.mover] if self.mover_head is None else self.mover_head

    @property
    def limb_turns(self) -> np.ndarray:
        """See :func:`limb_turns`."""
        basis = measure_basis(self.heads)
        return limb_turns(self.heads @ basis, _POSED_DEGREES if self.own_shape else 0.0)


@dataclass(frozen=True)
class BoneKeys:
    """Keyframe values, one row per scene frame.

    Attributes:
        rotations: ``[T, 22, 4]`` unit quaternions in each bone's own rest frame, sign-continuous.
        root_location: ``[T, 3]`` location of the bone of the joint ``mover``.
        fps: rate of the rows.
    """

    rotations: np.ndarray
    root_location: np.ndarray
    fps: float
    mover: int = 0

    def __len__(self) -> int:
        return len(self.rotations)


def leg_length(heads: np.ndarray) -> float:
    """Thigh plus shin, mean of both legs, in the unit of ``heads [22, 3]``."""
    index = JOINT_NAMES.index
    lengths = [
        np.linalg.norm(heads[index(b)] - heads[index(a)])
        for chain in _LEG_CHAINS
        for a, b in pairwise(chain)
    ]
    return float(sum(lengths) / len(_LEG_CHAINS))


def body_scale(heads: np.ndarray) -> float:
    """How many armature units one metre of the motion is, by leg length."""
    return leg_length(heads) / leg_length(rest_heads())


def unpack(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of motion_135 ``[T, 135]`` as (root ``[T, 3]``, quaternions ``[T, 22, 4]``), float64.

    Raises:
        FormatError: wrong shape, or values that are not finite.
    """
    motion = np.asarray(motion, np.float64)
    if motion.ndim != 2 or motion.shape[1] != MOTION_DIM or len(motion) == 0:
        raise FormatError(
            f"A motion must have shape [T, {MOTION_DIM}], not {list(motion.shape)}.",
            "Convert it to motion_135 first.",
        )
    if not np.isfinite(motion).all():
        raise FormatError(
            "The motion contains values that are not finite.",
            "Generate it again with another seed, and report the model if it persists.",
        )
    rot6d = motion[:, ROT6D_COLUMNS].reshape(len(motion), NUM_JOINTS, 6)
    return motion[:, ROOT_COLUMNS], quaternions.from_rot6d(rot6d)


def to_bone_keys(
    motion: np.ndarray, source_fps: float, rest: RestPose, target_fps: float
) -> BoneKeys:
    """Keyframe values that make an armature perform a motion.

    The floor of the motion (y = 0) becomes the floor that the armature's rest pose stands on, and
    its origin the point below the rest pelvis. Distances are scaled by the ratio of leg lengths, so
    that feet of shorter or longer legs still meet the floor.

    Args:
        motion: ``[T, 135]`` motion_135 at ``source_fps``.
        rest: rest pose of the armature's SMPL bones.
        target_fps: the scene's rate, whole or not.
    """
    root, local = unpack(motion)
    local, root = resample(local, root, source_fps, target_fps)
    basis = measure_basis(rest.heads)
    local = from_rest(local, rest.limb_turns)
    position = pelvis_in_armature(root, local[:, 0], rest, basis) + mover_offset(local, rest, basis)
    local = against(local, rest.turned_by)
    change = quaternions.from_matrix(np.swapaxes(rest.rotations, -1, -2) @ basis)
    keys = quaternions.multiply(quaternions.multiply(change, local), quaternions.conjugate(change))
    delta = position - rest.moved_from
    if rest.local_location:
        delta = delta @ rest.rotations[rest.mover]
    return BoneKeys(quaternions.make_continuous(keys), delta, target_fps, rest.mover)


def mover_offset(local: np.ndarray, rest: RestPose, basis: np.ndarray) -> np.ndarray:
    """How far the bone that is moved lies from the pelvis, ``[T, 3]`` in armature space.

    Args:
        local: ``[T, 22, 4]`` parent-relative, away from the armature's rest pose.
    """
    if rest.mover == 0 and rest.mover_head is None:
        return np.zeros((len(local), 3))
    chain = chain_to(rest.mover)
    places = np.concatenate([rest.heads[chain], rest.moved_from[None]]) @ basis
    turned = np.array([1.0, 0.0, 0.0, 0.0])
    offset = np.zeros((len(local), 3))
    for joint, step in zip(chain, np.diff(places, axis=0), strict=True):
        turned = quaternions.multiply(turned, local[:, joint])
        offset += quaternions.to_matrix(turned) @ step
    return offset @ basis.T


def chain_to(joint: int) -> list[int]:
    """The joints from the pelvis to one, both included; none for -1."""
    chain = []
    while joint >= 0:
        chain.append(joint)
        joint = PARENTS[joint]
    return chain[::-1]


def keyed_anew(changed: Collection[int], rest: RestPose) -> tuple[list[int], bool]:
    """What other rotations of some joints change of an armature's keys.

    Returns:
        The joints whose bones turn otherwise against what carries them, and whether the location
        changes.
    """
    turned = [
        joint
        for joint, by in enumerate(rest.turned_by)
        if not {*chain_to(joint)}.symmetric_difference(chain_to(by)).isdisjoint(changed)
    ]
    return turned, not {*chain_to(rest.mover)}.isdisjoint(changed)


def joint_path(
    motion: np.ndarray, source_fps: float, rest: RestPose, target_fps: float
) -> np.ndarray:
    """Where the joints of an armature pass when it performs a motion.

    Returns:
        ``[T', 22, 3]`` in armature space: what Blender shows for the keys of :func:`to_bone_keys`.
    """
    root, local = unpack(motion)
    local, root = resample(local, root, source_fps, target_fps)
    basis = measure_basis(rest.heads)
    offsets = rest.heads @ basis
    local = from_rest(local, rest.limb_turns)
    turned = [local[:, 0]]
    joints = np.empty((len(root), NUM_JOINTS, 3))
    joints[:, 0] = pelvis_in_armature(root, local[:, 0], rest, basis) @ basis
    for joint, parent in enumerate(PARENTS[1:], start=1):
        offset = quaternions.to_matrix(turned[parent]) @ (offsets[joint] - offsets[parent])
        joints[:, joint] = joints[:, parent] + offset
        turned.append(quaternions.multiply(turned[parent], local[:, joint]))
    return joints @ basis.T


def from_rest(local: np.ndarray, limbs: np.ndarray) -> np.ndarray:
    """Rotations away from SMPL's T-pose as rotations away from an armature's own rest pose.

    Args:
        local: ``[T, 22, 4]`` parent-relative. limbs: ``[22, 4]`` of :func:`limb_turns`.
    """
    if not limbs[:, 1:].any():
        return local
    before = quaternions.conjugate(limbs[list(PARENTS)])
    before[0] = limbs[0]
    return quaternions.multiply(quaternions.multiply(before, local), limbs)


def limb_turns(heads: np.ndarray, posed_degrees: float = _POSED_DEGREES) -> np.ndarray:
    """What turns each limb of an armature from its rest to SMPL's T-pose, ``[22, 4]``.

    Args:
        heads: ``[22, 3]`` of the armature, in SMPL axes.
        posed_degrees: a limb that rests nearer to SMPL's is left as it is.
    """
    limbs = np.tile([1.0, 0.0, 0.0, 0.0], (NUM_JOINTS, 1))
    neutral = rest_heads()
    for chain in (*_LEG_CHAINS, *_ARM_CHAINS):
        first, middle, last = map(JOINT_NAMES.index, chain)
        for joint, end in ((first, middle), (middle, last)):
            ours, theirs = heads[end] - heads[joint], neutral[end] - neutral[joint]
            limbs[joint] = _turn(ours, theirs, posed_degrees)
        if chain in _ARM_CHAINS:  # a hand rests in line with its forearm, a foot flat on the floor
            limbs[last] = limbs[middle]
    return limbs


def against(local: np.ndarray, turned_by: Sequence[int]) -> np.ndarray:
    """Rotations ``[T, 22, 4]`` against SMPL's parents as rotations against others (-1: none)."""
    if tuple(turned_by) == tuple(PARENTS):
        return local
    whole = [local[:, 0]]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        whole.append(quaternions.multiply(whole[parent], local[:, joint]))
    return np.stack(
        [
            turn if by < 0 else quaternions.multiply(quaternions.conjugate(whole[by]), turn)
            for turn, by in zip(whole, turned_by, strict=True)
        ],
        axis=1,
    )


def posed_anew(
    changed: Collection[int], limbs: Iterable[Collection[int]] = ()
) -> tuple[list[int], bool]:
    """As :func:`keyed_anew`, for a pose that other controls made than those that are keyed.

    What hangs on a change must then be keyed, since its present keys say nothing.

    Args:
        limbs: joints that other controls move together; the trunk is one, too.
    """
    turned = {joint for joint in range(NUM_JOINTS) if not {*chain_to(joint)}.isdisjoint(changed)}
    trunk = {*chain_to(JOINT_NAMES.index("spine3"))}
    moved = not trunk.isdisjoint(turned)
    for limb in (trunk, *limbs):
        if not turned.isdisjoint(limb):
            turned |= {*limb}
    return sorted(turned), moved


def _turn(start: np.ndarray, end: np.ndarray, at_least: float) -> np.ndarray:
    """The smallest turn between two directions if it has these degrees, else none; a quaternion."""
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    if start @ end > np.cos(np.radians(at_least)):
        return np.array([1.0, 0.0, 0.0, 0.0])
    half = np.array([1.0 + start @ end, *np.cross(start, end)])
    if half[0] < 1e-6:  # opposite: any half turn does
        half = np.array([0.0, 0.0, 0.0, 1.0])
    return quaternions.normalise(half)


def pelvis_in_armature(
    root: np.ndarray, turn: np.ndarray, rest: RestPose, basis: np.ndarray
) -> np.ndarray:
    """Pelvis positions ``[T, 3]`` in armature space; ``turn`` ``[T, 4]`` is the pelvis' own."""
    origin, lift = _origin(rest, basis)
    place = origin + body_scale(rest.heads) * root + quaternions.to_matrix(turn) @ lift
    return place @ basis.T


def root_from_armature(
    position: np.ndarray, turn: np.ndarray, rest: RestPose, basis: np.ndarray
) -> np.ndarray:
    """The motion's root ``[T, 3]`` from pelvis positions: undoes :func:`pelvis_in_armature`."""
    origin, lift = _origin(rest, basis)
    place = position @ basis - quaternions.to_matrix(turn) @ lift
    return (place - origin) / body_scale(rest.heads)


def _origin(rest: RestPose, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the motion's origin lies, and the pelvis above where the motion has it, in SMPL axes.

    The origin is on the floor of the rest pose, where the motion's pelvis is above it at rest. It
    is the legs that must reach the floor, so other makers' pelvis bones, which may begin above,
    below or behind the hips, are put where their hips come to lie on the motion's.
    """
    in_smpl_axes, scale = rest.heads @ basis, body_scale(rest.heads)
    lift = np.zeros(3)
    if not rest.own_shape:
        lift = _above_hips(in_smpl_axes) - scale * _above_hips(rest_heads())
    floor = in_smpl_axes[:, 1].min() - SOLE_HEIGHT * scale
    below = in_smpl_axes[0] - lift
    return np.array([below[0], floor, below[2]]), lift


def _above_hips(heads: np.ndarray) -> np.ndarray:
    """``[3]`` from the middle of the hips to the pelvis."""
    hips = [JOINT_NAMES.index(chain[0]) for chain in _LEG_CHAINS]
    return heads[0] - heads[hips].mean(0)
