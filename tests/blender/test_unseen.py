"""A take that a person does not see as it was made is explained."""

from __future__ import annotations

import pytest

bpy = pytest.importorskip("bpy")

from .pressing import UNTIL  # noqa: E402
from .test_pump import start  # noqa: E402


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ("rest", "rest position"),
        ("solo", "solo NLA"),
        ("hidden", "is hidden"),
        ("excluded", "is hidden"),
        ("constraint", "left_ankle"),
        ("driver", "Drivers"),
        ("influence", "Influence"),
        ("moved", "left_hip, right_wrist"),
    ],
)
def test_a_take_that_cannot_be_seen_is_explained(
    addon, fake_backend, until: UNTIL, how: str, word: str
) -> None:
    bpy.ops.kinetype.add_mannequin()
    character = addon.settings().character
    if how == "rest":
        character.data.pose_position = "REST"
    elif how == "solo":
        character.animation_data_create().nla_tracks.new().is_solo = True
    elif how == "constraint":
        character.pose.bones["left_ankle"].constraints.new("IK")
    elif how == "driver":
        character.pose.bones["left_ankle"].driver_add("rotation_quaternion", 1)
    elif how == "moved":
        character.pose.bones["left_hip"].location = (0.0, 0.1, 0.0)
        character.pose.bones["right_wrist"].scale = (1.0, 2.0, 1.0)
        character.pose.bones["pelvis"].location = (0.0, 0.1, 0.0)  # takes key this one
    elif how == "influence":
        character.animation_data_create().nla_tracks.new()
        character.animation_data.action_influence = 0.5
    elif how == "excluded":
        mine = bpy.data.collections.new("Mine")
        bpy.context.scene.collection.children.link(mine)
        for thing in (character, *character.children):
            bpy.context.scene.collection.objects.unlink(thing)
            mine.objects.link(thing)
        bpy.context.view_layer.layer_collection.children["Mine"].exclude = True
    else:
        for thing in (character, *character.children):
            thing.hide_set(True)
    start(addon, until, steps=3)
    until(lambda: not addon.board.busy)
    assert any(word in text and character.name in text for text in addon.board.warnings)
    assert "1 take on" in addon.board.message


def test_a_hidden_rig_under_a_shown_body_is_no_reason_to_worry(
    addon, fake_backend, until: UNTIL
) -> None:
    bpy.ops.kinetype.add_mannequin()
    addon.settings().character.hide_set(True)
    start(addon, until, steps=3)
    until(lambda: not addon.board.busy)
    assert addon.board.warnings == ()
