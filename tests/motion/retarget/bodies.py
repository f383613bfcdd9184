"""Bodies for tests of the keys: SMPL's joints under bones that point anyhow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backend.motion import quaternions, rotations
from backend.motion.retarget import Body, BoneKeys, Rig, Skeleton, make_body
from backend.wire.skeleton import JOINT_NAMES, PARENTS

NAMES = dict(zip(JOINT_NAMES, JOINT_NAMES, strict=True))
AT = {name: index for index, name in enumerate(JOINT_NAMES)}


def body(
    heads: np.ndarray,
    seed: int = 1,
    *,
    up: Sequence[float] = (0.0, 0.0, 1.0),
    own_shape: bool = True,
    parents: Mapping[str, str | None] | None = None,
    local: bool = True,
    turned: Mapping[str, bool] | None = None,
    rig: Rig | None = None,
    twists: bool = False,
    extra: Mapping[str, tuple[str | None, np.ndarray]] | None = None,
    **more: object,
) -> Body:
    """A body with joints at ``heads [22, 3]``; bones rolled and pointed anyhow."""
    names = [*JOINT_NAMES, *(extra or {})]
    above = {j: (JOINT_NAMES[PARENTS[AT[j]]] if PARENTS[AT[j]] >= 0 else None) for j in JOINT_NAMES}
    above.update(parents or {})
    above.update({name: parent for name, (parent, _) in (extra or {}).items()})
    places = np.array([*heads, *(place for _, place in (extra or {}).values())])
    vectors = np.random.default_rng(seed).normal(size=(len(names), 3))
    skeleton = Skeleton(
        tuple(names),
        tuple(-1 if above[n] is None else names.index(above[n]) for n in names),
        rotations.axis_angle_to_matrix(vectors),
        places,
        up=tuple(up),
        turned=tuple((turned or {}).get(n, True) for n in names),
        local=(local,) * len(names),
        **more,
    )
    rig = rig or Rig("SMPL" if own_shape else "", NAMES, own_shape)
    return make_body(skeleton, rig, twists=twists)


def shown(made: Body, keys: BoneKeys) -> np.ndarray:
    """Joints ``[T, 22, 3]`` as Blender composes poses: parent @ parent_rest^-1 @ rest @ basis."""
    skeleton = made.skeleton
    frames, count = len(keys), len(skeleton)
    matrices = np.tile(np.eye(4), (count, 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = skeleton.rest, skeleton.heads
    basis = np.tile(np.eye(4), (frames, count, 1, 1))
    for column, bone in enumerate(keys.bones):
        at = skeleton.index[bone]
        basis[:, at, :3, :3] = quaternions.to_matrix(keys.rotations[:, column])
        if bone in keys.locations:
            place = keys.locations[bone]
            basis[:, at, :3, 3] = place if skeleton.local[at] else place @ skeleton.rest[at]
    poses: dict[int, np.ndarray] = {}
    for bone in skeleton.order:
        parent = skeleton.parents[bone]
        own = matrices[bone] @ basis[:, bone]
        if parent >= 0:
            above = poses[parent] @ np.linalg.inv(matrices[parent])
            own = above @ own
            if not skeleton.turned[bone]:
                own[..., :3, :3] = skeleton.rest[bone] @ basis[:, bone, :3, :3]
        poses[bone] = own
    names = [made.rig.places.get(joint, made.rig.bones[joint]) for joint in JOINT_NAMES]
    joints = [poses[skeleton.index[name]][:, :3, 3] for name in names]
    return np.stack(joints, 1)
