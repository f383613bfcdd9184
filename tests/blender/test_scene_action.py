"""Keyframes in Blender: evaluated bones equal forward kinematics, and nothing else changes."""

from __future__ import annotations

import json

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from mathutils import Matrix  # noqa: E402

from backend.errors import FormatError  # noqa: E402
from backend.motion import rotations, skeleton  # noqa: E402
from backend.motion.retarget import smpl_to_blender, unpack  # noqa: E402
from backend.wire.messages import Motion  # noqa: E402
from backend.wire.skeleton import JOINT_NAMES  # noqa: E402
from blender_addon.core.errors import ArmatureError  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import compat  # noqa: E402
from tests.blender import synthetic  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_file")
TOLERANCE = 1e-4  # metres


@pytest.fixture
def scene(empty_file: None) -> bpy.types.Scene:
    bpy.context.scene.render.fps = 30
    return bpy.context.scene


@pytest.fixture
def armature(empty_file: None) -> bpy.types.Object:
    return armatures.create_armature(bpy.context)


def oracle(motion: Motion) -> np.ndarray:
    """``[T, 22, 3]`` joints in Blender's axes by the backend's forward kinematics."""
    root, _ = unpack(motion.data)
    rot6d = motion.data[:, 3:].reshape(len(root), 22, 6).astype(np.float64)
    local = rotations.rot6d_interleaved_to_matrix(rot6d)
    return smpl_to_blender(skeleton.forward_kinematics(local, root))


def shown(armature: bpy.types.Object, frame: float) -> np.ndarray:
    """``[22, 3]`` bone heads in the world, as Blender evaluates them at a frame."""
    scene = bpy.context.scene
    scene.frame_set(int(frame), subframe=frame % 1)
    bones = armatures.find_bones(armature)
    posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array([armature.matrix_world @ posed.pose.bones[bones[j]].head for j in JOINT_NAMES])


def worst(armature: bpy.types.Object, want: np.ndarray, start: int = 1) -> float:
    return max(np.abs(shown(armature, start + i) - joints).max() for i, joints in enumerate(want))


def values(action: bpy.types.Action, path: str) -> np.ndarray:
    """``[T, C]`` keyed values of one channel group."""
    curves = sorted(
        (c for c in compat.fcurves_of(action) if c.data_path == path), key=lambda c: c.array_index
    )
    columns = []
    for curve in curves:
        flat = np.empty(2 * len(curve.keyframe_points), np.float32)
        curve.keyframe_points.foreach_get("co", flat)
        columns.append(flat[1::2])
    return np.stack(columns, -1)


@pytest.mark.parametrize("motion", [synthetic.random_motion(40), synthetic.walk(1.5)])
def test_bones_are_where_forward_kinematics_puts_them(
    scene: bpy.types.Scene, armature: bpy.types.Object, motion: Motion
) -> None:
    actions.apply_motion(armature, motion, scene=scene, start_frame=1)
    assert worst(armature, oracle(motion)) < TOLERANCE


def test_a_y_up_armature_under_a_rotated_object(
    scene: bpy.types.Scene, armature: bpy.types.Object
) -> None:
    quarter = Matrix.Rotation(np.pi / 2, 4, "X")
    armature.data.transform(quarter.inverted())
    armature.matrix_world = quarter
    motion = synthetic.random_motion(20)
    actions.apply_motion(armature, motion, scene=scene, start_frame=1)
    assert worst(armature, oracle(motion)) < TOLERANCE


def test_an_armature_in_centimetres(scene: bpy.types.Scene, armature: bpy.types.Object) -> None:
    armature.data.transform(Matrix.Scale(100, 4))
    armature.scale = (0.01, 0.01, 0.01)
    bpy.context.view_layer.update()
    motion = synthetic.random_motion(20)
    actions.apply_motion(armature, motion, scene=scene, start_frame=1)
    assert worst(armature, oracle(motion)) < TOLERANCE


def test_bones_between_pelvis_and_object_do_not_matter(
    scene: bpy.types.Scene, armature: bpy.types.Object
) -> None:
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    root = armature.data.edit_bones.new("root")
    root.head, root.tail = (0, 0, 0), (0, 0.3, 0.1)
    armature.data.edit_bones["pelvis"].parent = root
    bpy.ops.object.mode_set(mode="OBJECT")
    motion = synthetic.random_motion(20)
    actions.apply_motion(armature, motion, scene=scene, start_frame=1)
    assert worst(armature, oracle(motion)) < TOLERANCE


