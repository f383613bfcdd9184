"""Models in the panel: told with size and licence, fetched after a click, stopped, gone on with."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import model_list  # noqa: E402
from blender_addon.operators import models as operators  # noqa: E402
from blender_addon.panels import models as panel  # noqa: E402
from blender_addon.panels import status  # noqa: E402
from tests.hub_server import Hub, serve_hub  # noqa: E402

from .pressing import UNTIL  # noqa: E402

REPO = "tencent/HY-Motion-1.0-Lite"
FILES = {
    "config.yml": b"network_module_args: {}\n",
    "latest.ckpt": bytes(range(256)) * 32_000,
}


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


@pytest.fixture
def hub(
    addon: SimpleNamespace, fake_backend: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    """A hub that the backend process downloads from; an empty cache and home."""
    from blender_addon.backend_access import own_models

    with serve_hub({REPO: dict(FILES)}) as (address, found):
        for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN", "TRANSFORMERS_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {
            "HF_HOME": str(tmp_path / "hf"),
            "HF_ENDPOINT": address,
            "NO_PROXY": "127.0.0.1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "KINETYPE_HOME": str(tmp_path / "home"),
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(own_models, "_home", [tmp_path / "home"])
        model_list.forget()
        addon.settings().custom_model = ""
        addon.settings().model = "hymotion-lite"
        yield found
        model_list.forget()


def page() -> str:
    return drawing.words(drawing.draw(lambda own, _: panel.draw(own.layout, "", 90)))


def main_panel() -> str:
    from blender_addon.panels.main import KINETYPE_PT_main

    return drawing.draw_panel(KINETYPE_PT_main)


def info() -> model_list.ModelInfo:
    found = model_list.find("hymotion-lite")
    assert found is not None
    return found


def test_generate_fetches_nothing_and_offers_the_download(hub: Hub, addon: SimpleNamespace) -> None:
    tree = main_panel()
    told = drawing.words(tree)
    assert "NOT granted in the European Union" in told, "the licence stands beside Generate"
    assert "Not on this computer: about 1.9 GB" in told
    assert "download_model(model='hymotion-lite')" in tree.replace('"', "'").replace("\\", "")
    with pytest.raises(RuntimeError, match=r"1\.9 GB.*European Union"):
        bpy.ops.kinetype.generate(wait=True, timeout=120.0)
    (fix,) = addon.board.error.fixes
    assert (fix.operator, fix.values) == ("kinetype.download_model", (("model", "hymotion-lite"),))
    assert "kinetype models" not in addon.board.error.hint, "there is a button"
    assert hub.requests == []


def test_consent_tells_size_licence_regions_and_place(addon: SimpleNamespace) -> None:
    lines = dict(operators.consent_lines(info()))
    assert "1.9 GB" in lines["Size"] and REPO in lines["From"]
    assert "Tencent" in lines["Licence"]
    assert all(name in lines["Regions"] for name in ("European Union", "Kingdom", "South Korea"))
    assert "3.0 GB" in lines["Memory"] and "cache" in lines["Kept in"]
    addon.preferences.backend = "MANAGED"
    assert not bpy.app.online_access
    assert not bpy.ops.kinetype.download_model.poll(), "only with online access"
    assert "HF_TOKEN" in page()


def test_download_cancel_resume_remove(hub: Hub, addon: SimpleNamespace, until: UNTIL) -> None:
    hub.pace = 4_000_000
    assert bpy.ops.kinetype.download_model(model="hymotion-lite") == {"FINISHED"}
    (chore,) = addon.board.chores.values()
    until(lambda: chore.step > 2_000_000)
    assert chore.total == sum(map(len, FILES.values()))
    text = status.progress_text(chore)
    assert (text.startswith("Downloading") and "MB" in text) or "kB" in text
    assert "Downloading" in drawing.words(main_panel())
    with pytest.raises(RuntimeError, match="already"):
        bpy.ops.kinetype.download_model(model="hymotion-lite")
    hub.pace = 1
    assert bpy.ops.kinetype.cancel_model() == {"FINISHED"}
    until(lambda: not addon.board.busy)
    assert "kept" in addon.board.message and addon.board.error is None
    assert info().state == "partial" and info().arrived_bytes > 2_000_000
    model_list.show("hymotion-lite")
    assert "Resume" in page() and "only partly downloaded" in page()

    hub.pace = None
    assert bpy.ops.kinetype.download_model(model="hymotion-lite") == {"FINISHED"}
    until(lambda: not addon.board.busy)
    assert "checked" in addon.board.message, addon.board.error
    assert info().ready and info().state == "downloaded"
    assert [first > 2_000_000 for path, first in hub.ranges] == [True]

    assert bpy.ops.kinetype.remove_model(model="hymotion-lite") == {"FINISHED"}
    until(lambda: not addon.board.busy)
    assert info().state == "absent" and "deleted" in addon.board.message
    with pytest.raises(RuntimeError, match="comes with Kinetype"):
        bpy.ops.kinetype.remove_model(model="starter")


def test_a_folder_is_linked_and_forgotten(
    hub: Hub, addon: SimpleNamespace, until: UNTIL, tmp_path: Path
) -> None:
    folder = tmp_path / "my model"
    folder.mkdir()
    assert bpy.ops.kinetype.link_model(directory=f"{folder}/") == {"FINISHED"}
    until(lambda: not addon.board.busy)
    assert "holds no model" in addon.board.error.message
    (folder / "mogents_config.json").write_text(json.dumps({"config": {}}))
    assert bpy.ops.kinetype.link_model(directory=f"{folder}/") == {"FINISHED"}
    until(lambda: not addon.board.busy)
    linked = model_list.find("my model")
    assert linked is not None and linked.state == "linked"
    model_list.show("my model")
    assert str(folder) in page()
    addon.settings().model = "my model"
    assert bpy.ops.kinetype.remove_model(model="my model") == {"FINISHED"}
    until(lambda: not addon.board.busy)
    assert model_list.find("my model") is None and folder.is_dir()


def test_what_is_no_release_is_told(
    hub: Hub, addon: SimpleNamespace, until: UNTIL, tmp_path: Path
) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x")
    path = str(tmp_path / "weights.bin")
    assert bpy.ops.kinetype.convert_model(filepath=path) == {"FINISHED"}
    until(lambda: not addon.board.busy)
    assert "no released checkpoint" in addon.board.error.message


def test_the_popover_and_the_preferences_draw_every_model(addon: SimpleNamespace) -> None:
    tree = drawing.draw_panel(panel.KINETYPE_PT_models)
    for one in model_list.models():
        assert one.title in drawing.words(tree)
        model_list.show(one.name)
        assert one.licence.split()[0] in page() or not one.licence
