from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from backend.errors import ArtifactError, ModelNotFound, OutputError
from backend.store import model_folder
from backend.store.model_folder import Stats, config_from_dict
from tests.hub_server import COMMIT, serve_hub

REPO = Path(__file__).resolve().parents[1]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    stats = Stats(torch.arange(3.0), torch.ones(3) * 2)
    return model_folder.save_model(tmp_path / "model", {"a": 1}, network().state_dict(), stats)


# ---------------------------------------------------------------- round trip


def test_round_trip(model: Path) -> None:
    assert sorted(p.name for p in model.iterdir()) == [
        "config.json",
        "model.safetensors",
        "stats.safetensors",
    ]
    assert model_folder.resolve(model) == model
    config = model_folder.read_json(model / "config.json")
    model_folder.verify_checksums(model, config)
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model_folder.load_weights(net, model / "model.safetensors")
    for ours, theirs in zip(net.parameters(), network().parameters(), strict=True):
        assert torch.equal(ours, theirs)
    stats = model_folder.load_stats(model / "stats.safetensors", 3)
    x = torch.randn(5, 3)
    torch.testing.assert_close(stats.denormalise(stats.normalise(x)), x)
    assert stats.normalise(torch.tensor([2.0, 1.0, 4.0])).tolist() == [1.0, 0.0, 1.0]


def test_half_storage_is_smaller_and_loads_as_float32(tmp_path: Path) -> None:
    weights = {"w": torch.randn(100, 100)}
    full = model_folder.save_model(tmp_path / "full", {}, weights) / "model.safetensors"
    half = model_folder.save_model(tmp_path / "half", {}, weights, half=True) / "model.safetensors"
    assert half.stat().st_size < 0.55 * full.stat().st_size
    loaded = model_folder.load_tensors(half)["w"]
    assert loaded.dtype == torch.float32
    torch.testing.assert_close(loaded, weights["w"], atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_broken_weights_are_not_saved(tmp_path: Path, value: float) -> None:
    with pytest.raises(ArtifactError, match="w holds"):
        model_folder.save_model(tmp_path, {}, {"w": torch.tensor([1.0, value])}, half=True)
    assert list(tmp_path.iterdir()) == []


def test_saving_into_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError):
        model_folder.save_model(tmp_path / "taken", {}, {"w": torch.ones(1)})


# ---------------------------------------------------------------- broken files


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "stats.safetensors"])
def test_a_missing_file_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        model_folder.resolve(model)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_weights(model: Path, keep: int) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtifactError, match="truncated or corrupt") as caught:
        model_folder.load_tensors(path)
    assert "model.safetensors" in caught.value.message
    assert caught.value.hint


def test_a_flipped_byte_is_found(model: Path) -> None:
    path = model / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"model\.safetensors is not the file"):
        model_folder.verify_checksums(model, model_folder.read_json(model / "config.json"))


