"""The list of takes: what is highlighted stays so, and no take lands where it does not fit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import takes  # noqa: E402
from blender_addon.operators.takes import highlighted  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from tests.blender import synthetic  # noqa: E402


@pytest.fixture
def rig(addon) -> bpy.types.Object:
    """A mannequin with three takes, of which the last is active."""
    bpy.ops.kinetype.add_mannequin()
    character = addon.settings().character
    for _ in range(3):
        actions.apply_motion(character, synthetic.walk(0.5), scene=bpy.context.scene)
    return character


def choose(addon, action: bpy.types.Action) -> None:
    """A click in the list."""
    addon.settings().take_index = list(bpy.data.actions).index(action)
    assert highlighted(bpy.context) == action


def test_the_highlight_stays_on_its_take(addon, rig: bpy.types.Object) -> None:
    """Blender sorts Actions by name, so their numbers change; Delete must not hit another one."""
    first, second, third = takes.all_takes()
    choose(addon, first)
    first.name = "Walk, the good one"
    assert highlighted(bpy.context) == first
    assert bpy.data.actions[addon.settings().take_index] == first
    bpy.data.actions.new("A user's own")
    bpy.data.actions.remove(second)
    assert highlighted(bpy.context) == first
    assert bpy.ops.kinetype.take_delete() == {"FINISHED"}
    assert takes.all_takes() == [third]


def test_the_highlight_survives_undo_and_saving(
    addon, rig: bpy.types.Object, tmp_path: Path
) -> None:
    choose(addon, takes.all_takes()[1])
    name = takes.all_takes()[1].name
    bpy.ops.ed.undo_push(message="chosen")
    addon.settings().prompt = "something"
    bpy.ops.ed.undo_push(message="typed")
    bpy.ops.ed.undo()
    assert highlighted(bpy.context).name == name
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, check_existing=False)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert highlighted(bpy.context).name == name


def test_after_a_deletion_the_next_take_is_highlighted(addon, rig: bpy.types.Object) -> None:
    first, second, third = takes.all_takes()
    choose(addon, second)
    bpy.ops.kinetype.take_delete()
    assert highlighted(bpy.context) == third
    bpy.ops.kinetype.take_delete()
    assert highlighted(bpy.context) == first
    bpy.ops.kinetype.take_delete()
    assert highlighted(bpy.context) is None and addon.settings().take_index == -1
    addon.settings().take_index = 99
    assert highlighted(bpy.context) is None


def test_a_take_that_the_nla_plays_is_not_deleted(addon, rig: bpy.types.Object) -> None:
    """Its strip would stay behind, empty."""
    take = takes.all_takes()[0]
    track = rig.animation_data.nla_tracks.new()
    strip = track.strips.new("Walk", 1, take)
    assert takes.nla_player(take) == rig
    assert takes.nla_player(takes.all_takes()[1]) is None
    with pytest.raises(RuntimeError, match="NLA"):
        bpy.ops.kinetype.take_delete(take=take.name)
    assert strip.action == take
    rig.animation_data.nla_tracks.remove(track)
    assert bpy.ops.kinetype.take_delete(take=take.name) == {"FINISHED"}


def test_a_take_goes_to_the_selected_character(addon, rig: bpy.types.Object) -> None:
    """Also where the next motion is to make a mannequin of its own."""
    bpy.ops.kinetype.add_mannequin()
    other = addon.settings().character
    bpy.context.view_layer.objects.active = rig
    addon.settings().target = "NEW"
    first = takes.all_takes()[0]
    bpy.ops.kinetype.take_assign(take=first.name)
    assert rig.animation_data.action == first and other.animation_data is None


def test_a_take_for_other_bones_is_refused(addon, rig: bpy.types.Object) -> None:
    bpy.ops.kinetype.add_mannequin()
    other = addon.settings().character
    for bone in other.pose.bones:
        bone.rotation_mode = "XYZ"
    name = takes.all_takes()[0].name
    with pytest.raises(RuntimeError, match="other bones or rotation modes"):
        bpy.ops.kinetype.take_assign(take=name)
    with pytest.raises(RuntimeError, match="No take was made"):
        bpy.ops.kinetype.take_step()
    assert other.animation_data is None
    mine = actions.apply_motion(other, synthetic.walk(0.5), scene=bpy.context.scene)
    for _ in range(2):  # stepping leaves the takes of the first character out
        bpy.ops.kinetype.take_step()
        assert other.animation_data.action == mine


@pytest.mark.parametrize("target", ["AUTO", "NEW"])
def test_a_character_in_tweak_mode_says_so(addon, rig: bpy.types.Object, target: str) -> None:
    addon.settings().target = target
    data = rig.animation_data
    take, data.action = data.action, None
    track = data.nla_tracks.new()
    strip = track.strips.new("Walk", 1, take)
    track.select = strip.select = True
    data.use_tweak_mode = True
    with pytest.raises(RuntimeError, match="tweak mode"):
        bpy.ops.kinetype.take_assign(take=take.name)
    data.use_tweak_mode = False


def test_made_again_starts_where_its_keys_do(addon, fake_backend, rig: bpy.types.Object) -> None:
    """Not where a frame range set by hand does."""
    take = actions.apply_motion(rig, synthetic.walk(0.5), scene=bpy.context.scene, start_frame=40)
    take.use_frame_range, take.frame_start = True, 55
    bpy.ops.kinetype.take_regenerate(take=take.name, trusted=True)
    (job,) = addon.board.jobs.values()
    assert job.placement.start_frame == 40


def test_strips_inside_a_meta_strip_count(rig: bpy.types.Object) -> None:
    """Scripts cannot make one, so these are shaped like them."""
    first, second, _ = takes.all_takes()
    inner = SimpleNamespace(action=first, strips=())
    outer = SimpleNamespace(action=None, strips=[inner])
    assert takes._plays([outer], first) and not takes._plays([outer], second)
