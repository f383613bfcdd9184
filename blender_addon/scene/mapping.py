"""Which bones of an armature are the joints: found, remembered on it, or chosen by a person.

What was found is kept for as long as the bones stay as they are, because panels ask for it at
every redraw.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import replace

import bpy
import numpy as np
from mathutils import Vector

from ..backend_access import ArmatureError, FormatError, retarget

MAP_KEY = "kinetype_joints"
"""Custom property of the armature's data: the map that a person made or loaded, as JSON."""
KNOWN_RIGS = "SMPL, Mixamo, Unreal, VRoid, Rigify or any other body"
_KEPT = 24
_FEW_MISSING = 5
"""Of the joints that are needed; an armature that lacks more of them is no character."""
_cache: OrderedDict[tuple, tuple[retarget.Rig, retarget.JointMap]] = OrderedDict()


def skeleton_of(armature: bpy.types.Object, *, soles: bool = False) -> retarget.Skeleton:
    """The armature's bones at rest, in armature space.

    Args:
        soles: read the body's mesh near the ground, too.
    """
    bones = armature.data.bones
    count = len(bones)
    heads, tails = np.empty(3 * count, np.float32), np.empty(3 * count, np.float32)
    matrices = np.empty(16 * count, np.float32)
    bones.foreach_get("head_local", heads)
    bones.foreach_get("tail_local", tails)
    bones.foreach_get("matrix_local", matrices)
    names = tuple(bones.keys())
    index = {name: number for number, name in enumerate(names)}
    parents = tuple(-1 if bone.parent is None else index[bone.parent.name] for bone in bones)
    flags = {}
    for name in ("use_inherit_rotation", "use_local_location", "use_connect"):
        values = np.empty(count, bool)
        bones.foreach_get(name, values)
        flags[name] = values
    # Blender keeps matrices column by column
    rest = matrices.reshape(count, 4, 4).transpose(0, 2, 1)[:, :3, :3].astype(np.float64)
    return retarget.Skeleton(
        names,
        parents,
        rest,
        heads.reshape(count, 3).astype(np.float64),
        tails.reshape(count, 3).astype(np.float64),
        up=_up(armature),
        world_floor=_world_floor(armature),
        turned=tuple(flags["use_inherit_rotation"].tolist()),
        local=tuple(flags["use_local_location"].tolist()),
        movable=tuple((~flags["use_connect"]).tolist()),
        soles=_soles(armature) if soles else {},
    )


def _up(armature: bpy.types.Object) -> tuple[float, float, float]:
    """The axis of the armature's space that is nearest to the vertical of the world."""
    up = np.array(armature.matrix_world.to_3x3().inverted_safe())[:, 2]
    axis = np.zeros(3)
    strongest = int(np.abs(up).argmax())
    axis[strongest] = 1.0 if up[strongest] >= 0 else -1.0
    return tuple(axis)


def _world_floor(armature: bpy.types.Object) -> float:
    """Height of the world's floor in the armature's space, below its origin."""
    world = armature.matrix_world
    below = world.inverted_safe() @ Vector((world.translation.x, world.translation.y, 0.0))
    return float(np.array(below) @ np.array(_up(armature)))


_MAX_POINTS = 400_000


def _soles(armature: bpy.types.Object) -> dict[str, np.ndarray]:
    """Points of the meshes that the armature deforms, near its ankles, by the ankle's bone."""
    try:
        rig = rig_of(armature)
    except ArmatureError:
        return {}
    bones = armature.data.bones
    up, found = np.array(_up(armature)), {}
    clouds = [_cloud(armature, thing) for thing in _worn(armature)]
    if not clouds:
        return {}
    points = np.concatenate(clouds)
    for side in ("left", "right"):
        names = [rig.bones.get(f"{side}_{part}") for part in ("knee", "ankle")]
        if None in names or not all(name in bones for name in names):
            continue
        knee, ankle = (np.array(bones[name].head_local) for name in names)
        shin = float(np.linalg.norm(knee - ankle))
        apart = points - ankle
        height = apart @ up
        level = np.linalg.norm(apart - height[:, None] * up, axis=1)
        near = (height < 0.1 * shin) & (height > -0.6 * shin) & (level < 0.75 * shin)
        other = rig.bones.get(f"{'right' if side == 'left' else 'left'}_ankle")
        if other in bones:
            gap = np.array(bones[other].head_local) - ankle
            near &= apart @ gap < 0.5 * float(gap @ gap)
        if near.any():
            found[rig.bones[f"{side}_ankle"]] = points[near]
    return found