def test_not_a_number_weights(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    weights["1.bias"][0] = float("nan")
    save_file(weights, model / "model.safetensors")
    with pytest.raises(ArtifactError, match=r"1\.bias holds NaN"):
        model_folder.load_weights(network(), model / "model.safetensors")


def test_mismatches_list_both_sides(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    weights["0.weight"] = torch.zeros(7, 3)
    weights["extra"] = weights.pop("1.bias")
    save_file(weights, model / "model.safetensors")
    with pytest.raises(ArtifactError) as caught:
        model_folder.load_weights(network(), model / "model.safetensors")
    for part in ("missing 1.bias", "unexpected extra", "0.weight is [7, 3]", "[4, 3] in the conf"):
        assert part in caught.value.message


def test_a_network_is_built_only_when_its_shapes_fit(model: Path) -> None:
    """A configuration that asks for terabytes must not get them."""
    loaded = model_folder.load_network(network, model / "model.safetensors")
    torch.testing.assert_close(loaded.state_dict(), network().state_dict())
    with pytest.raises(ArtifactError, match="does not fit"):
        model_folder.load_network(
            lambda: nn.Sequential(nn.Linear(3, 2**40), nn.Linear(2**40, 2)),
            model / "model.safetensors",
        )


def test_stats_of_another_width(model: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        model_folder.load_stats(model / "stats.safetensors", 205)
    assert "[3]" in caught.value.message
    assert "[205]" in caught.value.message


@pytest.mark.parametrize("std", [0.0, -1.0])
def test_stats_that_cannot_scale(model: Path, std: float) -> None:
    tensors = {"mean": torch.zeros(3), "std": torch.tensor([1.0, std, 1.0])}
    save_file(tensors, model / "stats.safetensors")
    with pytest.raises(ArtifactError, match="positive"):
        model_folder.load_stats(model / "stats.safetensors", 3)


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00\x01"])
def test_broken_config(model: Path, text: str) -> None:
    (model / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"config\.json"):
        model_folder.read_json(model / "config.json")


# ---------------------------------------------------------------- config


@dataclass(frozen=True)
class Inner:
    width: int
    kind: Literal["a", "b"] = "a"

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError("width must be positive")


@dataclass(frozen=True)
class Outer:
    inner: Inner
    fps: float = 20.0
    steps: int | None = None
    extra: dict[str, float] = field(default_factory=dict)


def test_nested_config() -> None:
    built = config_from_dict(Outer, {"inner": {"width": 3}, "fps": 30, "steps": 5}, "config.json")
    assert built == Outer(Inner(3), 30, 5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"inner": {"width": 3}, "fpz": 1}, "fpz"),
        ({"inner": {"width": 3, "depth": 2}}, "inner has unknown entries: depth"),
        ({}, "lacks inner"),
        ({"inner": {"width": "3"}}, "width cannot be '3'"),
        ({"inner": {"width": True}}, "width cannot be True"),
        ({"inner": {"width": 3, "kind": "c"}}, "kind cannot be 'c'"),
        ({"inner": {"width": 0}}, "width must be positive"),
        ({"inner": 5}, "must be an object"),
        ({"inner": {"width": 3}, "steps": 1.5}, "steps cannot be 1.5"),
    ],
)
def test_bad_config_values(values: dict, words: str) -> None:
    with pytest.raises(ArtifactError, match="config") as caught:
        config_from_dict(Outer, values, "config.json")
    assert words in caught.value.message


@pytest.mark.parametrize(
    "values",
    [
        {"inner": {"width": 10**9}},
        {"inner": {"width": 10**4000}},
        {"inner": {"width": 3}, "fps": 1e300},
        {"inner": {"width": 3}, "fps": float("nan")},
        {"inner": {"width": 3}, "fps": 0.0},
    ],
)
def test_claims_beyond_every_model_are_refused(values: dict) -> None:
    with pytest.raises(ArtifactError, match="beyond every model"):
        config_from_dict(Outer, values, "config.json")


def test_a_network_of_a_billion_layers_is_not_begun() -> None:
    from backend.models.dit import DiTConfig

    with pytest.raises(ArtifactError, match="depth 1000000000 "):
        config_from_dict(DiTConfig, {"depth": 10**9}, "config.json")


# ---------------------------------------------------------------- paths


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../../b", "", "C:x", "a\\..\\b", "a\0"]
)
def test_names_that_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match="not a file name"):
        model_folder.inside(tmp_path, name)


def test_links_that_leave_the_folder(model: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.safetensors"
    (model / "model.safetensors").rename(outside)
    try:
        (model / "model.safetensors").symlink_to(outside)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    with pytest.raises(ArtifactError, match="leads out"):
        model_folder.resolve(model)


def test_links_to_blobs_of_a_cache_are_followed(model: Path, tmp_path: Path) -> None:
    """A folder of links into the Hugging Face cache loads; other links still lead nowhere."""
    blobs = tmp_path / "hub" / "models--somebody--model" / "blobs"
    blobs.mkdir(parents=True)
    weights = model / "model.safetensors"
    blob = blobs / hashlib.sha256(weights.read_bytes()).hexdigest()
    weights.rename(blob)
    try:
        weights.symlink_to(blob)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    assert model_folder.resolve(model) == model
    secret = blobs / "secret"
    blob.rename(secret)
    weights.unlink()
    weights.symlink_to(secret)
    with pytest.raises(ArtifactError, match="leads out"):
        model_folder.resolve(model)


def test_a_file_is_hashed_once_until_it_changes(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = model / "model.safetensors", []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *a: read.append(1) or digest(*a))
    path.touch()
    first = model_folder.sha256_of(path)
    assert model_folder.sha256_of(path) == first and len(read) == 1
    path.write_bytes(path.read_bytes() + b"x")
    assert model_folder.sha256_of(path) != first and len(read) == 2


def test_a_list_of_a_million_tensors_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write((90_000_000).to_bytes(8, "little"))
        file.truncate(90_000_008)  # a hole: it takes no disk
    with pytest.raises(ArtifactError, match="corrupt") as caught:
        model_folder.load_tensors(path)
    assert "list of tensors" in caught.value.detail


def test_checksums_may_not_name_files_elsewhere(model: Path) -> None:
    with pytest.raises(ArtifactError, match="not a file name"):
        model_folder.verify_checksums(model, {"sha256": {"../x": "0"}})


@pytest.mark.parametrize(
    "revision", ["../../x", "/etc/passwd", "a/../b", "-x", "a b", "a\0", "a\n"]
)
def test_a_revision_cannot_lead_out_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: asked.append(a))
    for name, given in (("a/b", revision), (f"a/b@{revision}", None)):
        with pytest.raises(ModelNotFound, match="is no revision"):
            model_folder.resolve(name, revision=given, local_files_only=True)
    assert not asked


