"""Control rigs: what their description needs, and the body that hangs on the middle of a spine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.wire.skeleton import JOINT_NAMES, PARENTS
from blender_addon.core import axes, bone_names, quaternions
from blender_addon.core.errors import ArmatureError
from blender_addon.core.neutral import rest_heads
from blender_addon.core.reading import from_bone_keys, from_pose
from blender_addon.core.retarget import RestPose, joint_path, keyed_anew, posed_anew, to_bone_keys
from blender_addon.core.rigs import RIGS, settle

from .test_retarget import random_rest

RIGIFY = next(rig for rig in RIGS if rig.name == "Rigify")
CONTROLS = [*RIGIFY.bones.values(), *RIGIFY.helpers]
NAMES = [*CONTROLS, "root", "spine_fk.004", "MCH-pivot", "DEF-spine", "hand_ik.L"]
AT = {name: index for index, name in enumerate(JOINT_NAMES)}


def index(*joints: str) -> set[int]:
    return {AT[joint] for joint in joints}


def hung_on(joint: str) -> RestPose:
    """A body whose spine below a joint hangs on that joint's bone, which rests elsewhere."""
    rest = random_rest(4, 1.3 * axes.smpl_to_blender(rest_heads()) + [0.5, 0.2, 0.1])
    holders, mover = list(PARENTS), AT[joint]
    holders[mover] = -1
    lower = mover
    while PARENTS[lower] >= 0:
        holders[PARENTS[lower]] = lower
        lower = PARENTS[lower]
    head = rest.heads[mover] + [0.1, -0.2, 0.3]
    return replace(rest, turned_by=tuple(holders), mover=mover, mover_head=head)


def test_the_controls_that_rigify_generates_are_a_rig() -> None:
    rig = bone_names.require_rig(NAMES, "rig")
    assert rig == RIGIFY
    assert rig.bones["left_wrist"] == "hand_fk.L" and rig.bones["spine2"] == "spine_fk.002"
    assert bone_names.missing_bones(NAMES) == []


@pytest.mark.parametrize("lost", ["foot_fk.R", "torso", "ORG-spine", "upper_arm_parent.L", "chest"])
def test_a_control_that_is_missing_is_named(lost: str) -> None:
    names = [name for name in NAMES if name != lost]
    assert bone_names.missing_bones(names) == [lost]
    total = len(CONTROLS)
    with pytest.raises(ArmatureError, match=f"lacks 1 of the {total} Rigify bones: {lost}") as why:
        bone_names.require_rig(names, "Bob")
    assert "metarig" in why.value.hint and "'Bob'" in why.value.message


def test_bones_that_only_deform_are_no_controls() -> None:
    metarig = next(rig for rig in RIGS if rig.name == "Rigify metarig")
    names = [prefix + name for prefix in ("DEF-", "ORG-") for name in metarig.bones.values()]
    with pytest.raises(ArmatureError, match="lacks 22 of the 22 SMPL") as raised:
        bone_names.require_rig(names, "rig")
    assert "Rigify" in raised.value.hint


@pytest.mark.parametrize(
    ("lower", "joint", "control"),
    [
        (["spine_fk"], "pelvis", "spine_fk"),
        (["spine_fk", "MCH-spine", "spine_fk.001"], "spine1", "spine_fk.001"),
        (["spine_fk", "spine_fk.001", "MCH-a", "spine_fk.002", "MCH-b"], "spine2", "spine_fk.002"),
    ],
)
def test_the_mover_takes_the_place_of_the_control_below_it(
    lower: list[str], joint: str, control: str
) -> None:
    parents = dict(zip(lower, [*lower[1:], "torso"], strict=True))
    rig = settle(RIGIFY, parents.get)
    assert rig.bones == {**RIGIFY.bones, joint: "torso"}
    assert rig.moved_joint == joint and rig.still == (*RIGIFY.still, control)


def test_a_skeleton_has_nothing_to_settle() -> None:
    for rig in RIGS[:-1]:
        assert settle(rig, {}.get) == rig
        assert rig.moved_joint == "pelvis" and rig.helpers == ()


