"""What the reader of a prompt did not know: in the panel, with the models that may know it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import model_list, told  # noqa: E402
from blender_addon.backend_access import MOTION_DIM, ModelInfo, Motion  # noqa: E402

from .pressing import UNTIL, generate  # noqa: E402

TEXT = "The model 'starter' does not know “juggling”; nearest things it knows: throw, clap."


def _load(name: str) -> ModuleType:
    """A file beside this one."""
    spec = importlib.util.spec_from_file_location(
        f"kinetype_tests_{name}", Path(__file__).with_name(f"{name}.py")
    )
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


drawing = _load("drawing")


def motion(notices: object) -> Motion:
    return Motion(np.zeros((2, MOTION_DIM)), meta={"notices": notices})


def note(text: object = TEXT, *models: str) -> dict[str, object]:
    named = [{"name": name, "title": name, "download": True} for name in models]
    return {"kind": "unknown", "text": text, "words": "juggling", "models": named}


def main_panel() -> str:
    from blender_addon.panels.main import KINETYPE_PT_main

    return drawing.draw_panel(KINETYPE_PT_main)


@pytest.fixture
def listed(addon: SimpleNamespace) -> SimpleNamespace:
    """Models in every state; the starter is chosen."""
    missing = {"ready": False, "hub_id": "someone/broad", "size_bytes": 1_200_000_000}
    model_list.replace(
        [
            ModelInfo("starter", "Starter"),
            ModelInfo("ready", "Ready One"),
            ModelInfo("broad", "Broad One", **missing),
            ModelInfo("broken", "Broken One", ready=False, problem="It lacks files."),
            ModelInfo("writer", "Writer", abilities=("describe",)),
        ]
    )
    # an own command may use the network whatever Blender may
    addon.preferences.backend = "COMMAND"
    return addon


def test_a_generation_shows_each_notice_once_until_the_next(
    addon, fake_backend, until: UNTIL
) -> None:
    generate(prompt="a person juggles", samples=2)
    assert [one.models for one in addon.board.told] == [("slow",)]
    assert addon.board.warnings == ("Something else.",)
    until(lambda: model_list.find("slow") is not None)
    tree = main_panel()
    assert drawing.words(tree).count("know “juggles”; nearest things it knows: throw, clap") == 1
    assert "bpy.ops.kinetype.use_model(model='slow')" in tree.replace("\\", "").replace('"', "'")
    assert bpy.ops.kinetype.generate() == {"FINISHED"}
    assert addon.board.told == (), "the next one begins"
    until(lambda: not addon.board.busy)
    assert addon.board.told != ()
    generate(prompt="a person walks")
    assert addon.board.told == () and "use_model" not in main_panel()


def test_the_button_chooses_the_model(listed: SimpleNamespace) -> None:
    listed.board.told = told.told_of([motion([note(TEXT, "ready")])])
    assert "Use Ready One" in main_panel()
    listed.settings().custom_model = "someone/else"
    assert bpy.ops.kinetype.use_model(model="ready") == {"FINISHED"}
    assert (listed.settings().model, listed.settings().custom_model) == ("ready", "")
    tree = main_panel()
    assert "juggling" in tree and "use_model" not in tree, "it is chosen already"
    with pytest.raises(RuntimeError, match="no model 'gone'"):
        bpy.ops.kinetype.use_model(model="gone")
    assert listed.settings().model == "ready"


def test_what_is_not_here_says_how_it_comes(
    listed: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed.board.told = told.told_of([motion([note(TEXT, "broad")])])
    tree = main_panel()
    assert "Use Broad One (1.2 GB)" in tree
    assert "can be downloaded once it is chosen" in drawing.words(tree)
    listed.preferences.backend = "IN_PROCESS"
    assert not bpy.app.online_access
    tree = main_panel()
    assert "use_model" not in tree and "open_network_preferences(" in tree
    assert "online access" in drawing.words(tree)


def test_only_models_that_can_be_had_get_a_button(listed: SimpleNamespace) -> None:
    (one,) = told.told_of([motion([note(TEXT, "nobody", "broken", "writer")])])
    assert told.help_with(one, "starter", online=True) == ("", ())
    (one,) = told.told_of([motion([note(TEXT, "starter", "ready", "broad", "broken")])])
    assert one.models == ("starter", "ready", "broad")
    _, fixes = told.help_with(one, "starter", online=True)
    assert [fix.values for fix in fixes] == [(("model", "ready"),), (("model", "broad"),)]


@pytest.mark.parametrize(
    "notices",
    [
        None,
        "text",
        7,
        {"text": TEXT},
        [None, 3, "x", [], {}],
        [{"text": 5}, {"text": None}, {"text": ["a"]}, {"text": ""}, {"text": "\ud800\n\x00"}],
    ],
)
def test_what_is_no_notice_is_left_out(notices: object) -> None:
    assert told.told_of([motion(notices)]) == ()


def test_strange_notices_are_bounded_and_can_be_drawn(listed: SimpleNamespace) -> None:
    models: list[object] = [5, {"name": 5}, {"name": ["a"]}, {}, {"name": "ready"}]
    long = {"text": "word\ud800 \n" * 100_000, "models": models}
    many = [note(f"{number} unknown") for number in range(100)]
    listed.board.told = told.told_of([motion([long, {"text": "y", "models": "ready"}, *many])])
    assert len(listed.board.told) == told.MAX_SHOWN
    assert listed.board.told[0].models == ("ready",) and listed.board.told[1].models == ()
    shown = listed.board.told[0].shown
    assert len(shown) <= told.MAX_CHARS and shown.startswith("word word") and shown.endswith("…")
    tree = main_panel()
    assert "Use Ready One" in tree and "4 unknown" not in tree and "3 unknown" in tree
