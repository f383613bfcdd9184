"""BVH of any humanoid to motion_135 at the file's own rate, through the retargeter.

SMPL's own skeleton is taken over joint by joint. Any other is mapped (names, hierarchy, geometry),
and the turns of its joints away from the rest pose are those of the body; the rest pose may be a
T-pose, an A-pose or arms down, along any axis. Which way is up is measured twice: in the rest pose,
and in the motion (some programs write Z-up worlds over Y-up skeletons). The size comes from the
length of the legs, the place from the middle of the hips. Hips of another width keep the feet where
they stood: by leg IK, not by the directions of the legs alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import ArmatureError, FormatError, NoMotion
from ...wire.messages import Motion
from .. import quaternions
from ..limb_ik import ANKLES, reach, solve_limbs
from ..representations import motion135
from ..retarget import Body, JointMap, Skeleton, find_joints, make_body, of_map, recognise
from ..retarget.keys import origin
from ..retarget.reading import motion_of
from ..rotations import shortest_arc
from ..skeleton import JOINT_NAMES, forward_kinematics, rest_offsets
from ..steps import Clip
from . import bvh, bvh_values
from .array_layouts import TO_Y_UP
from .bvh_likeness import LIMB_JOINTS, four_legs, limb_checks, proportions, with_ends
from .formats import Reading

_UPS = {
    "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0), "x": (1.0, 0.0, 0.0),
    "-y": (0.0, -1.0, 0.0), "-z": (0.0, 0.0, -1.0), "-x": (-1.0, 0.0, 0.0),
}  # fmt: skip
_UPSIDE_DOWN = -0.999
_HINT = (
    "A body needs hips, two legs, two arms and a head or a spine; hands, animals and machines are "
    "not read."
)
_WIDE = 0.06
"""m: hips that are wider or narrower than SMPL's by more than this place the feet elsewhere."""
_HIPS_APART = 0.03
"""m"""
_FLOOR_SHARE = 0.02
_SAME_HIPS = 0.985
"""Cosine between where the pelvis turns its hips and where they are (10 degrees)."""
_FEET = ("left_ankle", "right_ankle", "left_foot", "right_foot")


def read_clip(path: Path, reading: Reading) -> Clip:
    """The clip in a ``.bvh`` file; see :func:`backend.motion.io.load.read_clip`."""
    clip = bvh.read(path)
    motion, said, checks = _motion(clip, path, reading.up, reading.force)
    return Clip(
        motion.data,
        motion135.SPEC.name,
        reading.fps or motion.fps,
        warnings=(*clip.warnings, *said),
        checks=checks,
    )


def read_motion135(path: str | Path, up: str | None = None) -> Motion:
    """A BVH as motion_135 at its own frame rate.

    Args:
        up: axis of the file that is up ("y", "z", "-y", "x"); measured when None.

    Raises:
        FormatError: malformed, or no body (the message says what was found and what is missing).
    """
    return _motion(bvh.read(path), Path(path), up)[0]


def _motion(
    clip: bvh.BvhClip, path: Path, up: str | None, force: bool = False
) -> tuple[Motion, tuple[str, ...], dict[str, float]]:
    """The motion, what is told, and the measures of :mod:`.body_checks` that need the file."""
    meta = {"source": path.name, "source_fps": clip.fps}
    named = {name.lower() for name in clip.names} >= set(JOINT_NAMES)
    if named and up in (None, "y") and _has_smpls_hips(clip):
        try:
            return bvh.motion_of(clip, path), (), {}
        except FormatError:
            pass  # another rest pose, or joints above the pelvis: as any other skeleton
    found = _Posed.of(with_ends(clip), path, up)
    unlike = found.unlike()
    if unlike and not force:
        raise NoMotion(f"{path} shows no body that can be read: {unlike}", _HINT)
    data = found.motion()
    checks = limb_checks(data, found.limbs())
    if abs(found.wider) > _WIDE:
        data = found.feet_kept(data)
    forced = (f"Read by force: {unlike}",) if unlike else ()
    return Motion(data, clip.fps, meta), (*found.warnings(), *forced), checks


