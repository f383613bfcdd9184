"""Directing in a real Blender: what is asked is met on the character and told of the take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import directing  # noqa: E402
from blender_addon.panels.direct_panel import KINETYPE_PT_direct  # noqa: E402
from blender_addon.panels.takes_panel import KINETYPE_PT_takes  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402

from . import drawing, rigify  # noqa: E402
from .directed import (  # noqa: E402
    apart,
    asked,
    character,
    direct,
    empty,
    head,
    heads,
    turns,
    wish,
)
from .synthetic import random_motion, walk  # noqa: E402
from .test_rig_map import kit_rig  # noqa: E402


@pytest.mark.parametrize("name", ["mannequin", "mpfb_mixamo", "cesium_man", "vrm_godette"])
def test_a_used_pose_is_met_on_the_character(director: Any, name: str, kit: Path) -> None:
    """Within 1 cm and 2 degrees, on rigs of other bones and proportions, at another rate."""
    rig = character(None if name == "mannequin" else kit_rig(kit, name))
    scene = bpy.context.scene
    scene.render.fps = 24
    rig.location = (1.0, -2.0, 0.0)
    rig.rotation_euler = (*rig.rotation_euler[:2], rig.rotation_euler[2] + 0.7)
    actions.apply_motion(rig, random_motion(90), scene=scene, start_frame=1)
    scene.frame_set(31)
    assert bpy.ops.kinetype.use_pose() == {"FINISHED"}
    places_before = heads(rig, 31)
    turns_before = turns(rig, 31)
    take = direct(rig, first=11)
    after = heads(rig, 31)
    size = np.linalg.norm(head(rig, "left_hip", 31) - head(rig, "left_knee", 31)) / 0.38
    assert np.linalg.norm(after - places_before, axis=-1).max() < 0.01 * size
    assert apart(turns(rig, 31), turns_before) < 2.0
    sent = asked(take)["constraints"][0]
    assert sent["type"] == "fullbody" and sent["frame_indices"] == [25]  # 20 frames at 24 fps
    told = directing.missed(take)[0]
    assert told["title"] == "Pose 31" and told["cm"] < 0.1 and told["degrees"] < 0.1
    entry = directing.of(rig).wishes[0]
    assert (entry.cm, entry.degrees) == pytest.approx((told["cm"], told["degrees"]))
    assert "0.0 cm, 0.0°" in drawing.words(drawing.draw_panel(KINETYPE_PT_direct))
    assert "Pose 31: 0.0 cm, 0.0° off" in drawing.words(drawing.draw_panel(KINETYPE_PT_takes))


def test_a_pose_of_ik_is_read_as_it_is_shown(director: Any) -> None:
    rig = character()
    goal = empty(0.35, -0.3, 1.3)
    held = rig.pose.bones["left_elbow"].constraints.new("IK")
    held.target, held.chain_count = goal, 2
    bpy.context.view_layer.update()
    bpy.ops.kinetype.use_pose()
    held.mute = True
    directing.of(rig).wishes[0].frame = 20
    direct(rig, first=1)
    assert np.linalg.norm(head(rig, "left_wrist", 20) - np.array(goal.location)) < 0.01


def test_half_the_strength_goes_half_the_way_and_is_said(director: Any) -> None:
    rig = character()
    rig.pose.bones["left_shoulder"].rotation_quaternion = (0.8, 0.0, 0.0, 0.6)
    bpy.context.view_layer.update()
    bpy.ops.kinetype.use_pose()
    entry = directing.of(rig).wishes[0]
    entry.frame, entry.strength = 30, 0.5
    take = direct(rig, first=1)
    assert asked(take)["constraints"][0]["strength"] == 0.5
    whole = 2.0 * np.degrees(np.arccos(0.8))
    assert directing.missed(take)[0]["degrees"] == pytest.approx(0.5 * whole, abs=0.5)


# --------------------------------------------------------------------------- pins


@pytest.mark.parametrize("name", ["mannequin", "cesium_man", "quaternius_man"])
@pytest.mark.parametrize("limb", list(directing.PINNED))
def test_a_limb_is_pinned_to_a_moving_empty(director: Any, name: str, limb: str, kit: Path) -> None:
    """Within 2 cm of a body of 1.7 m, measured on the rig, whatever its proportions."""
    rig = character(None if name == "mannequin" else kit_rig(kit, name))
    joint = limb.replace("-", "_").replace("hand", "wrist").replace("foot", "ankle")
    size = np.linalg.norm(head(rig, "left_hip", 1) - head(rig, "left_knee", 1)) / 0.38
    base = head(rig, joint, 1)
    pelvis = head(rig, "pelvis", 1)
    inwards = 0.4 * (pelvis - base) * [1.0, 1.0, 0.0] + [0.0, 0.0, 0.1 * size]
    goal = empty(*(base + inwards))
    for frame, shift in ((10, 0.0), (40, 0.15 * size)):
        goal.location = base + inwards + [0.0, 0.0, shift]
        goal.keyframe_insert("location", frame=frame)
    bpy.context.scene.frame_set(1)
    wish(rig, "PIN", 15, last=35, limb=limb, goal=goal)
    take = direct(rig, first=1)
    for frame in (15, 22, 35):
        found = head(rig, joint, frame)
        wanted = np.array(goal.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world)
        assert np.linalg.norm(found - wanted[:3, 3]) < 0.02 * size
    sent = asked(take)["constraints"][0]
    assert (sent["type"], sent["frame_ranges"]) == (limb, [[14, 35]])
    assert len(sent["positions"]) == 21
    assert directing.missed(take)[0]["cm"] < 2.0
    still = [head(rig, joint, frame) for frame in (1, 90)]
    assert np.linalg.norm(still[0] - still[1]) < 0.03 * size


def test_what_is_out_of_reach_is_told_in_centimetres(director: Any) -> None:
    rig = character()
    wish(rig, "PIN", 20, last=40, limb="left-hand", goal=empty(8.0, 0.0, 1.0))
    take = direct(rig, first=1)
    shown = np.linalg.norm(head(rig, "left_wrist", 30) - [8.0, 0.0, 1.0])
    told = directing.missed(take)[0]["cm"]
    assert told > 300.0 and told == pytest.approx(100.0 * shown, rel=0.02)
    assert [text for text in director.board.warnings if "Left Hand 20–40 is missed by" in text]
    engine = ("Constraint 1 (left-hand, frame 20) is missed by 9.0 cm.", "Something else.")
    assert directing.settled(engine, take)[0] == "Something else."
    assert len(directing.settled(engine, take)) == 2


def test_a_pin_marks_where_the_limb_is(director: Any) -> None:
    rig = character()
    bpy.context.scene.frame_set(7)
    assert bpy.ops.kinetype.add_pin(limb="right-foot") == {"FINISHED"}
    entry = directing.of(rig).wishes[0]
    assert (entry.kind, entry.limb, entry.frame, entry.last) == ("PIN", "right-foot", 7, 36)
    assert np.linalg.norm(np.array(entry.goal.location) - head(rig, "right_ankle", 7)) < 1e-5
    other = empty(1.0, 0.0, 1.0)
    other.select_set(True)
    bpy.ops.kinetype.add_pin(limb="left-hand")
    assert directing.of(rig).wishes[1].goal == other


# --------------------------------------------------------------------------- begin and blend


def test_a_motion_begins_as_the_action_ends(director: Any) -> None:
    rig = character()
    actions.apply_motion(rig, walk(2.0), scene=bpy.context.scene, start_frame=1)
    before = heads(rig, 60)
    take = direct(rig, begin="ACTION")
    assert take.frame_range[0] == 60
    after = heads(rig, 60)
    assert np.linalg.norm(after - before, axis=-1).max() < 0.01
    assert directing.missed(take)[0]["title"] == "Start pose"


def test_a_motion_begins_as_the_character_stands_now(director: Any) -> None:
    rig = character()
    rig.pose.bones["pelvis"].location = (0.4, 0.0, 0.0)
    rig.pose.bones["left_shoulder"].rotation_quaternion = (0.8, 0.0, 0.0, 0.6)
    bpy.context.view_layer.update()
    before = head(rig, "left_wrist", 1)
    direct(rig, begin="STANDS", first=20)
    assert np.linalg.norm(head(rig, "left_wrist", 20) - before) < 0.01


def test_new_frames_are_blended_into_a_copy_of_the_action(director: Any) -> None:
    rig = character()
    bpy.context.scene.render.fps = 24
    actions.apply_motion(rig, walk(8.0), scene=bpy.context.scene, start_frame=1)
    source = rig.animation_data.action
    rig["wave"] = 0.0
    rig.keyframe_insert('["wave"]', frame=11)
    frames = range(1, 190)
    before = {frame: heads(rig, frame) for frame in frames}
    take = direct(rig, blend=True, first=49)
    assert take != source
    after = {frame: heads(rig, frame) for frame in frames}
    moved = {f: np.linalg.norm(after[f] - before[f], axis=-1).max() for f in frames}
    assert max(moved[f] for f in frames if f <= 49 or f >= 120) < 1e-3
    assert min(moved[f] for f in range(75, 95)) > 0.05
    for seam in (49, 120):
        near = [after[f + 1] - after[f] for f in range(seam - 3, seam + 3)]
        assert np.linalg.norm(near, axis=-1).max() * 24 < 6.0  # m/s: no pop
    from blender_addon.scene import compat

    assert '["wave"]' in {curve.data_path for curve in compat.fcurves_of(take)}


@pytest.mark.slow
def test_a_rig_that_rigify_generated_is_directed(director: Any) -> None:
    """Read and met at the bones that deform the body."""
    with rigify.enabled():
        rig = character(rigify.generated(rigify.metarig("human")))
        scene = bpy.context.scene
        actions.apply_motion(rig, random_motion(60, scale=0.3), scene=scene, start_frame=1)

        def shown(frame: int) -> np.ndarray:
            scene.frame_set(frame)
            posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
            bones = [posed.pose.bones[bone] for bone in rigify.DEFORM.values()]
            return np.array([posed.matrix_world @ bone.head for bone in bones])

        before = shown(20)
        bpy.ops.kinetype.use_pose()
        wish(rig, "PIN", 60, last=70, limb="left-hand", goal=empty(0.4, -0.4, 1.2))
        direct(rig, first=1)
        assert np.linalg.norm(shown(20) - before, axis=-1).max() < 0.01
        wrist = shown(65)[list(rigify.DEFORM).index("left_wrist")]
        assert np.linalg.norm(wrist - [0.4, -0.4, 1.2]) < 0.02
