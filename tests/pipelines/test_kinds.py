"""Model folders told apart by their files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.errors import ArtifactError, ModelAbsent
from backend.pipelines import registry
from backend.pipelines.kinds import kind_in
from backend.store.hub_cache import cached_folder
from tests.pipelines.test_registry import model_folder


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"config.json": {"pipeline": "dit"}}, "dit"),
        ({"mdm_config.json": {}}, "mdm"),
        ({"mdm_config.json": {}, "config.json": {"pipeline": "dit"}}, "mdm"),
        ({"action_mdm_config.json": {}}, "action_mdm"),
        ({"mogents_config.json": {}, "model_index.json": {"model_type": "mogents"}}, "mogents"),
        ({"model_index.json": {"model_type": "motiongpt"}}, "motiongpt"),
    ],
)
def test_the_marker_names_the_kind(tmp_path: Path, files: dict[str, dict], kind: str) -> None:
    for name, values in files.items():
        (tmp_path / name).write_text(json.dumps(values))
    assert kind_in(tmp_path) == kind


@pytest.mark.parametrize("files", [{}, {"model_index.json": {"_class_name": "StableDiffusion"}}])
def test_other_folders_are_refused_with_advice(tmp_path: Path, files: dict[str, dict]) -> None:
    for name, values in files.items():
        (tmp_path / name).write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match="holds no model") as caught:
        kind_in(tmp_path)
    assert "convert-checkpoint" in caught.value.hint


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["model.safetensors", "Mean.npy", "Std.npy"], "lacks mdm_config.json"),
        (["vq.safetensors", "mask_ts.safetensors"], "lacks mogents_config.json"),
        (["args.json", "model000000100.pt"], "released MDM checkpoint"),
    ],
)
def test_a_folder_without_its_marker_is_told_what_it_lacks(
    tmp_path: Path, files: list[str], told: str
) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ArtifactError, match=told):
        kind_in(tmp_path)


def test_motiongpt_as_its_authors_release_it_has_no_index(tmp_path: Path) -> None:
    (tmp_path / "motiongpt_s3_h3d.tar").write_bytes(b"x")
    assert kind_in(tmp_path) == "motiongpt"


def test_a_published_model_is_ready_once_it_is_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    info = registry.model_info("mdm")
    assert info is not None and not info.ready and info.state == "absent"
    with pytest.raises(ModelAbsent, match="Licence"):
        registry.find_info("mdm", local_files_only=True)  # nothing is downloaded unasked

    snapshot = tmp_path / "models--ZeyuLing--hftrainer-mdm-humanml3d" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "mdm_config.json").write_text("{}")
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    assert cached_folder(info.hub_id, ("mdm_config.json",)) is None  # the weights are not there
    (snapshot / "model.safetensors").write_bytes(b"x")
    (refs / "main").rename(refs / "v1")  # only a named revision was fetched
    assert cached_folder(info.hub_id, ("mdm_config.json",)) is None
    (refs / "v1").rename(refs / "main")
    info = registry.model_info("mdm")
    assert info is not None and info.ready and info.path == str(snapshot)


def test_a_shipped_folder_is_its_own_kind(tmp_path: Path) -> None:
    assert registry.kind_of(model_folder(tmp_path / "m")) == "dit"