def _has_smpls_hips(clip: bvh.BvhClip) -> bool:
    """Whether the hips hang below the pelvis as SMPL's do: then pelvis lies on pelvis."""
    index = {name.lower(): number for number, name in enumerate(clip.names)}
    left, right, knee, ankle = (
        clip.offsets[index[j]] for j in ("left_hip", "right_hip", "left_knee", "left_ankle")
    )
    offsets = rest_offsets()
    scale = float(np.linalg.norm(knee) + np.linalg.norm(ankle))
    scale /= float(np.linalg.norm(offsets[4]) + np.linalg.norm(offsets[7]))
    apart = 0.5 * (left + right) / max(scale, 1e-9) - 0.5 * (offsets[1] + offsets[2])
    return bool(np.linalg.norm(apart) < _HIPS_APART)


@dataclass(frozen=True, eq=False)
class _Posed:
    """A clip with its body.

    Attributes:
        turns: ``[T, J, 3, 3]`` and points ``[T, J, 3]`` of all joints in the file's world.
        basis: ``[3, 3]`` of the world: ``world = basis @ smpl``.
    """

    clip: bvh.BvhClip
    body: Body
    turns: np.ndarray
    points: np.ndarray
    basis: np.ndarray
    joints: JointMap

    @classmethod
    def of(cls, clip: bvh.BvhClip, path: Path, up: str | None) -> _Posed:
        """Find the body; :class:`FormatError` if there is none."""
        body, joints = _body(clip, path, up)
        used = {track.bone for track in body.tracks}
        used |= {body.skeleton.index[bone] for bone in body.rig.bones.values()}
        turns, points = bvh.world_of(clip, used)
        index = {name: number for number, name in enumerate(clip.names)}
        lifted = points - _extra_offset(clip, body, points)
        upright = _upright(lifted, body, index, up)
        basis = np.asarray(shortest_arc(np.array(_UPS["y"]), upright))
        if upright[1] < _UPSIDE_DOWN:  # no arc is the shortest: as arrays of cameras are turned
            basis = TO_Y_UP["-y"].T
        return cls(clip, body, turns, lifted, basis, joints)

    def unlike(self) -> str:
        """What keeps it from being a person, in words; empty where nothing does."""
        names = self.clip.names
        points = {j: self.points[:, names.index(b)] for j, b in self.body.rig.bones.items()}
        if four_legs(self.body, points):
            return "it rests and goes on four legs."
        return proportions(self.body)

    def at(self, joint: str) -> np.ndarray:
        """``[T, 3]`` of a joint in SMPL axes and the file's unit."""
        return self.points[:, self.clip.names.index(self.body.rig.bones[joint])] @ self.basis

    def limbs(self) -> dict[str, np.ndarray]:
        """``[T, 3]`` of every joint that is there, in SMPL axes and the file's unit."""
        return {joint: self.at(joint) for joint in LIMB_JOINTS if joint in self.body.rig.bones}

    def motion(self) -> np.ndarray:
        """motion_135, its floor the file's."""
        bones = [track.bone for track in self.body.tracks]
        pelvis = self.body.of_joint["pelvis"]
        turn = self._pelvis(self.basis.T @ self.turns[:, bones[pelvis]] @ self.body.basis)
        places, parts = self.at("pelvis"), []
        for at in bvh_values.chunks(len(turn)):
            part = slice(at, at + bvh_values.CHUNK)
            # the turn of a joint takes the rest pose to the world: both in SMPL axes
            own = self.basis.T @ self.turns[part][:, bones] @ self.body.basis
            own[:, pelvis] = turn[part]
            parts.append(motion_of(self.body, quaternions.from_matrix(own), places[part]))
        data = np.concatenate(parts).astype(np.float64)
        first = motion135.SPEC.columns("root_translation").start
        data[:, first : first + 3] += self._origin() / self.body.scale
        return data.astype(np.float32)

    def _pelvis(self, turn: np.ndarray) -> np.ndarray:
        """The turn ``[T, 3, 3]`` of the pelvis: its joint's, unless helpers turn what hangs on it.

        Some skeletons have joints of no length between the pelvis and its children; then the
        places of the hips and of the spine say where it looks.
        """
        rest = {joint: self.body.at(joint) for joint in ("left_hip", "right_hip")}
        across = rest["left_hip"] - rest["right_hip"]
        shown = self.at("left_hip") - self.at("right_hip")
        turned = turn @ across
        cosine = (turned * shown).sum(-1)
        cosine /= np.linalg.norm(turned, axis=-1) * np.linalg.norm(shown, axis=-1)
        if cosine.min() > _SAME_HIPS:
            return turn @ self._hips_at_rest(across)
        names, parents = self.clip.names, self.clip.parents
        pelvis = self.body.places[self.body.of_joint["pelvis"]]
        index = names.index(self.body.rig.bones["pelvis"])
        heads = self.body.skeleton.heads @ self.body.basis
        above = [
            bone
            for bone in self.body.skeleton.chains[names.index(self._chest())]
            if parents[bone] >= 0 and index in self.body.skeleton.chains[bone]
            and np.linalg.norm(heads[bone] - pelvis) > 0.02 * self.body.scale
        ]  # fmt: skip
        if not above:
            return turn @ self._hips_at_rest(across)
        hips = 0.5 * (rest["left_hip"] + rest["right_hip"])
        middle = 0.5 * (self.at("left_hip") + self.at("right_hip"))
        up = self.points[:, above[0]] @ self.basis - middle
        turn = _frames(shown, up) @ _frames(across, heads[above[0]] - hips).T
        return turn @ self._hips_at_rest(across)

    @staticmethod
    def _hips_at_rest(across: np.ndarray) -> np.ndarray:
        """What takes SMPL's line of hips to that of a rest pose ``[3]`` that is no person's.

        Where all bones lie along one axis, legs and shoulders say which way a body looks.
        """
        offsets = rest_offsets()
        line = offsets[1] - offsets[2]
        same = line @ across > _SAME_HIPS * np.linalg.norm(line) * np.linalg.norm(across)
        return np.eye(3) if same else np.asarray(shortest_arc(line, across))

    def _chest(self) -> str:
        bones = self.body.rig.bones
        return next(bones[j] for j in ("neck", "head", "left_shoulder") if j in bones)

    def _origin(self) -> np.ndarray:
        """What the retargeter takes off because armatures stand somewhere: files say it all."""
        return origin(self.body) * [1.0, 0.0, 1.0] + [0.0, self.body.ground, 0.0]

    @property
    def wider(self) -> float:
        """How much wider than SMPL's the hips are (m)."""
        hips = [self.body.at(f"{side}_hip") for side in ("left", "right")]
        width = float(np.linalg.norm(hips[0] - hips[1])) / self.body.scale
        offsets = rest_offsets()
        return width - float(np.linalg.norm(offsets[1] - offsets[2]))

    def feet_kept(self, data: np.ndarray) -> np.ndarray:
        """The motion with its ankles where the file's are, beside the middle of the hips."""
        if not all(f"{side}_ankle" in self.body.of_joint for side in ("left", "right")):
            return data
        root, local = motion135.unpack(data.astype(np.float64))
        joints = forward_kinematics(local, root)
        middle = 0.5 * (self.at("left_hip") + self.at("right_hip"))
        ours = joints[:, [1, 2]].mean(1)
        targets = joints[:, ANKLES].copy()
        for foot, side in enumerate(("left", "right")):
            place = ours + (self.at(f"{side}_ankle") - middle) / self.body.scale
            targets[:, foot, [0, 2]] = place[:, [0, 2]]
        limit = reach(joints[:, [1, 2]], targets)
        return motion135.pack(root, solve_limbs(local, root, targets, limit)).astype(data.dtype)

    def warnings(self) -> tuple[str, ...]:
        """What a person should know about how the file was read."""
        missing = [joint for joint in JOINT_NAMES if joint not in self.body.rig.bones]
        missing = [joint for joint in missing if not joint.startswith("spine")]
        if not missing:
            return ()
        each = "it follows the joint" if len(missing) == 1 else "they follow the joints"
        return (f"The file has no {', '.join(missing)}: {each} above.",)


