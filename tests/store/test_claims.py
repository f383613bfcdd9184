"""What files of a model claim is held against bounds before anything is built from it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from backend.diffusion.schedule import Schedule
from backend.errors import ArtifactError
from backend.evaluation.evaluators.parts.starter_network import TMRConfig
from backend.models.action_mdm import ActionMDMConfig
from backend.models.dit.config import DiTConfig
from backend.models.mdm.network import MDMConfig
from backend.models.mogents.config import MaskConfig, VQConfig
from backend.models.momask.config import RVQConfig
from backend.models.motiongpt.t5 import T5Config
from backend.models.motiongpt.vqvae import VQVAEConfig
from backend.models.stmc import StmcConfig
from backend.motion.io import bounds
from backend.store.config_files import config_from_dict
from backend.store.weights import read_tensors
from backend.store.yaml_settings import number_of, read_settings

CLASSES = (
    DiTConfig, MDMConfig, T5Config, VQVAEConfig, RVQConfig, VQConfig, MaskConfig, ActionMDMConfig,
    StmcConfig, TMRConfig,
)  # fmt: skip
NUMBERS = [
    (cls, f.name, str(f.type))
    for cls in CLASSES
    for f in dataclasses.fields(cls)
    if str(f.type) in ("int", "float")
]


@pytest.mark.parametrize(("cls", "name", "kind"), NUMBERS)
def test_every_number_of_a_configuration_has_an_end(cls: type, name: str, kind: str) -> None:
    needed = {"vocab_size": 10} if cls is T5Config else {}
    for value in (10**400, -(10**400), 1e300, float("nan"), float("inf")):
        with pytest.raises(ArtifactError) as caught:
            config_from_dict(cls, {**needed, name: value}, "config.json")
        assert "config.json" in caught.value.message and caught.value.hint
        assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("cls", "values"),
    [
        (DiTConfig, {"depth": 10**9}),
        (DiTConfig, {"heads": 0}),
        (MDMConfig, {"layers": 257}),
        (T5Config, {"vocab_size": 10, "num_layers": 10**9}),
        (VQVAEConfig, {"down_t": 40}),
        (RVQConfig, {"num_quantizers": 10**6}),
        (VQVAEConfig, {"dilation_growth": 10**6}),
    ],
)
def test_what_would_build_for_hours_is_refused(cls: type, values: dict[str, int]) -> None:
    with pytest.raises(ArtifactError, match="beyond every model"):
        config_from_dict(cls, values, "config.json")


def test_a_noise_schedule_of_a_billion_steps_is_refused() -> None:
    with pytest.raises(ArtifactError, match="beyond every model"):
        config_from_dict(Schedule, {"kind": "cosine", "steps": 10**9}, "config.json")
    assert Schedule("cosine", bounds.MAX_STEPS).steps == 100_000


def test_yaml_that_names_itself_again_and_again_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}" for n in range(1, 40)]
    path.write_text("\n".join(lines))
    with pytest.raises(ArtifactError, match="far too many entries"):
        read_settings(path)
    path.write_text("a: " + "x" * bounds.MAX_YAML_BYTES)
    with pytest.raises(ArtifactError, match="far too large"):
        read_settings(path)
    path.write_text("outer: {fps: 30, inner: {fps: 20, name: a}}\nsteps: .inf")
    found = read_settings(path)
    assert found["fps"] == 20 and found["name"] == "a"
    assert number_of(found, "fps", 1.0) == 20.0 and number_of(found, "none", 7.0) == 7.0
    for name, value in (("fps", 1e300), ("fps", 0), ("steps", float("inf")), ("fps", "20")):
        with pytest.raises(ValueError, match=name):
            number_of({name: value}, name, 1.0)


def test_a_list_of_a_million_tensors_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"tensor{n:07d}": entry for n in range(120_000)}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ArtifactError, match="truncated or corrupt"):
        read_tensors(path)
