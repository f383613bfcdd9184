"""MDM's configuration, checkpoints with something wrong, and its inference form."""

from __future__ import annotations

import argparse
import json
import shutil
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.errors import ArtifactError
from backend.models.mdm import load_upstream
from backend.models.mdm.fast import FastMDM
from backend.models.mdm.network import MDM, MDMConfig
from backend.models.mdm.release import config_from_args
from backend.models.packed_linear import PackedLinear, can_pack

GOLDEN = Path(__file__).parents[1] / "parity" / "golden" / "mdm"
MODEL = "model000000100.pt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small released checkpoint (arch trans_enc, actions)."""
    for name in ("args.json", MODEL):
        shutil.copy(GOLDEN / "action" / name, tmp_path / name)
    return tmp_path


def state_of(folder: Path) -> OrderedDict:
    return torch.load(folder / MODEL, weights_only=True)


def change_args(folder: Path, **values: Any) -> None:
    args = json.loads((folder / "args.json").read_text())
    (folder / "args.json").write_text(json.dumps(args | values))


def message(folder: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        load_upstream(folder)
    assert caught.value.hint
    return caught.value.message


# --------------------------------------------------------------------- loading


def test_highest_step_is_taken_and_a_file_is_taken_as_it_is(folder: Path) -> None:
    state = state_of(folder)
    state["output_process.poseFinal.bias"] = torch.full_like(
        state["output_process.poseFinal.bias"], 3.0
    )
    torch.save(state, folder / "model000000200.pt")
    assert load_upstream(folder).output_process.poseFinal.bias[0] == 3.0
    assert load_upstream(folder / MODEL).output_process.poseFinal.bias[0] != 3.0


def test_clip_and_positions_may_be_in_the_file_and_parameters_may_be_half(folder: Path) -> None:
    expected = load_upstream(folder).weights()
    state = state_of(folder)
    state["clip_model.visual.proj"] = torch.zeros(3)
    state = {k: v.half() if "poseFinal" in k else v for k, v in state.items()}
    torch.save({k: v for k, v in state.items() if not k.endswith(".pe")}, folder / MODEL)
    loaded = load_upstream(folder).weights()
    assert loaded.keys() == expected.keys()
    assert all(v.dtype == torch.float32 for v in loaded.values())
    assert all(torch.allclose(loaded[k], expected[k], atol=1e-3) for k in expected)


def test_old_serialisation_is_read(folder: Path) -> None:
    torch.save(state_of(folder), folder / MODEL, _use_new_zipfile_serialization=False)
    assert load_upstream(folder).config.actions == 12


@pytest.mark.parametrize("zipped", [True, False])
def test_training_arguments_beside_the_weights_are_passive(folder: Path, zipped: bool) -> None:
    content = {"model": state_of(folder), "args": argparse.Namespace(lr=1e-4), "step": np.int64(3)}
    torch.save(content, folder / MODEL, _use_new_zipfile_serialization=zipped)
    assert load_upstream(folder).config.actions == 12


def test_missing_args(folder: Path) -> None:
    (folder / "args.json").unlink()
    assert "args.json is missing" in message(folder)


def test_no_checkpoint(folder: Path) -> None:
    (folder / MODEL).unlink()
    assert "no model*.pt" in message(folder)
    assert "does not exist" in message(folder / "nowhere")


@pytest.mark.parametrize("dataset", ["humanml4d", None])
def test_wrong_dataset(folder: Path, dataset: str | None) -> None:
    change_args(folder, dataset=dataset)
    assert f"dataset is {dataset!r}" in message(folder)


def test_dataset_of_another_model_lists_what_does_not_fit(folder: Path) -> None:
    change_args(folder, dataset="humanml")
    text = message(folder)
    assert "missing embed_text.weight" in text
    assert "unexpected embed_action.action_embedding" in text
    assert "poseEmbedding.weight is [8, 150] in the file, [8, 263] in the configuration" in text


def test_nan(folder: Path) -> None:
    state = state_of(folder)
    state["output_process.poseFinal.weight"].data[0, 0] = float("nan")
    torch.save(state, folder / MODEL)
    assert "poseFinal.weight holds NaN" in message(folder)


def test_truncated(folder: Path) -> None:
    whole = (folder / MODEL).read_bytes()
    (folder / MODEL).write_bytes(whole[: len(whole) // 2])
    assert "damaged" in message(folder)


class Harmful:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_does_not_run(folder: Path, zipped: bool) -> None:
    trace = folder / "ran"
    state = {**state_of(folder), "harm": Harmful(trace)}
    torch.save(state, folder / MODEL, _use_new_zipfile_serialization=zipped)
    assert "nothing of it was run" in message(folder)
    assert not trace.exists()


def test_weights_of_multi_gpu_training(folder: Path) -> None:
    expected = load_upstream(folder).state_dict()
    state = torch.load(folder / MODEL, weights_only=True)
    torch.save({f"module.{name}": value for name, value in state.items()}, folder / MODEL)
    read = load_upstream(folder).state_dict()
    assert all(torch.equal(read[name], value) for name, value in expected.items())


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64])
def test_weights_that_are_no_real_numbers(folder: Path, dtype: torch.dtype) -> None:
    state = torch.load(folder / MODEL, weights_only=True)
    name = "output_process.poseFinal.bias"
    state[name] = torch.ones(state[name].shape, dtype=dtype)
    torch.save(state, folder / MODEL)
    assert name in message(folder) and "no real weights" in message(folder)


def test_use_ema_without_average(folder: Path) -> None:
    torch.save({"model": state_of(folder)}, folder / MODEL)
    change_args(folder, use_ema=True)
    assert "no EMA weights" in message(folder)
    change_args(folder, use_ema=False)
    assert load_upstream(folder).config.condition == "action"


def test_old_args_take_the_released_defaults() -> None:
    config = config_from_args({"dataset": "humanml", "latent_dim": 512, "cond_mode": "no_cond"})
    assert config == MDMConfig(condition="none")
    dip = {"dataset": "humanml", "arch": "trans_dec", "text_encoder_type": "bert"}
    config = config_from_args({**dip, "context_len": 20, "lambda_target_loc": 1.0})
    assert (config.pred_len, config.target_cond, len(config.target_joints)) == (20, True, 6)


@pytest.mark.parametrize(
    "values",
    [
        {"arch": "lstm"},
        {"latent_dim": 30},
        {"layers": "many"},
        {"text_encoder_type": "bert"},
        {"diffusion_steps": 9000},
        {"diffusion_steps": -1},
        {"latent_dim": 0},
        {"latent_dim": 10**9},
        {"layers": 0},
        {"layers": float("inf")},
        {"pos_embed_max_len": 10**12},
        {"noise_schedule": "sqrt"},
        {"cond_mask_prob": float("nan")},
        {"lambda_target_loc": "much"},
        {"dataset": ["humanml"]},
    ],
)
def test_arguments_that_make_no_network(values: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match=r"^some/args\.json: "):
        config_from_args({"dataset": "humanml", **values}, "some/args.json")


def test_arguments_that_are_null_take_the_defaults() -> None:
    values = {"layers": None, "lambda_target_loc": None, "context_len": None}
    assert config_from_args({"dataset": "humanml", **values}) == MDMConfig()


# --------------------------------------------------------------------- inference form


@pytest.fixture(scope="module")
def net() -> MDM:
    torch.manual_seed(3)
    return MDM(MDMConfig(width=64, layers=2, ff_size=128, max_positions=64, diffusion_steps=20))


def inputs(batch: int = 2, frames: int = 12) -> tuple[torch.Tensor, torch.Tensor, dict]:
    generator = torch.manual_seed(5)
    x = torch.randn(batch, frames, 263, generator=generator)
    y = {"text_embed": torch.randn(1, batch, 512, generator=generator)}
    return x, torch.arange(batch) + 3, y


def test_text_is_projected_again_when_it_changes(net: MDM) -> None:
    fast = FastMDM(net)
    x, t, y = inputs()
    first = fast(x, t, y).clone()
    y["text_embed"].zero_()
    changed = fast(x, t, y)
    assert not torch.allclose(first, changed)
    assert torch.allclose(changed, fast.guided(0)(x, t, y), atol=1e-6)


def test_text_encoded_in_inference_mode(net: MDM) -> None:
    x, t, y = inputs()
    with torch.inference_mode():
        text = y["text_embed"].clone()
    guided = FastMDM(net).guided(2.5)
    assert torch.equal(guided(x, t, {"text_embed": text}), guided(x, t, y))


def test_text_without_rows_of_its_own_serves_the_whole_batch(net: MDM) -> None:
    x, t, y = inputs()
    one = {"text_embed": y["text_embed"][:, :1]}
    both = {"text_embed": y["text_embed"][:, :1].expand(-1, 2, -1)}
    guided = FastMDM(net).guided(2.5)
    assert torch.allclose(guided(x, t, one), guided(x, t, both), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_close(net: MDM, dtype: torch.dtype) -> None:
    x, t, y = inputs()
    exact = FastMDM(net).guided(2.5)(x, t, y)
    half = FastMDM(net, dtype=dtype).guided(2.5)(x, t, y)
    assert half.dtype == torch.float32
    assert 0 < (half - exact).abs().max() < 0.1


@pytest.mark.skipif(not can_pack(torch.device("cpu"), torch.int8), reason="no 8-bit kernels")
def test_int8_is_close_and_no_clip_feels_another_or_its_padding(net: MDM) -> None:
    net.config = replace(net.config, mask_frames=True)
    x, t, y = inputs()
    y["mask"] = (torch.arange(12) < torch.tensor([[12], [5]]))[:, None, None]
    wanted = FastMDM(net).guided(2.5)(x, t, y)
    guided = FastMDM(net, dtype=torch.int8).guided(2.5)
    out = guided(x, t, y)
    assert 20 * torch.log10(wanted.norm() / (out - wanted).norm()) > 25  # dB
    assert not torch.equal(out, wanted)
    loud = x.clone()
    loud[0], loud[1, 5:] = 3 * x[0], 1000.0
    assert torch.allclose(guided(loud, t, y)[1, :5], out[1, :5], atol=0.02)


@pytest.mark.skipif(not can_pack(torch.device("cpu"), torch.int8), reason="no 8-bit kernels")
def test_int8_product_rounds_weights_by_output_and_inputs_by_row() -> None:
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(64, 40), torch.randn(6, 64)
    with torch.no_grad():
        layer.weight[3] *= 100  # one loud output and one loud row leave the others as they are
        x[2] *= 100
        expected = layer(x)
        error = PackedLinear.of(layer, dtype=torch.int8, rows=6)(x) - expected
    other = [i for i in range(40) if i != 3]
    for row in range(6):
        assert 20 * torch.log10(expected[row, other].norm() / error[row, other].norm()) > 30  # dB
        assert error[row, 3].abs() < 0.05 * expected[:, 3].norm()


def test_int8_is_for_encoders_only() -> None:
    with pytest.raises(ValueError, match="encoders"):
        FastMDM(MDM(MDMConfig(width=64, layers=1, arch="gru")), dtype=torch.int8)


def test_masked_clips_do_not_see_their_padding() -> None:
    torch.manual_seed(3)
    masked = MDM(
        MDMConfig(width=64, layers=2, max_positions=64, diffusion_steps=20, mask_frames=True)
    )
    x, t, y = inputs()
    y["mask"] = (torch.arange(12) < torch.tensor([[12], [5]]))[:, None, None]
    for dtype, atol in ((torch.float32, 1e-5), (torch.bfloat16, 0.1)):
        guided = FastMDM(masked, dtype=dtype).guided(2.5)
        out = guided(x, t, y)
        noisy = x.clone()
        noisy[1, 5:] += 10.0
        assert torch.allclose(guided(noisy, t, y)[1, :5], out[1, :5], atol=1e-5)
        alone = {"text_embed": y["text_embed"][:, 1:]}
        short = FastMDM(masked).guided(2.5)(x[1:, :5], t[1:], alone)
        assert torch.allclose(short, out[1:, :5], atol=atol)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_form_is_the_same_function(net: MDM) -> None:
    x, t, y = inputs()
    compiled = FastMDM(net, compile=True).guided(2.5)(x, t, y)
    assert (compiled - FastMDM(net).guided(2.5)(x, t, y)).abs().max() < 2e-5


def test_unknown_dtype(net: MDM) -> None:
    with pytest.raises(ValueError, match="dtype"):
        FastMDM(net, dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("activation", ["none", "gelu"])
def test_packed_linear_equals_the_layer(dtype: torch.dtype, activation: str) -> None:
    torch.manual_seed(0)
    layer, x, other = torch.nn.Linear(24, 40), torch.randn(2, 5, 24), torch.randn(2, 5, 40)
    packed = PackedLinear.of(layer, dtype=dtype, rows=10, activation=activation)
    with torch.no_grad():
        expected = layer(x)
        if activation == "gelu":
            expected = torch.nn.functional.gelu(expected)
        atol = 1e-6 if dtype == torch.float32 else 3e-2
        assert torch.allclose(packed(x).float(), expected, atol=atol)
        if activation == "none":
            assert torch.allclose(packed.plus(x, other).float(), expected + other, atol=atol)
