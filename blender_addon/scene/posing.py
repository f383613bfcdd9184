"""What an armature shows at this moment, read as a pose: IK, constraints and drivers included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from ..backend_access import JOINT_NAMES, MOTION_FPS, retarget
from . import armature as armatures


@dataclass(frozen=True, eq=False)
class KeptPose:
    """A pose of a body, that other bodies can take, too.

    Attributes:
        row: ``[135]`` motion_135.
        pelvis: ``[3]`` in the armature's space.
        turns: of the bones that it was read from, ``[4]`` away from rest, in the armature's space;
            empty for control rigs, of which the row says all.
    """

    row: np.ndarray
    pelvis: np.ndarray
    turns: Mapping[str, np.ndarray]

    def on(self, body: retarget.Body) -> retarget.Pose:
        """One row of what a body shows in this pose: exactly, if it was read from its bones."""
        if self.turns and all(name in self.turns for name in body.names):
            turns = np.array([self.turns[name] for name in body.names])
            return retarget.posed(body, turns[None], self.pelvis[None])
        return retarget.performed(body, self.row[None], MOTION_FPS, MOTION_FPS)


class Shown:
    """Reads one armature of a body as Blender evaluates it now.

    What the bones show is read against what carries the whole rig (a root control), as the keys of
    a take are.

    Raises:
        ArmatureError: see :func:`armatures.find_rig` and :func:`armatures.body_of`.
    """

    def __init__(self, armature: bpy.types.Object) -> None:
        rig = armatures.find_rig(armature)
        armatures.ensure_pose(armature)
        self.body = armatures.body_of(armature, rig)
        self._armature = armature
        bones = armature.data.bones
        self._control, self._pelvis = bool(rig.mover), self.body.of_joint[JOINT_NAMES[0]]
        if self._control:  # other controls may move the body than those that are keyed
            self._names = [rig.played.get(joint, rig.bones[joint]) for joint in JOINT_NAMES]
            pelvis = rig.places.get(JOINT_NAMES[0], self._names[0])
            self._place = np.array(bones[pelvis].head_local)
        else:
            self._names = list(self.body.names)
            pelvis, self._place = self._names[self._pelvis], self.body.tracks[self._pelvis].place
        carrier = bones[rig.mover or self.body.names[self.body.root]].parent
        self._wanted = [*self._names, pelvis, *([carrier.name] if carrier else [])]
        self._undone = [bones[name].matrix_local.inverted() for name in self._wanted]
        self._carried = carrier is not None

    def turns(
        self, posed: bpy.types.bpy_prop_collection | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turns ``[J, 4]`` away from rest and the pelvis' place ``[3]``, in the armature's space.

        Turns are of the 22 joints in a control rig, else of the bones that are keyed.

        Args:
            posed: the evaluated pose bones, where they are not those of the scene that is shown.
        """
        away = self._away(posed)
        count = len(self._names)
        base = away[-1].inverted_safe() if self._carried else Matrix()
        away = [base @ turn for turn in away]
        place = np.array(away[count]) @ np.append(self._place, 1.0)
        return np.array([turn.to_quaternion() for turn in away[:count]]), place[:3]

    def _away(self, posed: bpy.types.bpy_prop_collection | None = None) -> list[Matrix]:
        """What moves each bone away from rest, in the armature's space."""
        if posed is None:
            graph = bpy.context.evaluated_depsgraph_get()
            posed = self._armature.evaluated_get(graph).pose.bones
        matrices = [posed[name].matrix for name in self._wanted]
        return [m @ rest for m, rest in zip(matrices, self._undone, strict=True)]

    def carried(self) -> Matrix:
        """What carries the whole rig now: its object and, where there is one, its root control."""
        world = self._armature.matrix_world
        return world @ self._away()[-1] if self._carried else world.copy()

    def motion(self, turns: np.ndarray, places: np.ndarray) -> np.ndarray:
        """motion_135 ``[T, 135]`` of rows of :meth:`turns`."""
        if self._control:
            return retarget.from_pose(self.body, turns, places)
        pose = retarget.posed(self.body, turns, places)
        return retarget.motion_of(self.body, pose.turns, pose.places[:, self._pelvis])

    def pose(self) -> KeptPose:
        """This moment."""
        turns, place = self.turns()
        row = self.motion(turns[None], place[None])[0]
        own = {} if self._control else dict(zip(self._names, turns, strict=True))
        return KeptPose(row, place, own)
