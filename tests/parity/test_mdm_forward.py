"""MDM's network against golden data, in every variant that the release has."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from backend.diffusion.exact import two_pass
from backend.models.mdm.fast import FastMDM
from backend.models.mdm.network import MDM, MDMConfig
from backend.models.mdm.release import read_state
from tests.parity.mdm_golden import (
    GOLDEN,
    batch_first,
    frame_mask,
    from_manifest,
    gap,
    golden,
    released,
    text_of,
)


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


def test_text_encoder_variant() -> None:
    z, _ = golden("text_enc/forward")
    net = released("text_enc")
    y = {"text_embed": z["text_embed"], "mask": frame_mask(z["lengths"], 10)}
    assert gap(net(z["x"], z["t"], y), z["out_cond"]) < 2e-5
    assert gap(net(z["x"], z["t"], {**y, "uncond": True}), z["out_uncond"]) < 2e-5
    guided = two_pass(net, float(z["scale"]))
    assert gap(guided(z["x"], z["t"], y), z["out_cfg"]) < 5e-5


def test_stages_of_the_text_encoder_variant() -> None:
    z, _ = golden("text_enc/forward")
    net = released("text_enc")
    time, text = net.embed_timestep(z["t"]), net.embed_text(z["text_embed"])
    assert gap(time, z["time_emb"]) < 2e-5
    assert gap(text, z["text_emb"]) < 2e-6
    hidden = net.sequence_pos_encoder(torch.cat((text + time, net.input_process(z["x"]))))
    assert gap(hidden, z["seq_in"]) < 2e-5
    for i, layer in enumerate(net.seqTransEncoder.layers):
        hidden = layer(hidden)
        assert gap(hidden, z[f"layer{i}_out"]) < 2e-5


def test_masked_frames() -> None:
    z, _ = golden("text_enc/forward")
    plain = released("text_enc")
    net = MDM(dataclasses.replace(plain.config, mask_frames=True)).eval()
    net.load_state_dict(plain.state_dict())
    y = {"text_embed": z["text_embed"], "mask": frame_mask(z["lengths"], 10)}
    assert gap(net(z["x"], z["t"], y), z["out_maskframes"]) < 2e-5
    fast = FastMDM(net)(batch_first(z["x"]), z["t"], y)
    assert gap(fast, batch_first(z["out_maskframes"])) < 2e-5


def test_rows_without_condition_equal_the_unconditional_pass() -> None:
    z, _ = golden("text_enc/forward")
    net = released("text_enc")
    y = {"text_embed": z["text_embed"], "drop": torch.tensor([False, True])}
    out = net(z["x"], z["t"], y)
    assert gap(out[:1], z["out_cond"][:1]) < 2e-5
    assert gap(out[1:], z["out_uncond"][1:]) < 2e-5


@pytest.mark.parametrize(
    "name",
    [
        "text_enc_true_dims/forward",
        "gru_forward",
        "trans_dec/trans_dec_clip",
        "trans_dec/trans_dec_clip_emb",
        "trans_dec/trans_dec_bert",
        "trans_dec/trans_dec_bert_emb",
    ],
)
def test_formula_weights(name: str) -> None:
    z, manifest = golden(name)
    net = from_manifest(manifest)
    y = {"text_embed": text_of(z)}
    if "lengths" in z:
        y["mask"] = frame_mask(z["lengths"], z["x"].shape[-1])
    assert gap(net(z["x"], z["t"], y), z["out_cond"]) < 2e-5
    assert gap(net(z["x"], z["t"], {**y, "uncond": True}), z["out_uncond"]) < 2e-5
    fast, x = FastMDM(net), batch_first(z["x"])
    assert gap(fast(x, z["t"], y), batch_first(z["out_cond"])) < 2e-5
    assert gap(fast.guided(0)(x, z["t"], y), batch_first(z["out_uncond"])) < 2e-5
    expected = z["out_uncond"] + 2.5 * (z["out_cond"] - z["out_uncond"])
    assert gap(fast.guided(2.5)(x, z["t"], y), batch_first(expected)) < 5e-5


def test_names_and_shapes_of_the_released_checkpoint() -> None:
    expected = json.loads((GOLDEN / "text_enc_true_dims" / "key_shapes.json").read_text())
    with torch.device("meta"):
        net = MDM(MDMConfig())
    assert {name: list(value.shape) for name, value in net.state_dict().items()} == expected


def test_prefix_completion_with_a_target() -> None:
    z, manifest = golden("dip_prefix")
    net = from_manifest(manifest)
    y = {
        "text_embed": text_of(z),
        "mask": torch.ones(2, 1, 1, 8, dtype=torch.bool),
        "prefix": z["prefix"],
    }
    assert gap(net(z["x"], z["t"], y), z["out_no_target"]) < 2e-5
    y |= {
        "target_cond": z["target_cond"],
        "target_joint_names": manifest["target_joint_names"],
        "is_heading": z["is_heading"],
    }
    assert gap(net(z["x"], z["t"], y), z["out_cond"]) < 2e-5
    assert gap(net(z["x"], z["t"], {**y, "uncond": True}), z["out_uncond"]) < 2e-5
    assert gap(net(z["x"], z["t"], {**y, "target_uncond": True}), z["out_target_uncond"]) < 2e-5


def test_action_variant_and_its_unconstrained_twin() -> None:
    z, _ = golden("action/forward")
    net = released("action")
    y = {"action": z["action"]}
    assert gap(net(z["x"], z["t"], y), z["out_cond"]) < 2e-5
    assert gap(net(z["x"], z["t"], {**y, "uncond": True}), z["out_uncond"]) < 2e-5
    fast = FastMDM(net)
    assert gap(fast(batch_first(z["x"]), z["t"], y), batch_first(z["out_cond"])) < 2e-5
    free = MDM(dataclasses.replace(net.config, condition="none")).eval()
    weights = {k: v for k, v in net.weights().items() if not k.startswith("embed_action")}
    free.load_state_dict(weights, strict=False)
    assert gap(free(z["x"], z["t"]), z["out_no_cond_model"]) < 2e-5


def test_ema_weights_are_taken_where_args_say_so() -> None:
    z, _ = golden("trans_dec_bert_ema/goldens")
    net = released("trans_dec_bert_ema")
    y = {"text_embed": text_of(z), "mask": frame_mask(z["lengths"], 8)}
    assert gap(net(z["x"], z["t"], y), z["out_avg"]) < 2e-5
    raw = read_state(GOLDEN / "trans_dec_bert_ema" / "model000000100.pt", use_ema=False)
    net.load_state_dict(raw, strict=False)
    assert gap(net(z["x"], z["t"], y), z["out_model"]) < 2e-5
