"""Rigs as people have them: other parents, no inherited rotation, no pose yet, overrides, units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import placement  # noqa: E402
from blender_addon.backend_access import JOINT_NAMES  # noqa: E402
from blender_addon.core.errors import ArmatureError  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import compat  # noqa: E402
from blender_addon.scene.character import create_character  # noqa: E402
from tests.blender import synthetic  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_file")
MOTION = synthetic.random_motion(20)


def armature() -> bpy.types.Object:
    return armatures.create_armature(bpy.context)


def perform(rig: bpy.types.Object, frame: int = 15) -> np.ndarray:
    """``[22, 2, 3]`` head and tail of every bone at a frame of the motion, as Blender shows it."""
    scene = bpy.context.scene
    actions.apply_motion(rig, MOTION, scene=scene, start_frame=1)
    scene.frame_set(frame - 1)
    scene.frame_set(frame)
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
    bones = [posed[name] for name in armatures.find_bones(rig).values()]
    return np.array([[bone.head, bone.tail] for bone in bones])


def edit(rig: bpy.types.Object, **parents: str | None) -> None:
    """Give bones other parents (None: none)."""
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for bone, parent in parents.items():
        rig.data.edit_bones[bone].use_connect = False
        rig.data.edit_bones[bone].parent = parent and rig.data.edit_bones[parent]
    bpy.ops.object.mode_set(mode="OBJECT")


@pytest.mark.parametrize(
    "bones", [["head"], ["left_shoulder", "right_shoulder"], ["pelvis"], list(JOINT_NAMES)]
)
def test_bones_that_do_not_inherit_rotation(bones: list[str]) -> None:
    rig = armature()
    want = perform(rig)
    for bone in bones:
        rig.data.bones[bone].use_inherit_rotation = False
    assert np.abs(perform(rig) - want).max() < 1e-5


def test_a_helper_bone_that_does_not_inherit_rotation() -> None:
    """What hangs on it is turned by nothing above it."""
    rig = armature()
    want = perform(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bones = rig.data.edit_bones
    helper = bones.new("isolate")
    helper.head, helper.tail = bones["head"].head, bones["head"].tail
    helper.parent, helper.use_inherit_rotation = bones["neck"], False
    bones["head"].use_connect = False
    bones["head"].parent = helper
    bpy.ops.object.mode_set(mode="OBJECT")
    assert np.abs(perform(rig) - want).max() < 1e-5


def test_a_bone_that_hangs_further_up_points_where_it_should() -> None:
    """Some rigs skip a joint: collars on the middle of the spine, legs on a root bone's child."""
    rig = armature()
    want = perform(rig)
    edit(rig, left_collar="spine2")
    arm = [JOINT_NAMES.index(f"left_{part}") for part in ("collar", "shoulder", "elbow")]
    found = perform(rig)
    assert np.abs(np.diff(found[arm], axis=1) - np.diff(want[arm], axis=1)).max() < 1e-5


def test_a_bone_that_hangs_on_nothing_is_put_where_it_belongs() -> None:
    """Feet that IK moves hang on the root of many rigs."""
    rig = armature()
    want = perform(rig)
    edit(rig, left_ankle=None, right_elbow=None)
    assert np.abs(perform(rig) - want).max() < 1e-5


@pytest.mark.parametrize(
    ("bone", "parent", "words"),
    [("left_elbow", "right_shoulder", "stay behind"), ("left_elbow", "head", "stay behind")],
)
def test_bones_that_hang_elsewhere_are_refused(bone: str, parent: str | None, words: str) -> None:
    rig = armature()
    edit(rig, **{bone: parent})
    with pytest.raises(ArmatureError, match=words) as problem:
        actions.apply_motion(rig, MOTION, scene=bpy.context.scene)
    assert bone in problem.value.message
    assert not bpy.data.actions and rig.animation_data is None


def test_an_armature_object_that_a_script_has_just_made() -> None:
    """Blender gives it a pose at the next redraw only."""
    rig = bpy.data.objects.new("Rig", armature().data)
    bpy.context.scene.collection.objects.link(rig)
    assert rig.pose is None
    want = perform(rig)
    assert np.isfinite(want).all() and np.ptp(want) > 0.5


