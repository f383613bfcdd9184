"""Menus and F3, keys, presets, the history of prompts, and motions from a text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import MethodType, SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import jobs, menus, prompt_history, takes  # noqa: E402
from blender_addon.operators import presets, text_batch  # noqa: E402
from blender_addon.panels import presets_panel  # noqa: E402
from blender_addon.panels.main import KINETYPE_PT_main  # noqa: E402
from tests.blender import drawing  # noqa: E402


def operators_in(draw) -> set[str]:
    return set(re.findall(r"bpy\.ops\.(kinetype\.\w+)", drawing.draw(draw)))


# ---------------------------------------------------------------------------- menus and keys


def test_every_operator_stands_in_a_menu(addon: SimpleNamespace) -> None:
    """F3 lists nothing else."""
    from blender_addon import registration

    found: set[str] = set()
    for cls in menus.CLASSES:
        if issubclass(cls, bpy.types.Menu):
            found |= operators_in(cls.draw)
    for _, draw in menus._ENTRIES:
        found |= operators_in(draw)
    offered = {
        cls.bl_idname
        for cls in registration.CLASSES
        if issubclass(cls, bpy.types.Operator)
        and "INTERNAL" not in getattr(cls, "bl_options", set())
    }
    assert len(offered) > 30 and not offered - found, sorted(offered - found)
    assert {"kinetype.cancel", "kinetype.restart_backend", "kinetype.show_log"} <= found


def test_our_menu_is_in_blenders_own(addon: SimpleNamespace) -> None:
    for menu in ("VIEW3D_MT_object", "VIEW3D_MT_pose"):
        drawn = [f.__name__ for f in getattr(bpy.types, menu)._dyn_ui_initialize()]
        assert "_draw_menu" in drawn
    tree = drawing.draw(menus._draw_menu)
    assert "Kinetype" in drawing.words(tree)
    assert drawing.words(drawing.draw(menus._draw_context_menu)) == "", "nothing is a character"
    bpy.ops.kinetype.add_mannequin()
    assert "Kinetype" in drawing.words(drawing.draw(menus._draw_context_menu))


def test_keys_can_be_assigned_and_none_is_taken(addon: SimpleNamespace) -> None:
    config = bpy.context.window_manager.keyconfigs.addon
    if config is None:
        pytest.skip("this Blender has no key configuration in background mode")
    items = [
        item
        for item in config.keymaps["3D View"].keymap_items
        if item.idname == "kinetype.generate"
        or (item.idname == "wm.call_menu" and item.properties.name == menus.MENU)
    ]
    assert len(items) == 2 and all(item.type == "NONE" for item in items)


# ---------------------------------------------------------------------------- presets


def draw_presets(panel: SimpleNamespace, context: bpy.types.Context) -> None:
    """The list, drawn with what Blender's own drawing reads of a panel."""
    cls = presets_panel.KINETYPE_PT_presets
    names = ("preset_subdir", "preset_operator", "preset_add_operator")
    values = {name: getattr(cls, name) for name in names}
    own = SimpleNamespace(layout=panel.layout, bl_idname=cls.__name__, **values)
    own.path_menu = MethodType(cls.path_menu, own)
    cls.draw(own, context)


def test_a_preset_brings_the_settings_back(addon: SimpleNamespace) -> None:
    settings = addon.settings()
    settings.seconds, settings.quality, settings.speed, settings.loop = 6.5, "DRAFT", 1.5, True
    settings.model, settings.prompt, settings.seed = "mdm", "somebody bows", 7
    assert bpy.ops.kinetype.preset_add(name="Quick look") == {"FINISHED"}
    for name in presets.NAMES:
        settings.property_unset(name)
    settings.prompt = "another one"
    path = bpy.utils.preset_find("Quick_look", presets.FOLDER, ext=".py")
    assert path and Path(path).is_relative_to(bpy.utils.user_resource("SCRIPTS"))
    assert "Quick look" in drawing.words(drawing.draw(draw_presets)).replace("_", " ")
    assert "Keep and use settings" in drawing.draw(KINETYPE_PT_main.draw_header_preset)
    bpy.ops.script.execute_preset(filepath=path, menu_idname="KINETYPE_PT_presets")
    assert (settings.seconds, settings.quality, settings.speed) == (6.5, "DRAFT", 1.5)
    assert settings.loop and settings.model == "mdm"
    assert (settings.prompt, settings.seed) == ("another one", 7), "those are no part of it"
    assert bpy.ops.kinetype.preset_add(name="Quick look", remove_name=True) == {"FINISHED"}
    assert not bpy.utils.preset_find("Quick_look", presets.FOLDER, ext=".py")


# ---------------------------------------------------------------------------- history


@pytest.fixture
def history(addon: SimpleNamespace):
    prompt_history.forget()
    yield
    prompt_history.forget()