def _body(clip: bvh.BvhClip, path: Path, up: str | None) -> tuple[Body, JointMap]:
    """The body of the rest pose, and the map it comes from."""
    rest = _rest_positions(clip)
    problem = ""
    for axis in dict.fromkeys((*((up,) if up else ()), *_UPS)):
        skeleton = Skeleton(
            clip.names,
            clip.parents,
            np.tile(np.eye(3), (len(clip.names), 1, 1)),
            rest,
            up=_UPS[axis],
        )
        rig = recognise(clip.names)
        rig = rig and replace(rig, own_shape=False)
        joints = JointMap.of(rig.bones, rig.name) if rig else find_joints(skeleton)
        if not rig:
            joints = _below_helpers(joints, clip)
        if joints.missing:
            problem = problem or joints.describe()
            continue
        try:
            body = make_body(skeleton, rig or of_map(joints))
        except ArmatureError as error:
            problem = error.message
            continue
        if _stands(body, np.asarray(_UPS[axis])):
            return body, joints
        problem = problem or "its rest pose does not stand upright along any axis."
    raise NoMotion(f"{path} shows no body that can be read: {problem}", _HINT)


def _below_helpers(joints: JointMap, clip: bvh.BvhClip) -> JointMap:
    """Of joints in one place the last one: its turn is the limb's, those above are helpers."""
    for joint, bone in joints.bones.items():
        at = clip.names.index(bone)
        while joint != "pelvis":
            below = [child for child, parent in enumerate(clip.parents) if parent == at]
            if len(below) != 1 or np.any(clip.offsets[below[0]]) or below[0] not in clip.parents:
                break
            at = below[0]
        if clip.names[at] not in joints.bones.values():
            joints = joints.with_bone(joint, clip.names[at])
    return joints