@pytest.mark.parametrize(
    ("system", "scale", "height"),
    [("METRIC", 1.0, 1.7), ("METRIC", 0.01, 170.0), ("IMPERIAL", 0.1, 17.0), ("NONE", 0.01, 1.7)],
)
def test_a_mannequin_is_as_tall_as_a_person(system: str, scale: float, height: float) -> None:
    units = bpy.context.scene.unit_settings
    units.system, units.scale_length = system, scale
    rig = create_character(bpy.context)
    bpy.context.view_layer.update()
    (body,) = rig.children
    assert body.dimensions.z == pytest.approx(height, rel=0.06)
    feet = min((body.matrix_world @ vertex.co).z for vertex in body.data.vertices)
    assert abs(feet) < 0.02 * height
    factor = 1.0 if system == "NONE" else 1.0 / scale
    metres = perform(rig) / factor
    units.system, units.scale_length = "METRIC", 1.0
    assert np.abs(metres - perform(armature())).max() < 1e-4


def test_an_override_keeps_its_take_through_saving(addon, tmp_path: Path) -> None:
    rig = armature()
    compat.new_action("Of the library", rig, assign=True)
    name, library = rig.name, str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=library, check_existing=False)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(library, link=True) as (_, wanted):
        wanted.objects = [name]
    linked = wanted.objects[0]
    bpy.context.scene.collection.objects.link(linked)
    mine = linked.override_create(remap_local_usages=True)
    bpy.context.view_layer.objects.active = mine
    assert placement.find_target(bpy.context) == mine
    want = perform(mine)
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, check_existing=False)
    bpy.ops.wm.open_mainfile(filepath=path)
    (mine,) = (thing for thing in bpy.context.scene.objects if thing.type == "ARMATURE")
    assert mine.override_library is not None
    assert mine.animation_data.action.name == "Kinetype: random joints"
    bpy.context.scene.frame_set(14)
    bpy.context.scene.frame_set(15)
    shown = np.array([[b.head, b.tail] for b in map(mine.pose.bones.get, JOINT_NAMES)])
    assert np.abs(shown - want).max() < 1e-5


def test_a_linked_collection_is_refused_and_its_override_takes_the_motion(
    addon, tmp_path: Path
) -> None:
    """As pipelines bring characters: the collection of a library, then overridden as a whole."""
    collection = bpy.data.collections.new("Character")
    bpy.context.scene.collection.children.link(collection)
    for thing in armature().users_collection[0].objects[:]:
        collection.objects.link(thing)
    library = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=library, check_existing=False)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(library, link=True) as (_, wanted):
        wanted.collections = ["Character"]
    scene, linked = bpy.context.scene, wanted.collections[0]
    scene.collection.children.link(linked)
    (rig,) = (thing for thing in linked.all_objects if thing.type == "ARMATURE")
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    with pytest.raises(ArmatureError, match="library override"):
        placement.find_target(bpy.context)
    made = linked.override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
    (mine,) = (thing for thing in made.all_objects if thing.type == "ARMATURE")
    scene.collection.children.unlink(linked)
    bpy.context.view_layer.objects.active = mine
    mine.select_set(True)
    assert placement.find_target(bpy.context) == mine
    want = perform(mine)
    assert mine.animation_data.action.library is None and mine.data.library is not None
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, check_existing=False)
    bpy.ops.wm.open_mainfile(filepath=path)
    rigs = [t for t in bpy.context.scene.objects if t.type == "ARMATURE" and t.override_library]
    (mine,) = rigs
    assert mine.animation_data.action.name == "Kinetype: random joints"
    bpy.context.scene.frame_set(14)
    bpy.context.scene.frame_set(15)
    shown = np.array([[b.head, b.tail] for b in map(mine.pose.bones.get, JOINT_NAMES)])
    assert np.abs(shown - want).max() < 1e-5


def test_a_scale_that_the_action_keys_itself_is_no_left_over() -> None:
    rig = armature()
    actions.apply_motion(rig, MOTION, scene=bpy.context.scene, start_frame=1)
    hip = rig.pose.bones["left_hip"]
    hip.scale = (1.0, 1.5, 1.0)
    assert "left_hip" in armatures.why_unseen(rig)
    hip.keyframe_insert("scale", frame=1)
    assert armatures.why_unseen(rig) == ""


def test_a_slot_of_another_kind_is_passed_over() -> None:
    """Since 4.4 one Action can animate a camera and, in another slot, an armature."""
    if not compat.SLOTTED:
        pytest.skip("Actions of this Blender have no slots")
    rig = armature()
    take = actions.apply_motion(rig, MOTION, scene=bpy.context.scene)
    rig.animation_data.action = None
    rig.name = "Renamed"
    take.slots.new(id_type="CAMERA", name=rig.name)
    compat.assign_action(rig, take)
    assert rig.animation_data.action_slot.target_id_type == "OBJECT"