@pytest.mark.parametrize("joint", ["pelvis", "spine1", "spine3"])
def test_a_body_hung_on_its_spine_performs_the_motion(joint: str, clip: np.ndarray) -> None:
    """Bones as Blender composes them: those below the mover hang on those above."""
    rest = hung_on(joint)
    keys = to_bone_keys(clip, 30.0, rest, 30.0)
    pose: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def posed(bone: int) -> tuple[np.ndarray, np.ndarray]:
        """Turn against rest and position of what the bone carries: its own end of the chain."""
        if bone not in pose:
            own, by = rest.rotations[bone], rest.turned_by[bone]
            turn = own @ quaternions.to_matrix(keys.rotations[:, bone]) @ own.T
            if by < 0:
                pose[bone] = turn, rest.moved_from + keys.root_location @ own.T
                return pose[bone]
            above, place = posed(by)
            # an upside-down bone turns about the joint that it shares with the one above
            pivot = rest.heads[bone if by == PARENTS[bone] else by]
            origin = rest.moved_from if rest.turned_by[by] < 0 else pivots[by]
            pivots[bone] = pivot
            pose[bone] = above @ turn, place + above @ (pivot - origin)
        return pose[bone]

    pivots: dict[int, np.ndarray] = {}
    want = joint_path(clip, 30.0, rest, 30.0)
    for bone in range(len(JOINT_NAMES)):
        turn, place = posed(bone)
        pivot = pivots.get(bone, rest.moved_from)
        found = place + turn @ (rest.heads[bone] - pivot)
        assert np.abs(found - want[:, bone]).max() < 1e-9, JOINT_NAMES[bone]
    back = from_bone_keys(keys.rotations, keys.root_location, rest)
    assert keys.mover == AT[joint] and np.abs(back - clip).max() < 1e-5


def test_bones_of_other_makers_stand_with_their_hips_over_the_motions(clip: np.ndarray) -> None:
    """A pelvis bone that begins elsewhere moves along; SMPL bodies keep their own shape."""
    heads = axes.smpl_to_blender(rest_heads())
    lower = heads.copy()
    lower[0] += [0.0, 0.04, -0.15]
    other = replace(random_rest(1, lower), own_shape=False)
    plain = replace(random_rest(1, heads), own_shape=False)
    hips = [AT["left_hip"], AT["right_hip"]]
    found = joint_path(clip, 30.0, other, 30.0)[:, hips]
    assert np.abs(found - joint_path(clip, 30.0, plain, 30.0)[:, hips]).max() < 1e-9
    own = replace(other, own_shape=True)
    assert np.abs(found - joint_path(clip, 30.0, own, 30.0)[:, hips]).max() > 0.1
    keys = to_bone_keys(clip, 30.0, other, 30.0)
    back = from_bone_keys(keys.rotations, keys.root_location, other)
    assert np.abs(back - clip).max() < 1e-5


def test_what_changed_rotations_change_of_the_keys() -> None:
    plain = random_rest(1, axes.smpl_to_blender(rest_heads()))
    for joint in range(len(JOINT_NAMES)):
        assert keyed_anew({joint}, plain) == ([joint], joint == 0)
    hung = hung_on("spine1")
    bent = index("pelvis", "spine1")
    assert keyed_anew(index("spine1"), hung) == (sorted(bent), True)
    assert keyed_anew(index("pelvis"), hung) == ([AT["spine1"]], True)
    assert keyed_anew(index("left_elbow"), hung) == ([AT["left_elbow"]], False)
    assert keyed_anew(index("spine2"), hung) == ([AT["spine2"]], False)
    skipped = list(PARENTS)
    skipped[AT["left_collar"]] = AT["spine2"]
    rest = replace(plain, turned_by=tuple(skipped))
    turned, _ = keyed_anew(index("spine3"), rest)
    assert turned == [AT["spine3"], AT["left_collar"]]


def test_what_must_be_keyed_where_other_controls_made_the_pose() -> None:
    """The rest of a limb, what hangs on a change, and the trunk as a whole."""
    arm = index("left_shoulder", "left_elbow", "left_wrist")
    assert posed_anew(index("left_wrist")) == ([AT["left_wrist"]], False)
    assert posed_anew(index("left_wrist"), [arm]) == (sorted(arm), False)
    assert posed_anew(index("pelvis")) == (list(range(len(JOINT_NAMES))), True)
    turned, moved = posed_anew(index("spine2"))
    legs = {
        AT[f"{side}_{j}"] for side in ("left", "right") for j in ("hip", "knee", "ankle", "foot")
    }
    assert moved and set(turned) == set(range(len(JOINT_NAMES))) - legs


def test_poses_come_back_as_the_motion(clip: np.ndarray) -> None:
    """How far bones are turned in armature space says what their keys say."""
    rest = hung_on("spine1")
    keys = to_bone_keys(clip, 30.0, rest, 30.0)
    own = quaternions.from_matrix(rest.rotations)
    local = quaternions.multiply(
        quaternions.multiply(own, keys.rotations), quaternions.conjugate(own)
    )
    turns = np.empty_like(local)
    for joint in (3, 0, *(j for j in range(1, 22) if j != 3)):
        by = rest.turned_by[joint]
        above = turns[:, by] if by >= 0 else np.array([1.0, 0.0, 0.0, 0.0])
        turns[:, joint] = quaternions.multiply(above, local[:, joint])
    pelvis = joint_path(clip, 30.0, rest, 30.0)[:, 0]
    assert np.abs(from_pose(turns, pelvis, rest) - clip).max() < 1e-5
