"""Which armature, which scene and which moment a result is put into."""

from __future__ import annotations

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


def test_deselecting_a_foreign_armature_is_enough(addon, fake_backend) -> None:
    """As the message says: Blender leaves it active."""
    foreign = robot()
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