@pytest.mark.parametrize(
    "name",
    [
        "no-such-model",
        "./no/such/folder",
        "a/b/c",
        "-x/y",
        "m" * 5000,
        "~no-one-of-this-name/x",
        "x" * 300 + "/y",
        "a\0",
    ],
)
def test_neither_folder_nor_hub_id(name: str) -> None:
    with pytest.raises(ModelNotFound, match=r"There is no (hub )?model"):
        model_folder.resolve(name, local_files_only=True)


# ---------------------------------------------------------------- hub

CLIENT = """
import json, sys
from backend.store.model_folder import resolve, verify_checksums, read_json
from backend.errors import KinetypeError
for line in sys.stdin:
    repo, options = json.loads(line)
    try:
        folder = resolve(repo, optional=["knowledge.json"], **options)
        verify_checksums(folder, read_json(folder / "config.json"))
        files = sorted(p.name for p in folder.iterdir())
        print(json.dumps({"folder": str(folder), "files": files}))
    except KinetypeError as error:
        print(json.dumps({"code": error.code, "message": error.message, "hint": error.hint}))
"""


def download(home: Path, endpoint: str, *jobs: tuple[str, dict], offline: bool = False) -> list:
    """Resolve hub models in a fresh process: the hub client reads its settings at import."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "NO_PROXY": "127.0.0.1"}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1" if offline else "0"}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT],
        input="".join(json.dumps(job) + "\n" for job in jobs),
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_download_from_a_hub_and_use_it_offline(model: Path, tmp_path: Path) -> None:
    files = {p.name: p.read_bytes() for p in model.iterdir()}
    files |= {"knowledge.json": b"{}", "pytorch_model.bin": b"pickle"}
    home, repo = tmp_path / "home", "someone/walker"
    with serve_hub({repo: files}) as (endpoint, hub):
        (absent,) = download(home, endpoint, (repo, {"local_files_only": True}))
        assert absent["code"] == "model_absent"
        assert "Download it first" in absent["hint"]
        assert hub.requests == []
        (got,) = download(home, endpoint, (repo, {"revision": "main"}))
        assert got["files"] == [
            "config.json",
            "knowledge.json",
            "model.safetensors",
            "stats.safetensors",
        ]
        assert any(method == "GET" and "resolve" in path for method, path in hub.requests)
        assert not any("pytorch_model" in path for _, path in hub.requests)
    # the server is gone now
    again, unknown = download(home, endpoint, (repo, {}), ("someone/nobody", {}), offline=True)
    assert again == got
    assert Path(got["folder"]).name == COMMIT
    assert unknown["code"] == "model_absent"


def test_unknown_hub_models_and_revisions(model: Path, tmp_path: Path) -> None:
    files = {p.name: p.read_bytes() for p in model.iterdir() if p.name != "stats.safetensors"}
    with serve_hub({"someone/walker": files}) as (endpoint, _):
        unknown, revision, partial = download(
            tmp_path,
            endpoint,
            ("someone/nobody", {}),
            ("someone/walker", {"revision": "v9"}),
            ("someone/walker", {}),
        )
    assert unknown["code"] == "model_not_found"
    assert "someone/nobody" in unknown["message"]
    assert revision["code"] == "model_not_found"
    assert "v9" in revision["message"]
    assert partial["code"] == "artifact"
    assert "stats.safetensors" in partial["message"]