@pytest.mark.usefixtures("history")
def test_the_history_is_bounded_and_the_last_prompt_is_first() -> None:
    for number in range(60):
        prompt_history.remember(f" prompt {number} ")
    prompt_history.remember("prompt 30")
    prompt_history.remember("  ")
    found = prompt_history.recent()
    assert len(found) == prompt_history.LIMIT and found[:2] == ["prompt 30", "prompt 59"]
    assert found.count("prompt 30") == 1
    assert json.loads(prompt_history.file().read_text(encoding="utf-8")) == found
    assert [p.name for p in prompt_history.file().parent.glob("*prompts*")] == ["prompts.json"]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("text", ["", "{}", '["a", 3, null, " "]', "[" * 5000, "\xff", "x" * 10**6])
def test_a_history_that_is_not_ours_is_no_history(text: str) -> None:
    prompt_history.file().write_text(text, encoding="latin-1")
    assert prompt_history.recent() == (["a"] if '"a"' in text else [])
    prompt_history.remember("a person waves")
    assert prompt_history.recent()[0] == "a person waves"


@pytest.mark.usefixtures("history")
def test_generate_remembers_and_the_menu_brings_back(addon, fake_backend) -> None:
    assert "None yet" in drawing.words(drawing.draw(menus.KINETYPE_MT_prompts.draw))
    addon.settings().prompt = "a person waves 我"
    assert bpy.ops.kinetype.generate(wait=True, timeout=120.0) == {"FINISHED"}
    addon.settings().prompt = "something else"
    assert "a person waves 我" in drawing.words(drawing.draw(menus.KINETYPE_MT_prompts.draw))
    bpy.ops.kinetype.use_prompt(prompt=prompt_history.recent()[0])
    assert addon.settings().prompt == "a person waves 我"


# ---------------------------------------------------------------------------- texts


def text(name: str, body: str) -> bpy.types.Text:
    found = bpy.data.texts.new(name)
    found.write(body)
    return found


PROMPTS = "# the crowd\na person walks\n\n  a person bows  \na person walks\n"
CSV = 'prompt,seconds,seed,quality,loop\n"walks, then stops",2.5,7,draft,yes\na person bows,,,,\n'
JSON = '[{"prompt": "a person kicks", "speed": 1.5, "cleanup": false, "samples": 2}]'


def test_a_prompt_a_line_with_the_panels_settings(addon: SimpleNamespace) -> None:
    settings = addon.settings()
    settings.seconds, settings.lock_seed, settings.seed, settings.speed = 3.5, True, 40, 1.25
    found = text_batch.requests_of(bpy.context, text("crowd.txt", PROMPTS))
    assert [r.prompt for r in found] == ["a person walks", "a person bows", "a person walks"]
    assert all((r.seconds, r.speed) == (3.5, 1.25) for r in found)
    assert [r.seed for r in found] == [40, 40, 41], "a copy would be the same motion"
    assert len({r.id for r in found}) == 3


@pytest.mark.parametrize("name", ["jobs.csv", "Text"])
def test_a_table_says_its_own(addon: SimpleNamespace, name: str) -> None:
    addon.settings().seconds = 5.0
    first, second = text_batch.requests_of(bpy.context, text(name, CSV))
    assert (first.prompt, first.seconds, first.seed) == ("walks, then stops", 2.5, 7)
    assert (first.quality, first.loop) == ("draft", True)
    assert (second.prompt, second.seconds, second.quality) == ("a person bows", 5.0, "standard")


def test_a_list_of_objects(addon: SimpleNamespace) -> None:
    [only] = text_batch.requests_of(bpy.context, text("Text", JSON))
    assert (only.prompt, only.speed, only.cleanup, only.samples) == (
        "a person kicks",
        1.5,
        False,
        2,
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("# nothing\n", "nothing to do"),
        ('[{"prompt": "x y", "width": 3}]', "unknown keys"),
        ('[{"prompt": "x y", "seconds": 900}]', "Motion 1"),
        ("[oops", "is not JSON"),
        ("a person walks\n" * 201, "too many at once"),
    ],
)
def test_what_cannot_be_made_is_said_before_anything_is(
    addon, fake_backend, body: str, said: str
) -> None:
    text("Text", body)
    with pytest.raises(RuntimeError, match=said):
        bpy.ops.kinetype.generate_text()
    assert not addon.board.jobs


def test_a_text_becomes_takes_of_one_character(addon, fake_backend) -> None:
    assert not bpy.ops.kinetype.generate_text.poll()
    lines = [f"a person walks {number}" for number in range(jobs.MAX_WAITING + 2)]
    text("Text", "\n".join(lines))
    addon.settings().seconds = 0.5
    assert bpy.ops.kinetype.generate_text(wait=True, timeout=200.0) == {"FINISHED"}
    assert sorted(takes.info_of(t).prompt for t in takes.all_takes()) == sorted(lines)
    assert sum(thing.type == "ARMATURE" for thing in bpy.data.objects) == 1
    assert "a person walks 3" not in prompt_history.recent(), "a list is no prompt that was typed"