def _stands(body: Body, up: np.ndarray) -> bool:
    """Whether the legs of the rest pose hang below the shoulders along an axis."""
    basis = body.basis
    shoulders = body.at("left_shoulder") + body.at("right_shoulder")
    knees = body.at("left_knee") + body.at("right_knee")
    trunk = basis @ (shoulders - knees)
    return bool(trunk @ up > 0.6 * np.linalg.norm(trunk)) and bool(basis[:, 1] @ up > 0.7)


def _upright(points: np.ndarray, body: Body, index: dict[str, int], up: str | None) -> np.ndarray:
    """The axis of the file's world that is up: the one along which bodies stand."""
    if up is not None:
        return np.asarray(_UPS[up])
    bones = body.rig.bones

    def middle(part: str) -> np.ndarray:
        sides = (points[:, index[bones[f"{side}_{part}"]]] for side in ("left", "right"))
        return np.asarray(sum(sides)) / 2.0

    trunk = (middle("shoulder") - middle("knee")).mean(0)
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    along = axes @ trunk
    rest_up = body.basis[:, 1]
    if trunk @ rest_up > 0.5 * np.linalg.norm(trunk):
        return rest_up
    return axes[int(along.argmax())]


def _extra_offset(clip: bvh.BvhClip, body: Body, points: np.ndarray) -> np.ndarray:
    """``[3]`` what is to be taken off: some programs add the root's offset to its channel.

    The floor tells: of both readings the one in which the feet come nearer to height 0.
    """
    root = clip.parents.index(-1)
    offset = clip.offsets[root]
    if not np.any(offset) or not clip.channels[root][:3]:
        return np.zeros(3)
    feet = [clip.names.index(body.rig.bones[j]) for j in _FEET if j in body.rig.bones]
    if not feet or clip.names[root] != "Pelvis":
        return np.zeros(3)
    up = body.basis[:, 1]
    low = float(np.quantile((points[:, feet] @ up).min(1), _FLOOR_SHARE))
    taken = low - float(offset @ up)
    return offset if abs(taken) < abs(low) else np.zeros(3)


def _frames(across: np.ndarray, up: np.ndarray) -> np.ndarray:
    """``[..., 3, 3]`` columns: across, up made perpendicular to it, and forward."""
    left = across / np.linalg.norm(across, axis=-1, keepdims=True)
    up = up - (up * left).sum(-1, keepdims=True) * left
    up = up / np.linalg.norm(up, axis=-1, keepdims=True)
    return np.stack([left, up, np.cross(left, up)], axis=-1)


def _rest_positions(clip: bvh.BvhClip) -> np.ndarray:
    """``[J, 3]`` with the root at the origin."""
    rest = clip.offsets.copy()
    for joint, parent in enumerate(clip.parents):
        rest[joint] = rest[joint] + rest[parent] if parent >= 0 else 0.0
    return rest
