"""MoGenTS's transformers against weihaosky/mogents @4128804 (random weights, float32).

Only places of real tokens are compared: what the networks give for padding is never used.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from backend.models.mogents.config import MoGenTSConfig
from backend.models.mogents.layers import GridPositions
from backend.models.mogents.layout import Layout
from backend.models.mogents.mask import GridMaskNet, MaskNet
from backend.models.mogents.networks import Networks
from backend.models.mogents.residual import AuxResidualNet, GridResidualNet, ResidualNet
from backend.models.mogents.sampling import mask_logits, residual_logits
from backend.pipelines.mogents import folder as mogents_files
from tests.mogents_model import arrays, unpack

RAW, GUIDED = 2e-4, 5e-4


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    folder = unpack("artifact", tmp_path_factory.mktemp("mogents"))
    return mogents_files.load(Path(folder))[0]


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return arrays("nets_golden")


@pytest.fixture
def layout(golden: dict[str, Tensor]) -> Layout:
    return Layout(golden["lens"].tolist())


def close(actual: Tensor, released: Tensor, layout: Layout, atol: float) -> None:
    """``[B, S, V]`` against the released order ``[B, V, S]``."""
    live = layout.live.repeat_interleave(actual.shape[1] // layout.rows, dim=1)
    expected = released.transpose(1, 2)[live]
    torch.testing.assert_close(actual[live], expected, rtol=0, atol=atol)


def mask_net(networks: Networks, name: str) -> MaskNet:
    return networks.mask_aux if name == "aux" else networks.mask_ts


def residual_net(networks: Networks, name: str) -> ResidualNet:
    return networks.res_aux if name == "aux" else networks.res_ts


def codes(golden: dict[str, Tensor], name: str) -> Tensor:
    return golden[f"res_{name}_codes"]


@torch.no_grad()
@pytest.mark.parametrize("name", ["aux", "ts"])
def test_mask_logits(
    networks: Networks, golden: dict[str, Tensor], layout: Layout, name: str
) -> None:
    net, ids, text = mask_net(networks, name), golden[f"{name}_ids"].flatten(1), golden["emb"]
    close(mask_logits(net, ids, text, layout), golden[f"{name}_logits_cond"], layout, RAW)
    empty = mask_logits(net, ids, text, layout, unconditional=True)
    close(empty, golden[f"{name}_logits_uncond"], layout, RAW)
    guided = mask_logits(net, ids, text, layout, guidance_scale=4)
    close(guided, golden[f"{name}_logits_cfg4"], layout, GUIDED)


@torch.no_grad()
@pytest.mark.parametrize(("joint", "time"), [(False, False), (True, False), (False, True)])
def test_attention_options(
    networks: Networks, golden: dict[str, Tensor], layout: Layout, joint: bool, time: bool
) -> None:
    """The condition is a key of the time attention only without joint attention."""
    name = f"attnj{joint:d}_attnt{time:d}"
    vq, text = networks.config.vq, golden["emb"]
    mask = replace(networks.config.mask, attnj=joint, attnt=time)
    net = GridMaskNet(mask, vq.nb_code2d, vq.code_dim2d)
    net.load_state_dict(networks.mask_ts.state_dict(), strict=False)
    logits = mask_logits(net, golden["ts_ids"].flatten(1), text, layout)
    close(logits, golden[f"ts_logits_cond_{name}"], layout, RAW)
    residual = replace(networks.config.res, attnj=joint, attnt=time)
    res = GridResidualNet(residual, vq.nb_code2d, vq.code_dim2d, vq.num_quantizers)
    res.load_state_dict(networks.res_ts.state_dict(), strict=False)
    hidden = res.hidden(res.features(codes(golden, "ts"), text, 1, layout))
    close(hidden, golden[f"res_ts_hidden_q1_{name}"], layout, RAW)


@torch.no_grad()
@pytest.mark.parametrize("stage", [1, 5])
@pytest.mark.parametrize("name", ["aux", "ts"])
def test_residual_stages(
    networks: Networks, golden: dict[str, Tensor], layout: Layout, name: str, stage: int
) -> None:
    net, total, text = residual_net(networks, name), codes(golden, name), golden["emb"]
    hidden = net.hidden(net.features(total, text, stage, layout))
    close(hidden, golden[f"res_{name}_hidden_q{stage}"], layout, RAW)
    logits = residual_logits(net, total, text, stage, layout)
    close(logits, golden[f"res_{name}_logits_cond_q{stage}"], layout, RAW)
    guided = residual_logits(net, total, text, stage, layout, guidance_scale=5)
    close(guided, golden[f"res_{name}_logits_cfg5_q{stage}"], layout, GUIDED)


@torch.no_grad()
@pytest.mark.parametrize("name", ["aux", "ts"])
def test_unshared_heads(
    networks: Networks, golden: dict[str, Tensor], layout: Layout, name: str
) -> None:
    vq = networks.config.vq
    config = replace(networks.config.res, share_weight=False)
    net: ResidualNet = (
        AuxResidualNet(config, vq.nb_code1d, vq.code_dim1d, vq.num_quantizers)
        if name == "aux"
        else GridResidualNet(config, vq.nb_code2d, vq.code_dim2d, vq.num_quantizers)
    )
    own = ("output_proj_weight", "output_proj_bias", "token_embed_weight")
    state = residual_net(networks, name).state_dict()
    state = {key: value for key, value in state.items() if key in net.state_dict()}
    net.load_state_dict({**state, **{key: golden[f"ns_{name}_{key}"] for key in own}})
    logits = residual_logits(net, codes(golden, name), golden["emb"], 2, layout, guidance_scale=5)
    close(logits, golden[f"ns_{name}_logits_cfg5_q2"], layout, GUIDED)


@torch.no_grad()
def test_one_clip_alone(networks: Networks, golden: dict[str, Tensor], layout: Layout) -> None:
    """The 2-D residual network mixes the clips of a batch, unless they are kept apart."""
    alone = Layout(layout.lengths[:1])
    net, text, total = networks.res_ts, golden["emb"], codes(golden, "ts")
    released = golden["res_ts_hidden_q1_sample0_alone"]
    close(net.hidden(net.features(total[:1], text[:1], 1, alone)), released, alone, RAW)
    apart = Layout(layout.lengths, independent=True)
    hidden = net.hidden(net.features(total, text, 1, apart))
    close(hidden[:1], released, alone, RAW)
    mixed = net.hidden(net.features(total, text, 1, layout))
    assert (mixed[:1] - hidden[:1]).abs().max() > 0.1
    ids = golden["ts_ids"].flatten(1)
    logits = mask_logits(networks.mask_ts, ids[:1], text[:1], alone)
    close(logits, golden["ts_logits_cond_sample0_alone"], alone, RAW)


def test_position_table(golden: dict[str, Tensor]) -> None:
    expected = golden["pe2d_slice"]
    table = GridPositions(expected.shape[-1]).pe
    assert torch.equal(table[[0, 1, 2, 7, 199]][:, [0, 1, 5, 49]], expected)


def test_names_and_shapes_of_the_published_model(kit: Path) -> None:
    content = json.loads((kit / "mogents" / "real_state_shapes.json").read_text("utf-8"))
    shapes = content["shapes"]
    with torch.device("meta"):
        published = Networks.build(MoGenTSConfig())
    for name, module in published.parts():
        ours = {key: list(value.shape) for key, value in module.state_dict().items()}
        assert ours == shapes[name]
