"""MoGenTS's samplers against weihaosky/mogents @4128804: equal ids from equal seeds."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.models.mogents.draws import BatchDraws
from backend.models.mogents.layout import Layout
from backend.models.mogents.networks import Networks
from backend.models.mogents.residual import ResidualNet
from backend.models.mogents.sampling import (
    MaskOptions,
    ResidualOptions,
    mask_logits,
    residual_logits,
    sample_masked,
    sample_residual,
)
from backend.pipelines.mogents import MoGenTSPipeline
from tests.mogents_model import arrays, sampling_cases, unpack

LENGTHS = (9, 6, 4)
GUIDED = 5e-4
MASK_CASES = [name for name in sampling_cases() if name.startswith("mask")]
RESIDUAL_CASES = [name for name in sampling_cases() if "res_" in name]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> MoGenTSPipeline:
    folder = unpack("artifact", tmp_path_factory.mktemp("mogents"))
    return MoGenTSPipeline.from_pretrained(Path(folder), device="cpu", local_files_only=True)


@pytest.fixture(scope="module")
def networks(pipeline: MoGenTSPipeline) -> Networks:
    return pipeline.networks


@pytest.fixture(scope="module")
def text() -> Tensor:
    return arrays("text_embeddings")["emb"]


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return arrays("sampling_golden")


@pytest.fixture(scope="module", autouse=True)
def same_random_stream() -> None:
    """``exponential_`` depends on how PyTorch was built; the goldens hold for one stream."""
    probe = sampling_cases()["rng_probe"]
    generator = torch.Generator().manual_seed(probe["torch_seed"])
    torch.rand(8, generator=generator)
    values = torch.empty(8).exponential_(generator=generator)
    if not np.allclose(values, probe["exponential8_after_that"]):
        pytest.skip("this build of PyTorch draws another stream of random numbers")


def started(case: dict[str, object]) -> tuple[torch.Generator, BatchDraws]:
    generator = torch.Generator().manual_seed(int(str(case["torch_seed"])))
    return generator, BatchDraws(generator)


def assert_all_drawn(generator: torch.Generator, case: dict[str, object]) -> None:
    assert torch.rand(1, generator=generator).item() == case["next_torch_rand"]


@pytest.mark.parametrize("name", MASK_CASES)
def test_mask_networks(
    networks: Networks, text: Tensor, golden: dict[str, Tensor], name: str
) -> None:
    case = sampling_cases()[name]
    net = networks.mask_ts if "_ts" in name else networks.mask_aux
    options = MaskOptions(
        case["timesteps"],
        case["cond_scale"],
        case["temperature"],
        case["topk_filter_thres"],
        case["gsample"],
        case.get("force_mask", False),
    )
    generator, draws = started(case)
    ids = sample_masked(net, text, Layout(LENGTHS), draws, options)
    assert torch.equal(ids, golden[f"{name}_ids"])
    assert_all_drawn(generator, case)


def with_golden_tables(net: ResidualNet, golden: dict[str, Tensor], name: str) -> ResidualNet:
    """The ``ovr`` cases have tables that make padding and mask ids likely."""
    net = copy.deepcopy(net)
    for key in ("embed_proj_shared_weight", "output_proj_weight_"):
        getattr(net, key).data = golden[f"{name}_{key}"]
    return net


@pytest.mark.parametrize("name", RESIDUAL_CASES)
def test_residual_networks(
    networks: Networks, text: Tensor, golden: dict[str, Tensor], name: str
) -> None:
    case = sampling_cases()[name]
    net: ResidualNet = networks.res_ts if "_ts" in name else networks.res_aux
    if name.startswith("ovr"):
        net = with_golden_tables(net, golden, name)
    options = ResidualOptions(
        case["cond_scale"],
        case["temperature"],
        case.get("topk_filter_thres", 0.9),
        case.get("num_res_layers"),
    )
    generator, draws = started(case)
    ids = sample_residual(net, golden[case["base"]], text, Layout(LENGTHS), draws, options)
    assert torch.equal(ids, golden[f"{name}_ids"])
    assert_all_drawn(generator, case)


@torch.no_grad()
@pytest.mark.parametrize("name", ["mask_aux", "mask_ts", "res_aux", "res_ts"])
def test_logits_of_every_step(
    networks: Networks, text: Tensor, golden: dict[str, Tensor], name: str
) -> None:
    layout = Layout(LENGTHS)
    for step, (given, expected) in enumerate(
        zip(golden[f"{name}_trace_in"], golden[f"{name}_trace_logits"], strict=True)
    ):
        if name.startswith("mask"):
            net = networks.mask_ts if name == "mask_ts" else networks.mask_aux
            logits = mask_logits(net, given.flatten(1), text, layout, guidance_scale=4)
        else:
            res: ResidualNet = networks.res_ts if name == "res_ts" else networks.res_aux
            logits = residual_logits(res, given, text, step + 1, layout, guidance_scale=5)
        live = layout.live.repeat_interleave(logits.shape[1] // layout.rows, dim=1)
        released = expected.transpose(1, 2)[live]
        torch.testing.assert_close(logits[live], released, rtol=0, atol=GUIDED)


def test_estimated_lengths(pipeline: MoGenTSPipeline) -> None:
    golden = arrays("length_golden")
    for seed, bins in zip(golden["sample_seeds"].tolist(), golden["samples"], strict=True):
        draws = BatchDraws(torch.Generator().manual_seed(seed))
        assert pipeline.estimate_lengths(golden["emb"], draws) == bins.clamp(min=1).tolist()


@pytest.mark.parametrize("name", ["pipe", "pipelen"])
def test_whole_pipeline(
    pipeline: MoGenTSPipeline, text: Tensor, golden: dict[str, Tensor], name: str
) -> None:
    case = sampling_cases()[name]
    generator, draws = started(case)
    rows = case["token_lens"]
    if name == "pipelen":
        assert pipeline.estimate_lengths(text, draws) == rows
    aux, grid = pipeline.sample_tokens(text, rows, draws, independent=False)
    assert torch.equal(aux, golden[f"{name}_ids_aux"])
    assert torch.equal(grid, golden[f"{name}_ids_ts"])
    clips = pipeline.decode_tokens(aux, grid, rows, independent=False)
    for clip, count, padded in zip(clips, rows, golden[f"{name}_motion_denorm"], strict=True):
        assert clip.shape == (4 * count, 263)
        np.testing.assert_allclose(clip, padded[: 4 * count], rtol=1e-6, atol=1e-5)
    assert_all_drawn(generator, case)