def _worn(armature: bpy.types.Object) -> list[bpy.types.Object]:
    """Meshes that the armature deforms."""
    scenes = armature.users_scene
    things = scenes[0].objects if scenes else armature.children
    return [
        thing
        for thing in things
        if thing.type == "MESH"
        and any(m.type == "ARMATURE" and m.object == armature for m in thing.modifiers)
        and len(thing.data.vertices) < _MAX_POINTS
    ]


def _cloud(armature: bpy.types.Object, body: bpy.types.Object) -> np.ndarray:
    values = np.empty(3 * len(body.data.vertices), np.float32)
    body.data.vertices.foreach_get("co", values)
    to_armature = np.array(armature.matrix_world.inverted_safe() @ body.matrix_world)
    return values.reshape(-1, 3) @ to_armature[:3, :3].T + to_armature[:3, 3]


# --------------------------------------------------------------------------- the map


def rig_of(armature: bpy.types.Object) -> retarget.Rig:
    """The rig that an armature is, with the names of its own bones.

    Raises:
        ArmatureError: it is no body (the message says what was found and what is missing).
    """
    rig, joints = _found(armature)
    if rig.mover:
        lost = rig.lacks(armature.data.bones.keys())
        if lost:
            total = len(rig.bones) + len(rig.helpers)
            raise ArmatureError(
                f"The armature {armature.name!r} lacks {len(lost)} of the {total} {rig.name} "
                f"bones: {', '.join(lost)}.",
                rig.needs,
            )
        return rig
    missing = joints.missing
    if missing:
        raise ArmatureError(
            f"{armature.name!r} is no body that can be moved: {joints.describe()}",
            "Choose the missing bones in the panel Joints, deselect it, or use a new mannequin.",
        )
    return rig


def joints_of(armature: bpy.types.Object) -> retarget.JointMap:
    """The map of an armature, complete or not."""
    return _found(armature)[1]


def is_body(candidate: bpy.types.Object | None) -> bool:
    """Whether an object is an armature that can take a motion; cheap enough for ``poll``."""
    if candidate is None or candidate.type != "ARMATURE":
        return False
    rig, joints = _found(candidate)
    if rig.mover:
        return not rig.lacks(candidate.data.bones.keys())
    return not joints.missing


def seems_body(armature: bpy.types.Object) -> bool:
    """Whether an armature is a body, or would be with a few more joints: not a prop."""
    rig, joints = _found(armature)
    by_hand = stored_map(armature) is not None
    return bool(rig.mover) or by_hand or len(joints.missing) <= _FEW_MISSING


def _found(armature: bpy.types.Object) -> tuple[retarget.Rig, retarget.JointMap]:
    key = _key(armature)
    if key in _cache:
        _cache.move_to_end(key)
        return _cache[key]
    found = _read(armature)
    _cache[key] = found
    while len(_cache) > _KEPT:
        _cache.popitem(last=False)
    return found


def _key(armature: bpy.types.Object) -> tuple:
    bones = armature.data.bones
    heads = np.empty(3 * len(bones), np.float32)
    bones.foreach_get("head_local", heads)
    stored = armature.data.get(MAP_KEY, "")
    return (tuple(bones.keys()), heads.tobytes(), stored, _up(armature))


def _read(armature: bpy.types.Object) -> tuple[retarget.Rig, retarget.JointMap]:
    stored = stored_map(armature)
    if stored is not None:
        return retarget.of_map(stored), stored
    return detect(armature)


def detect(armature: bpy.types.Object) -> tuple[retarget.Rig, retarget.JointMap]:
    """The rig and the map that are found anew, whatever is remembered."""
    names = armature.data.bones.keys()
    rig = retarget.recognise(names)
    if rig is not None:
        return rig, retarget.JointMap.of(rig.bones, rig.name, f"named as in {rig.name}")
    joints = retarget.find_joints(skeleton_of(armature))
    return retarget.of_map(joints), joints


def stored_map(armature: bpy.types.Object) -> retarget.JointMap | None:
    """The map that is remembered on the armature, less bones that are gone."""
    text = armature.data.get(MAP_KEY)
    if not isinstance(text, str) or not text:
        return None
    try:
        joints = retarget.JointMap.from_dict(json.loads(text))
    except (ValueError, FormatError):
        return None
    return replace(joints.limited_to(armature.data.bones.keys()), kind="")


def remember(armature: bpy.types.Object, joints: retarget.JointMap) -> None:
    """Keep a map on the armature's data; it then counts instead of what would be found."""
    armature.data[MAP_KEY] = json.dumps(joints.to_dict())


def forget(armature: bpy.types.Object) -> None:
    """Find the joints anew from now on."""
    if MAP_KEY in armature.data:
        del armature.data[MAP_KEY]
    _cache.clear()


def clear_cache() -> None:
    """Forget what was found; the maps on the armatures stay."""
    _cache.clear()
