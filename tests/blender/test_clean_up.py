"""Repairs of a take: each a new Action, with the numbers before and after."""

from __future__ import annotations

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.motion.mirror import mirror_motion135  # noqa: E402
from backend.motion.representations import motion135  # noqa: E402
from blender_addon.backend_access import Motion, retarget  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import compat, reading  # noqa: E402
from tests.blender import synthetic  # noqa: E402
from tests.motion.retarget import walking  # noqa: E402

WALK = Motion(walking.walk(90).astype(np.float32), 30.0, synthetic.meta("a walk"))


@pytest.fixture
def rig(addon) -> bpy.types.Object:
    made = armatures.create_armature(bpy.context)
    bpy.context.view_layer.objects.active = made
    made.select_set(True)
    bpy.context.scene.render.fps = 30
    actions.apply_motion(made, WALK, scene=bpy.context.scene, start_frame=1)
    return made


def cleaned(rig: bpy.types.Object, tool: str, **values) -> np.ndarray:
    before = rig.animation_data.action
    count = len(bpy.data.actions)
    assert bpy.ops.kinetype.clean_up(tool=tool, **values) == {"FINISHED"}
    after = rig.animation_data.action
    assert after != before and before.use_fake_user and len(bpy.data.actions) == count + 1
    return reading.read_performance(rig, bpy.context.scene).motion.data


def test_foot_lock_holds_feet(rig, addon) -> None:
    sliding = WALK.data.copy()
    sliding[:, 2] *= 1.3  # the body goes faster than its feet
    actions.apply_motion(rig, Motion(sliding, 30.0, {}), scene=bpy.context.scene, start_frame=1)
    body = armatures.body_of(rig)
    found = cleaned(rig, "FOOT_LOCK")
    figures = [
        retarget.floor_contact(body, retarget.performed(body, x, 30.0, 30.0), 30.0).sliding_cm_s
        for x in (sliding, found)
    ]
    assert figures[1] < 0.5 * figures[0]
    assert "standing feet slide" in addon.board.message


def test_smooth_takes_jitter_away(rig) -> None:
    noisy = WALK.data.copy()
    noisy[:, :3] += np.random.default_rng(0).normal(scale=0.01, size=(90, 3))
    actions.apply_motion(rig, Motion(noisy, 30.0, {}), scene=bpy.context.scene, start_frame=1)
    found = cleaned(rig, "SMOOTH", seconds=0.1)
    assert np.abs(np.diff(found[:, 1], 2)).mean() < 0.3 * np.abs(np.diff(noisy[:, 1], 2)).mean()


def test_in_place_mirror_and_heading(rig) -> None:
    assert np.abs(np.diff(cleaned(rig, "IN_PLACE")[:, [0, 2]], axis=0)).max() < 1e-5
    actions.apply_motion(rig, WALK, scene=bpy.context.scene, start_frame=1)
    assert np.abs(cleaned(rig, "MIRROR") - mirror_motion135(WALK.data)).max() < 1e-4
    actions.apply_motion(rig, WALK, scene=bpy.context.scene, start_frame=1)
    turned = cleaned(rig, "GROUND", angle=np.pi / 2)
    assert turned[-1, 0] > 1.0 and abs(turned[-1, 2]) < 0.05


def test_trim_speed_and_loop_change_the_length(rig) -> None:
    assert len(cleaned(rig, "TRIM", first=11, last=40)) == 30
    assert reading.frames_of(rig) == (11, 40)
    actions.apply_motion(rig, WALK, scene=bpy.context.scene, start_frame=1)
    assert len(cleaned(rig, "SPEED", factor=2.0)) == 45
    actions.apply_motion(rig, WALK, scene=bpy.context.scene, start_frame=1)
    assert len(cleaned(rig, "LOOP", blend=0.3)) < 90


def test_fewer_keys_stay_within_the_error(rig) -> None:
    scene = bpy.context.scene
    want = motion135.joints(WALK.data.astype(np.float64))
    before = sum(len(c.keyframe_points) for c in compat.active_curves(rig))
    assert bpy.ops.kinetype.clean_up(tool="REDUCE", millimetres=3.0) == {"FINISHED"}
    after = sum(len(c.keyframe_points) for c in compat.active_curves(rig))
    assert after < 0.6 * before
    found = motion135.joints(reading.read_performance(rig, scene).motion.data.astype(np.float64))
    assert np.linalg.norm(found - want, axis=-1).max() < 0.0031


def test_root_motion_goes_to_a_root_bone(rig) -> None:
    scene = bpy.context.scene

    def shown(frame: int) -> np.ndarray:
        scene.frame_set(frame)
        posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
        return np.array([posed[name].head for name in ("head", "left_foot", "right_wrist")])

    want = [shown(frame) for frame in (1, 40, 90)]
    assert bpy.ops.kinetype.clean_up(tool="ROOT") == {"FINISHED"}
    found = [shown(frame) for frame in (1, 40, 90)]
    assert np.abs(np.array(found) - want).max() < 1e-4
    curves = {c.data_path: c for c in compat.active_curves(rig)}
    assert 'pose.bones["root"].location' in curves
    scene.frame_set(90)
    root = rig.pose.bones["root"]
    assert abs(root.head.y) > 1.0 and abs(root.head.z) < 1e-4


def test_fingers_keep_their_keys(rig) -> None:
    bpy.ops.object.mode_set(mode="EDIT")
    finger = rig.data.edit_bones.new("finger")
    finger.head, finger.tail = (0.8, 0, 1.4), (0.9, 0, 1.4)
    finger.parent = rig.data.edit_bones["left_wrist"]
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.pose.bones["finger"].rotation_quaternion = (0.8, 0.6, 0.0, 0.0)
    rig.pose.bones["finger"].keyframe_insert("rotation_quaternion", frame=5)
    cleaned(rig, "SMOOTH")
    paths = [c.data_path for c in compat.active_curves(rig)]
    assert paths.count('pose.bones["finger"].rotation_quaternion') == 4
    curve = next(c for c in compat.active_curves(rig) if "finger" in c.data_path)
    assert curve.evaluate(5) == pytest.approx(0.8)
