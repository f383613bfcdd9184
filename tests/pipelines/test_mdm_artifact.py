"""The folder of an MDM model: what is written, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.errors import ArtifactError, KinetypeError, ModelNotFound, OutputError
from backend.models.mdm.release import config_from_args
from backend.pipelines import kinds, registry
from backend.pipelines.humanml3d import statistics as hml_statistics
from backend.pipelines.mdm import MDMPipeline
from backend.pipelines.mdm.folder import MDMPipelineConfig, args_of
from backend.store.model_folder import Stats
from backend.store.new_folder import new_folder
from tests.conftest import _swinging_clip
from tests.mdm_files import evaluator_stats, network_config, tiny_pipeline, walking_stats

LAYOUT = [
    "Mean.npy",
    "Std.npy",
    "clip.safetensors",
    "mdm_config.json",
    "merges.txt",
    "model.safetensors",
    "vocab.json",
]


@pytest.fixture(scope="module")
def stats() -> Stats:
    return walking_stats(_swinging_clip)


@pytest.fixture
def folder(stats: Stats, tmp_path: Path) -> Path:
    return tiny_pipeline(stats, tmp_path / "clip").save_pretrained(tmp_path / "model")


def load(folder: Path) -> MDMPipeline:
    return MDMPipeline.from_pretrained(folder, device="cpu", local_files_only=True)


def refusal(folder: Path) -> KinetypeError:
    with pytest.raises(KinetypeError) as caught:
        load(folder)
    return caught.value


def change_config(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "mdm_config.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


# ---------------------------------------------------------------- layout


def test_layout_and_kind(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == LAYOUT
    assert kinds.kind_in(folder) == "mdm"
    assert registry.pipeline_class("mdm") is MDMPipeline
    tensors = load_file(folder / "model.safetensors")
    assert not [name for name in tensors if name.endswith(".pe") or name.startswith("clip")]


def test_the_published_layout_without_our_entries(folder: Path) -> None:
    """The published artifact: no format entry, entries of its own, no text encoder."""
    values = json.loads((folder / "mdm_config.json").read_text())
    published = {k: values[k] for k in ("model_type", "guidance_param", "config")}
    # entries that the converters of older checkpoints did not write
    for name in ("mask_frames", "emb_policy", "text_encoder_type", "pred_len"):
        del published["config"][name]
    published |= {"author": "someone", "guidance_param": 3.0}
    (folder / "mdm_config.json").write_text(json.dumps(published))
    for name in ("clip.safetensors", "merges.txt", "vocab.json"):
        (folder / name).unlink()
    pipeline = load(folder)
    assert pipeline.config.guidance_param == 3.0
    assert pipeline.net.config.layers == 1


def test_a_network_that_args_cannot_describe_is_kept(stats: Stats, tmp_path: Path) -> None:
    config = network_config(ff_size=48, heads=2)
    folder = tiny_pipeline(stats, tmp_path / "clip", ff_size=48, heads=2).save_pretrained(
        tmp_path / "model"
    )
    assert load(folder).net.config == config


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"arch": "trans_dec", "text_encoder": "bert", "emb_trans_dec": True},
        {"mask_frames": True, "noise_schedule": "linear", "sigma_small": False},
        {"context_len": 20, "pred_len": 40, "cond_mask_prob": 0.0},
        {"joints": 251, "dataset": "kit", "condition": "none"},
    ],
    ids=str,
)
def test_args_describe_every_release(options: dict) -> None:
    config = network_config(**options)
    assert config_from_args(args_of(config)) == config
    assert MDMPipelineConfig.of(config).network is None


def test_half_is_smaller_and_nearly_the_same(stats: Stats, tmp_path: Path) -> None:
    pipeline = tiny_pipeline(stats, tmp_path / "clip")
    whole = pipeline.save_pretrained(tmp_path / "whole", text_encoder=False)
    half = pipeline.save_pretrained(tmp_path / "half", text_encoder=False, half=True)
    sizes = [(f / "model.safetensors").stat().st_size for f in (whole, half)]
    assert sizes[1] < 0.6 * sizes[0]
    assert sorted(p.name for p in half.iterdir()) == [n for n in LAYOUT if n[0] in "MS"] + [
        "mdm_config.json",
        "model.safetensors",
    ]


def test_nothing_is_overwritten_unasked(folder: Path) -> None:
    pipeline = load(folder)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        pipeline.save_pretrained(folder)
    assert (folder / "notes.txt").read_text() == "mine"
    assert sorted(p.name for p in pipeline.save_pretrained(folder, overwrite=True).iterdir()) == (
        LAYOUT
    )


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(RuntimeError), new_folder(tmp_path / "there") as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    with pytest.raises(OutputError, match="is a file"), new_folder(__file__):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
    assert not any((tmp_path / "there").iterdir())


# ---------------------------------------------------------------- weights and configuration


class _Harmful:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


def test_weights_of_another_program(folder: Path) -> None:
    """``model.pt`` is read where ``model.safetensors`` is not there, plain or under ``model``."""
    released = load(folder).infer_t2m(["walk"], [40], seed=1)[0]
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.pt").write_bytes(b"never looked at beside the other")
    load(folder)
    (folder / "model.safetensors").unlink()
    change_config(folder, lambda v: v.update(sha256={}))
    for content in (tensors, {"model": tensors}):
        torch.save(content, folder / "model.pt")
        assert np.array_equal(load(folder).infer_t2m(["walk"], [40], seed=1)[0], released)
    assert registry.kind_of(folder) == "mdm"


def test_bad_weights_of_another_program(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    change_config(folder, lambda v: v.update(sha256={}))
    assert "model.safetensors (or model.pt)" in refusal(folder).message
    torch.save({**tensors, "x": _Harmful(tmp_path / "ran")}, folder / "model.pt")
    assert "could run code" in refusal(folder).message and not (tmp_path / "ran").exists()
    torch.save({k: v for k, v in tensors.items() if k != "embed_text.bias"}, folder / "model.pt")
    assert "missing embed_text.bias" in refusal(folder).message
    torch.save({**tensors, "embed_text.bias": torch.full((32,), torch.nan)}, folder / "model.pt")
    assert "embed_text.bias holds NaN" in refusal(folder).message
    (folder / "model.pt").write_bytes(b"PK")
    assert "damaged" in refusal(folder).message


def test_whole_numbers_are_no_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "embed_text.bias": tensors["embed_text.bias"].long()}, path)
    change_config(folder, lambda v: v.update(sha256={}))
    assert "embed_text.bias is torch.int64" in refusal(folder).message


def test_a_network_too_large_to_build_is_refused_by_its_shapes(folder: Path) -> None:
    """Terabytes: it must be refused before it is built."""
    change_config(folder, lambda v: v["config"].update(latent_dim=16_384, layers=256))
    assert "does not fit mdm_config.json" in refusal(folder).message


def test_endless_brackets(folder: Path) -> None:
    (folder / "mdm_config.json").write_text("[" * 100_000)
    assert "cannot be read" in refusal(folder).message


@pytest.mark.parametrize("name", ["model.safetensors", "Mean.npy", "Std.npy"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in refusal(folder).message


def test_missing_and_left_over_tensors_are_listed(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["extra.weight"] = tensors.pop("embed_text.weight")
    save_file(tensors, path)
    message = refusal(folder).message
    assert "missing embed_text.weight" in message and "unexpected extra.weight" in message


def test_nan_in_the_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["embed_text.bias"][0] = float("nan")
    save_file(tensors, path)
    assert "embed_text.bias holds NaN" in refusal(folder).message


def test_truncated_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    assert "truncated" in refusal(folder).message


def test_changed_weights_are_noticed(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["embed_text.bias"] += 1
    save_file(tensors, path)
    assert "is not the file that mdm_config.json was saved with" in refusal(folder).message


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda v: v.pop("config"), "lacks the entry 'config'"),
        (lambda v: v["config"].update(dataset="cmu"), "dataset is 'cmu'"),
        (lambda v: v["config"].update(dataset="humanact12"), "25 x 6"),
        (lambda v: v["config"].update(unconstrained=True), "trained without text"),
        (lambda v: v["config"].update(layers=2), "missing seqTransEncoder.layers.1"),
        (lambda v: v["config"].update(latent_dim=64), "is [32"),
        (lambda v: v.update(model_type="vq"), "'vq'"),
        (lambda v: v.update(surprise=1), "surprise"),
        (lambda v: v.update(guidance_param="high"), "guidance_param"),
        (lambda v: v.update(steps=0), "0 steps"),
        (lambda v: v["config"].update(mask_frames="false"), "mask_frames is 'false'"),
        (lambda v: v["config"].update(target_enc_layers=10**9), "target_layers is 1000000000"),
    ],
)
def test_wrong_entries_are_named(folder: Path, change: Callable, named: str) -> None:
    change_config(folder, change)
    error = refusal(folder)
    assert isinstance(error, ArtifactError) and named in error.message and error.hint


def test_no_such_model() -> None:
    with pytest.raises(ModelNotFound):
        load(Path("/nowhere/at all"))


# ---------------------------------------------------------------- statistics


def test_evaluator_statistics_are_refused_with_the_reason(folder: Path, stats: Stats) -> None:
    hml_statistics.write(folder, evaluator_stats(stats))
    error = refusal(folder)
    assert "evaluator's statistics" in error.message and "25" in error.message
    assert "t2m_std.npy" in error.hint


def test_real_statistics_pass_and_the_real_evaluators_do_not(kit: Path) -> None:
    """Deviations per block of HumanML3D and of its evaluator, as measured on the published files.

    Means are made up: walking contacts, zero elsewhere.
    """
    facts = json.loads((kit / "t2m_eval" / "normalisation_facts.json").read_text())
    blocks = {
        "yaw_velocity": "root_rot_vel",
        "root_velocity": "root_lin_vel",
        "root_height": "root_y",
        "joints": "ric",
        "rotations": "rot",
        "velocities": "local_vel",
        "contacts": "foot",
    }
    spec, mean = hml_statistics.SPECS[263], torch.zeros(263)
    mean[spec.columns("contacts")] = 0.83
    stds = {}
    for kind in ("humanml_std", "evaluator_std"):
        stds[kind] = torch.zeros(263)
        for ours, theirs in blocks.items():
            stds[kind][spec.columns(ours)] = facts[theirs][kind]
    hml_statistics.refuse_evaluator(Stats(mean, stds["humanml_std"]), "here")
    with pytest.raises(ArtifactError, match="evaluator"):
        hml_statistics.refuse_evaluator(Stats(mean, stds["evaluator_std"]), "here")


@pytest.mark.parametrize(
    ("mean", "std", "named"),
    [
        (np.zeros(263), np.zeros(263), "must be positive"),
        (np.ones(263), -np.ones(263), "swapped"),
        (np.zeros(263), np.ones(251), "must hold 263 numbers"),
        (np.zeros(263), np.full(263, np.inf), "NaN, infinite"),
        (np.zeros(263), np.array([{"a": 1}]), "no plain .npy"),
        (np.zeros(263, dtype=np.int64), np.ones(263), "holds int64 values"),
        (np.zeros(263), np.ones(263, dtype=complex), "holds complex128 values"),
        (np.full(263, 1e60), np.ones(263), "absurdly large"),
        (np.zeros((1, 263)), np.ones(263), "its shape is (1, 263)"),
    ],
)
def test_bad_statistics(folder: Path, mean: np.ndarray, std: np.ndarray, named: str) -> None:
    np.save(folder / "Mean.npy", mean)
    np.save(folder / "Std.npy", std)
    assert named in refusal(folder).message


def test_a_header_that_announces_terabytes(folder: Path) -> None:
    content = bytearray((folder / "Mean.npy").read_bytes())
    announced = b"(900000000000,), }"
    start = content.index(b"(263,)")
    content[start : start + len(announced)] = announced
    (folder / "Mean.npy").write_bytes(content)
    assert "no plain .npy" in refusal(folder).message


def test_statistics_that_are_no_file(folder: Path) -> None:
    with pytest.raises(ArtifactError, match="is a folder"):
        hml_statistics.read(folder, folder / "Std.npy", 263)
    np.savez(folder / "both.npz", np.zeros(263))
    with pytest.raises(ArtifactError, match="archive"):
        hml_statistics.read(folder / "both.npz", folder / "Std.npy", 263)


def test_text_that_is_no_array(folder: Path) -> None:
    (folder / "Std.npy").write_text("1 2 3")
    assert "no plain .npy" in refusal(folder).message
