"""Which armature, which scene and which moment a result is put into."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import placement  # noqa: E402
from blender_addon.core.errors import ArmatureError  # noqa: E402

from .pressing import UNTIL, generate  # noqa: E402
from .test_pump import armatures, start  # noqa: E402


def robot() -> bpy.types.Object:
    """An armature that cannot take a motion, selected and active."""
    found = bpy.data.objects.new("Robot", bpy.data.armatures.new("Robot"))
    bpy.context.scene.collection.objects.link(found)
    found.select_set(True)
    bpy.context.view_layer.objects.active = found
    return found


def incomplete() -> bpy.types.Object:
    """A character without its left shin, selected and active."""
    bpy.ops.kinetype.add_mannequin()
    found = bpy.context.active_object
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in ("left_knee", "left_ankle", "left_foot"):
        found.data.edit_bones.remove(found.data.edit_bones[bone])
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.scene.kinetype.character = None
    return found


def test_a_selected_prop_does_not_stand_in_the_way(addon, fake_backend) -> None:
    """The motion goes to the character, else to a new one; the prop stays selected."""
    prop = robot()
    assert placement.find_target(bpy.context) is None
    generate()
    character = addon.settings().character
    assert prop.animation_data is None and character != prop
    assert bpy.context.selected_objects == [prop]
    assert placement.find_target(bpy.context) == character


def test_what_is_selected_comes_before_the_character_of_the_field(addon, fake_backend) -> None:
    bpy.ops.kinetype.add_mannequin()
    first = addon.settings().character
    bpy.ops.kinetype.add_mannequin()
    for thing in (first, addon.settings().character):
        bpy.ops.object.select_all(action="DESELECT")
        thing.select_set(True)
        bpy.context.view_layer.objects.active = thing
        assert placement.find_target(bpy.context) == thing


def test_a_new_mannequin_is_used_once(addon, fake_backend) -> None:
    """The button makes one, beside what is there; the next motions go to it."""
    incomplete()
    assert bpy.ops.kinetype.use_new_mannequin() == {"FINISHED"}
    made = addon.settings().character
    assert addon.settings().target == "AUTO"
    generate()
    generate()
    assert addon.settings().character == made and len(armatures()) == 2


def test_new_mannequins_stand_beside_what_is_there(addon, fake_backend) -> None:
    bpy.ops.mesh.primitive_cube_add(size=2.0)
    bpy.ops.mesh.primitive_plane_add(size=40.0)
    addon.settings().target = "NEW"
    for _ in range(3):
        generate()
    places = sorted(round(thing.location.x) for thing in armatures())
    assert len(set(places)) == 3 and min(map(abs, places)) >= 2
    assert min(b - a for a, b in pairwise(places)) >= 1
    assert all(tuple(thing.location[1:]) == (0.0, 0.0) for thing in armatures())


@pytest.mark.parametrize(
    ("things", "place"),
    [
        ([], 0.0),
        ([((0, 0, 0), (1, 1, 1))], 2.0),
        ([((0, 0, 0), (40, 40, 3))], 0.0),  # a room, in which it stands
        ([((0, 0, 0), (3, 3, 0.01))], 0.0),  # a carpet
        ([((0, 0, 5), (1, 1, 1))], 0.0),  # above its head
        ([((0, 0, 0), (1, 1, 1)), ((2, 0, 0), (0.5, 0.5, 1))], -2.0),
    ],
)
def test_where_there_is_room(addon, things: list, place: float) -> None:
    from blender_addon.scene import room

    for where, size in things:
        bpy.ops.mesh.primitive_cube_add(size=2.0, location=where, scale=size)
    assert tuple(room.free_place(bpy.context.scene, 1.0)) == (place, 0.0, 0.0)


def test_deselecting_an_incomplete_character_is_enough(addon, fake_backend) -> None:
    """As the message says: Blender leaves it active."""
    foreign = incomplete()
    with pytest.raises(ArmatureError, match="deselect"):
        placement.find_target(bpy.context)
    bpy.ops.object.select_all(action="DESELECT")
    assert bpy.context.view_layer.objects.active == foreign
    generate()
    assert foreign.animation_data is None and len(armatures()) == 2


def test_an_added_mannequin_receives_the_next_motion(addon, fake_backend) -> None:
    """As its tooltip says, whatever was active and whatever the target said before."""
    robot()
    for target in ("AUTO", "NEW", "AUTO"):
        addon.settings().target = target
        assert bpy.ops.kinetype.add_mannequin() == {"FINISHED"}
        added = addon.settings().character
        assert bpy.context.selected_objects == [added]
        assert bpy.context.view_layer.objects.active == added
        generate()
        assert added.animation_data.action is not None
    assert len(armatures()) == 4


def test_a_mannequin_is_added_in_object_mode_only(addon) -> None:
    bpy.ops.kinetype.add_mannequin()
    bpy.ops.object.mode_set(mode="POSE")
    with pytest.raises(RuntimeError, match="Object Mode"):
        bpy.ops.kinetype.add_mannequin()


def test_a_target_deleted_while_another_scene_is_open(addon, fake_backend, until: UNTIL) -> None:
    """The mannequin that takes its place belongs to the scene of the target."""
    bpy.ops.kinetype.add_mannequin()
    first, old = bpy.context.scene, addon.settings().character
    start(addon, until)
    for thing in [*old.children, old]:
        bpy.data.objects.remove(thing)
    second = bpy.data.scenes.new("Second")
    bpy.context.window.scene = second
    until(lambda: bool(addon.board.finished))
    assert first.name in addon.board.finished[0].reason
    assert not armatures()
    bpy.context.window.scene = first
    until(lambda: not addon.board.busy)
    assert [thing.users_scene for thing in armatures()] == [(first,)]


def test_a_target_in_another_scene_is_not_called_hidden(addon, fake_backend, until: UNTIL) -> None:
    bpy.ops.kinetype.add_mannequin()
    old = addon.settings().character
    start(addon, until)
    bpy.context.window.scene = bpy.data.scenes.new("Second")
    until(lambda: not addon.board.busy)
    assert old.animation_data.action is not None
    assert addon.board.warnings == ()


def test_the_window_that_shows_the_scene_is_taken(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two windows open a timer knows neither; Blender as a module can open only one."""
    first, second = bpy.context.scene, bpy.data.scenes.new("Second")
    windows = [SimpleNamespace(scene=first), SimpleNamespace(scene=second)]
    chosen = []
    context = SimpleNamespace(
        window=None,
        window_manager=SimpleNamespace(windows=windows),
        temp_override=lambda window: chosen.append(window),
    )
    monkeypatch.setattr(addon.pump, "bpy", SimpleNamespace(context=context))
    for uid, window in ((second.session_uid, 1), (first.session_uid, 0), (-1, 0)):
        addon.pump._window_context(SimpleNamespace(scene=uid))
        assert chosen.pop() is windows[window]


@pytest.mark.parametrize(
    ("name", "steps", "moves"),
    [
        ("TRANSFORM_OT_translate", (), True),
        ("OBJECT_OT_duplicate_move", ("OBJECT_OT_duplicate", "TRANSFORM_OT_translate"), True),
        ("POSE_OT_relax", (), True),
        ("VIEW3D_OT_rotate", (), False),
        ("SCREENCAST_OT_keys", (), False),
    ],
)
def test_what_moves_things_under_the_mouse(name: str, steps: tuple[str, ...], moves: bool) -> None:
    """Only a Blender with windows runs them; its modal operators look like this."""
    macros = [SimpleNamespace(bl_idname=step) for step in steps]
    assert placement._is_transform(SimpleNamespace(bl_idname=name, macros=macros)) is moves


def test_a_seed_that_will_be_drawn_is_no_obstacle(addon, fake_backend) -> None:
    addon.settings().seed, addon.settings().samples = 2**31 - 1, 2
    assert bpy.ops.kinetype.generate.poll()
    generate()
    addon.settings().seed, addon.settings().lock_seed = 2**31 - 1, True
    assert not bpy.ops.kinetype.generate.poll()