@pytest.mark.parametrize("local", [True, False])
def test_pelvis_location_along_its_own_axes_or_not(
    scene: bpy.types.Scene, armature: bpy.types.Object, local: bool
) -> None:
    armature.data.bones["pelvis"].use_local_location = local
    motion = synthetic.random_motion(20)
    actions.apply_motion(armature, motion, scene=scene, start_frame=1)
    assert worst(armature, oracle(motion)) < TOLERANCE


@pytest.mark.parametrize("mode", ["XYZ", "ZYX", "YZX", "AXIS_ANGLE"])
def test_other_rotation_modes_are_kept_and_keyed(
    scene: bpy.types.Scene, armature: bpy.types.Object, mode: str
) -> None:
    for bone in armature.pose.bones:
        bone.rotation_mode = mode
    motion = synthetic.random_motion(40)
    action = actions.apply_motion(armature, motion, scene=scene, start_frame=1)
    assert {bone.rotation_mode for bone in armature.pose.bones} == {mode}
    assert worst(armature, oracle(motion)) < TOLERANCE
    channel = "rotation_axis_angle" if mode == "AXIS_ANGLE" else "rotation_euler"
    keyed = values(action, f'pose.bones["pelvis"].{channel}')
    assert np.abs(np.diff(keyed, axis=0)).max() < 2.5  # no jump by a whole turn


@pytest.mark.parametrize(("fps", "base"), [(24, 1.0), (24, 1.001), (60, 1.0), (30, 1.001)])
def test_any_scene_rate_shows_the_motion_at_its_time(
    scene: bpy.types.Scene, armature: bpy.types.Object, fps: int, base: float
) -> None:
    scene.render.fps, scene.render.fps_base = fps, base
    motion = synthetic.walk(2.0)
    action = actions.apply_motion(armature, motion, scene=scene, start_frame=10)
    want = oracle(motion)
    rate = fps / base
    last = action.frame_range[1]
    assert abs((last - 10) / rate - (len(want) - 1) / 30) <= 0.5 / rate + 1e-6
    for key in range(0, int(last) - 9, 7):
        source = min(key / rate * 30, len(want) - 1)
        before, after = int(np.floor(source)), int(np.ceil(source))
        blend = want[before] + (source - before) * (want[after] - want[before])
        # between two source poses limbs move on arcs, a little off the chord
        assert np.abs(shown(armature, 10 + key) - blend).max() < 2e-3


def test_quaternions_do_not_flip(scene: bpy.types.Scene, armature: bpy.types.Object) -> None:
    action = actions.apply_motion(armature, synthetic.random_motion(80), scene=scene, start_frame=1)
    for name in JOINT_NAMES:
        keyed = values(action, f'pose.bones["{name}"].rotation_quaternion')
        assert (np.einsum("ti,ti->t", keyed[1:], keyed[:-1]) > 0).all()


def test_keys_are_linear_and_grouped_by_bone(
    scene: bpy.types.Scene, armature: bpy.types.Object
) -> None:
    action = actions.apply_motion(armature, synthetic.walk(1.0), scene=scene, start_frame=5)
    curves = compat.fcurves_of(action)
    assert len(curves) == 22 * 4 + 3
    assert {curve.group.name for curve in curves} == set(JOINT_NAMES)
    points = curves[0].keyframe_points
    assert [p.co[0] for p in points] == list(range(5, 35))
    assert {p.interpolation for p in points} == {"LINEAR"}


def test_nothing_of_the_users_changes(scene: bpy.types.Scene, armature: bpy.types.Object) -> None:
    scene.render.fps, scene.frame_start, scene.frame_end = 24, 3, 77
    scene.frame_set(12)
    other = bpy.data.objects.new("Other", None)
    scene.collection.objects.link(other)
    other.select_set(True)
    bpy.context.view_layer.objects.active = other
    armature.location = (1, 2, 3)
    actions.apply_motion(armature, synthetic.walk(1.0), scene=scene)
    assert (scene.render.fps, scene.frame_start, scene.frame_end) == (24, 3, 77)
    assert scene.frame_current == 12
    assert bpy.context.selected_objects == [other]
    assert bpy.context.view_layer.objects.active == other
    assert tuple(armature.location) == (1, 2, 3)


def test_keys_start_at_the_current_frame(
    scene: bpy.types.Scene, armature: bpy.types.Object
) -> None:
    scene.frame_set(42)
    action = actions.apply_motion(armature, synthetic.walk(1.0), scene=scene)
    assert tuple(action.frame_range) == (42, 71)


