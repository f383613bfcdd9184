"""Names to models: cheap to list, clear about what is missing, imported on use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.errors import ArtifactError, KinetypeError, ModelNotFound
from backend.pipelines import registry
from backend.wire import limits
from backend.wire.control import ModelInfo

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))


def model_folder(folder: Path, **config: Any) -> Path:
    folder.mkdir()
    values = {"pipeline": "dit", "fps": 20.0, "min_frames": 30, "licence": "CC0", **config}
    (folder / "config.json").write_text(json.dumps(values))
    for name in registry.MODEL_FILES[1:]:
        (folder / name).write_bytes(b"x")
    return folder


def test_listing_imports_no_torch() -> None:
    script = (
        "import sys; from backend.pipelines import registry as r; names = r.list_models()\n"
        "r.check('starter') if names[0].ready else None\n"
        "print([m.name for m in names], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPO)
    listed = done.stdout.strip()
    assert listed.startswith("['starter-open', 'starter', ") and listed.endswith("] False"), (
        done.stderr
    )


def test_a_registered_loader_is_used_and_can_be_replaced() -> None:
    made: list[Any] = []

    def load(**options: Any) -> Any:
        made.append(options)
        return "pipeline"

    registry.register("mine", lambda **options: None)
    registry.register("mine", load, ModelInfo("other", "My Model"), uses_torch=False)
    info = registry.model_info("mine")
    assert info is not None and (info.name, info.title, info.ready) == ("mine", "My Model", True)
    assert not registry.uses_torch("mine") and registry.uses_torch("starter")
    assert registry.load_pipeline("mine", device="cpu", local_files_only=True) == "pipeline"
    assert made == [{"device": "cpu", "local_files_only": True}]


def test_a_shipped_model_is_described_by_its_own_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = model_folder(tmp_path / "m", description="Knows walks.", representation="hml263")
    shipped = ModelInfo("shipped", "Shipped", "static text", path=str(folder))
    registry._REGISTRY["shipped"] = registry._Entry(shipped)
    info = registry.model_info("shipped")
    assert info is not None and info.ready
    assert (info.description, info.licence, info.representation) == (
        "Knows walks.",
        "CC0",
        "hml263",
    )
    assert (info.fps, info.min_seconds, info.max_seconds) == (20.0, 1.5, limits.MAX_SECONDS)

    (folder / "stats.safetensors").unlink()
    info = registry.model_info("shipped")
    assert info is not None and not info.ready
    assert "stats.safetensors" in info.problem and info.fix
    with pytest.raises(ArtifactError, match=r"stats\.safetensors"):
        registry.load_pipeline("shipped")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"pipeline": "magic"}', '{"pipeline": ["dit"]}', '{"fps": "x"}', "\xff"],
)
def test_a_broken_configuration_is_an_artifact_error(tmp_path: Path, text: str) -> None:
    folder = model_folder(tmp_path / "m")
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    registry._REGISTRY["broken"] = registry._Entry(ModelInfo("broken", "B", path=str(folder)))
    for name in (str(folder), folder, "broken"):
        with pytest.raises(ArtifactError, match=r"config\.json"):
            registry.check(name)
    assert [m.ready for m in registry.list_models() if m.name == "broken"] == [False]


@pytest.mark.parametrize("values", [{"fps": "fast"}, {"min_frames": []}, {"fps": None}])
def test_malformed_values_of_a_shipped_model_do_not_break_the_list(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    folder = model_folder(tmp_path / "m", **values)
    registry._REGISTRY["odd"] = registry._Entry(ModelInfo("odd", "Odd", path=str(folder)))
    (info,) = [m for m in registry.list_models() if m.name == "odd"]
    assert not info.ready and "malformed" in info.problem


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "/no/such/folder",
        "a/b/c",
        "../x",
        "~/none",
        "/x",
        "x/",
        "~no-one/x",
        "m" * 5000,
        "a\0",
    ],
)
def test_an_unknown_model_names_the_known_ones(name: str) -> None:
    with pytest.raises(ModelNotFound, match="starter"):
        registry.load_pipeline(name)


def test_an_absent_hub_model_is_a_clear_error() -> None:
    with pytest.raises(KinetypeError) as caught:
        registry.load_pipeline("nobody-here/no-model", local_files_only=True)
    assert caught.value.hint
