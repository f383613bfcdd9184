"""A .blend may be a stranger's: what its takes say is input, not truth."""

from __future__ import annotations

import json

import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import takes  # noqa: E402
from blender_addon.jobs import board  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from tests.blender import synthetic  # noqa: E402

EVIL = r"\\evil\share\model"


@pytest.fixture
def take(addon) -> bpy.types.Action:
    bpy.ops.kinetype.add_mannequin()
    character = addon.settings().character
    actions.apply_motion(character, synthetic.walk(0.5), scene=bpy.context.scene)
    addon.settings().take_index = list(bpy.data.actions).index(takes.all_takes()[0])
    return takes.all_takes()[0]


def say(take: bpy.types.Action, **values: object) -> None:
    take[actions.PARAMS_KEY] = json.dumps({"prompt": "walk", "seed": 1, **values})


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        '{"prompt": "' + "x" * actions.MAX_PARAMS + '"}',
        "[" * 500 + "]" * 500,
        "{",
    ],
)
def test_what_cannot_be_read_is_a_take_that_says_nothing(take: bpy.types.Action, text: str) -> None:
    take[actions.PARAMS_KEY] = text
    assert takes.info_of(take) is None and takes.summary(take) == ""
    with pytest.raises(RuntimeError, match="does not say what it was made from"):
        bpy.ops.kinetype.take_recall(take=take.name)


def test_deep_notes_and_halves_of_characters_are_left_out(take: bpy.types.Action) -> None:
    deep: dict[str, object] = {}
    for _ in range(900):
        deep = {"a": deep}
    say(take, scores=deep)
    info = takes.info_of(take)
    assert info is not None and info.prompt == "" and "too many to keep" in takes.summary(take)
    say(take, prompt="a\ud800b")  # JSON keeps it as six letters, so it comes through the property
    info = takes.info_of(take)
    assert info is not None and info.prompt == "a?b"


@pytest.mark.parametrize("where", ["request", "model"])
def test_a_model_that_only_the_file_names_is_asked_about(
    addon, take: bpy.types.Action, where: str
) -> None:
    request = {"prompt": "walk", "seconds": 1.0, "seed": 1, "model": EVIL}
    say(take, **({"request": request} if where == "request" else {"model": EVIL}))
    addon.settings().custom_model = ""
    for again in (bpy.ops.kinetype.take_regenerate, bpy.ops.kinetype.take_recall):
        with pytest.raises(RuntimeError, match="which is in no list"):
            again(take=take.name)
    assert not board.jobs and addon.settings().custom_model == ""
    bpy.ops.kinetype.take_recall(take=take.name, trusted=True)
    assert addon.settings().custom_model == EVIL


def test_a_listed_model_needs_no_question(addon, take: bpy.types.Action) -> None:
    say(take, model="starter")
    bpy.ops.kinetype.take_recall(take=take.name)
    assert addon.settings().model == "starter" and addon.settings().custom_model == ""