def test_each_take_is_its_own_action_and_old_ones_stay(
    scene: bpy.types.Scene, armature: bpy.types.Object
) -> None:
    mine, _ = compat.new_action("Mine", armature, assign=True)
    track = armature.animation_data.nla_tracks.new()
    track.strips.new("strip", 1, mine)
    first = actions.apply_motion(armature, synthetic.walk(1.0), scene=scene, start_frame=1)
    second = actions.apply_motion(armature, synthetic.walk(1.0), scene=scene, start_frame=1)
    assert armature.animation_data.action == second and first != second
    assert mine.use_fake_user and first.use_fake_user and second.use_fake_user
    assert [t.strips[0].action for t in armature.animation_data.nla_tracks] == [mine]
    assert first.name == "Kinetype: a person walks forward"
    assert second.name == "Kinetype: a person walks forward.001"


def test_where_a_take_came_from_survives_saving(
    scene: bpy.types.Scene, armature: bpy.types.Object, tmp_path
) -> None:
    motion = synthetic.walk(1.0)
    name = actions.apply_motion(armature, motion, scene=scene, start_frame=1).name
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, check_existing=False)
    bpy.ops.wm.open_mainfile(filepath=path)
    action = bpy.data.actions[name]
    assert action[actions.PROMPT_KEY] == "a person walks forward"
    assert action[actions.SEED_KEY] == 7 and action[actions.MODEL_KEY] == "synthetic"
    assert json.loads(action[actions.PARAMS_KEY])["params"] == {"steps": 50}
    assert actions.read_description(action) == dict(motion.meta)


def test_a_seed_beyond_32_bits_is_kept(scene: bpy.types.Scene, armature: bpy.types.Object) -> None:
    motion = Motion(synthetic.walk(0.5).data, meta=synthetic.meta(seed=2**31 + 5))
    action = actions.apply_motion(armature, motion, scene=scene, start_frame=1)
    assert int(action[actions.SEED_KEY]) == 2**31 + 5
    described = actions.read_description(action)
    assert described is not None and described["seed"] == 2**31 + 5


@pytest.mark.parametrize("prompt", ["walk " * 60, "歩く" * 60, "", "two\nlines"])
def test_names_fit_and_are_readable(prompt: str) -> None:
    name = actions.action_name({"prompt": prompt})
    assert len(name.encode()) <= 59 and name.startswith("Kinetype: ") and "\n" not in name
    assert bpy.data.actions.new(name).name == name


def test_actions_of_others_have_no_description() -> None:
    action = bpy.data.actions.new("Mine")
    assert actions.read_description(action) is None
    action[actions.PARAMS_KEY] = "{broken"
    assert actions.read_description(action) is None


def test_bone_names_with_quotes_are_keyed(
    scene: bpy.types.Scene, armature: bpy.types.Object
) -> None:
    armature.data.bones["head"].name = 'x":head'
    motion = synthetic.random_motion(10)
    actions.apply_motion(armature, motion, scene=scene, start_frame=1)
    assert worst(armature, oracle(motion)) < TOLERANCE


def test_nla_tweak_mode_is_refused_before_anything_is_made(
    scene: bpy.types.Scene, armature: bpy.types.Object
) -> None:
    action = actions.apply_motion(armature, synthetic.walk(1.0), scene=scene, start_frame=1)
    data = armature.animation_data
    data.action = None
    track = data.nla_tracks.new()
    strip = track.strips.new("strip", 1, action)
    track.select = strip.select = True
    data.use_tweak_mode = True
    with pytest.raises(ArmatureError, match="tweak mode"):
        actions.apply_motion(armature, synthetic.walk(1.0), scene=scene)
    assert list(bpy.data.actions) == [action]
    data.use_tweak_mode = False


def test_bad_input_changes_nothing(scene: bpy.types.Scene, armature: bpy.types.Object) -> None:
    broken = synthetic.walk(1.0)
    broken.data[3, 5] = np.inf
    with pytest.raises(FormatError, match="not finite"):
        actions.apply_motion(armature, broken, scene=scene)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in ("left_knee", "left_ankle", "left_foot"):
        armature.data.edit_bones.remove(armature.data.edit_bones[bone])
    bpy.ops.object.mode_set(mode="OBJECT")
    with pytest.raises(ArmatureError, match="left knee"):
        actions.apply_motion(armature, synthetic.walk(1.0), scene=scene)
    assert len(bpy.data.actions) == 0 and armature.animation_data is None
