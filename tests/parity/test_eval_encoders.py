"""Evaluator networks against the released implementations on seeded weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from backend.evaluation.evaluators.parts.actor import (
    ActorConfig,
    ActorDecoder,
    ActorEncoder,
    encoder_config,
    from_motionstreamer,
)
from backend.evaluation.evaluators.parts.hml263_network import T2MEvaluator, T2MEvaluatorConfig
from tests.parity.formula import formula_array, formula_weight

GOLDEN = Path(__file__).parent / "golden" / "evaluators"


def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def weights(z: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {k[2:]: torch.from_numpy(v) for k, v in z.items() if k.startswith("w/")}


def filled(net: nn.Module, section: str, seed: int) -> None:
    state = {
        key: torch.from_numpy(formula_weight(f"{section}.{key}", tuple(value.shape), seed))
        for key, value in net.state_dict().items()
    }
    net.load_state_dict(state)


def t2m(name: str) -> tuple[T2MEvaluator, dict[str, Any]]:
    manifest = json.loads((GOLDEN / f"{name}.manifest.json").read_text())
    d = manifest["dims"]
    net = T2MEvaluator(
        T2MEvaluatorConfig(
            d["pose"],
            d["word"],
            d["pos"],
            d["text_hidden"],
            d["coemb"],
            d["mov_hidden"],
            d["mov_latent"],
            d["motion_hidden"],
        )
    ).eval()
    for section in ("text_encoder", "motion_encoder", "movement_encoder"):
        part = getattr(net, section)
        shapes = {key: list(value.shape) for key, value in part.state_dict().items()}
        assert shapes == manifest["key_shapes"][section]
        filled(part, section, manifest["formula_seed"])
    return net, manifest


@pytest.mark.parametrize("name", ["evaluator_small", "evaluator_full"])
@torch.no_grad()
def test_hml263_evaluator(name: str) -> None:
    net, manifest = t2m(name)
    z = arrays(name)
    seed = manifest["formula_seed"]
    words, motion = (
        formula_array(key, tuple(spec["shape"]), seed, spec["scale"])
        for key, spec in manifest["inputs"].items()
    )
    lengths = torch.from_numpy(z["m_lens"])
    x = torch.from_numpy(motion)
    x = x * (torch.arange(x.shape[1]) < lengths[:, None])[..., None]
    tags = torch.eye(15)[torch.from_numpy(z["pos_index"]).long()]
    order = z["align_idx"]

    movements = net.movement_encoder(x[order[:2], :, :-4])
    assert np.abs(movements[:, :6].numpy() - z["movements_head"]).max() < 2e-5
    text = net.embed_text(torch.from_numpy(words), tags, torch.from_numpy(z["cap_lens"]))
    assert np.abs(text.numpy()[order] - z["text_embedding"]).max() < 2e-5
    found = net.embed_motion(x, lengths).numpy()
    assert np.abs(found[order] - z["motion_embedding"]).max() < 2e-5


@pytest.mark.parametrize("name", ["tmr_motion_encoder", "tmr_text_encoder"])
@torch.no_grad()
def test_tmr_encoders(name: str) -> None:
    z = arrays(name)
    state = weights(z)
    net = ActorEncoder(encoder_config(state)).eval()
    net.load_state_dict(state)
    mu, logvar = net(torch.from_numpy(z["x"]), torch.from_numpy(z["mask"]).bool())
    assert np.abs(mu.numpy() - z["mu"]).max() < 2e-5
    assert np.abs(logvar.numpy() - z["logvar"]).max() < 2e-5


@torch.no_grad()
def test_tmr_decoder() -> None:
    z = arrays("tmr_motion_decoder")
    state = weights(z)
    features, latent = state["final_layer.weight"].shape
    wide = len(state["seqTransDecoder.layers.0.linear1.bias"])
    config = ActorConfig(features, latent, layers=2, feed_forward=wide)
    net = ActorDecoder(config).eval()
    net.load_state_dict(state)
    mask = torch.from_numpy(z["mask"]).bool()
    found = net(torch.from_numpy(z["z"]), mask).numpy()
    assert np.abs(found - z["motion"]).max() < 2e-5
    assert not found[~mask.numpy()].any()


@pytest.mark.parametrize(
    ("name", "features", "relu_first"),
    [
        ("ms272_evaluator_motion_encoder", "features", False),
        ("ms272_evaluator_text_head", "token_features", True),
    ],
)
@torch.no_grad()
def test_ms272_evaluator(name: str, features: str, relu_first: bool) -> None:
    z = arrays(name)
    state = from_motionstreamer(weights(z))
    net = ActorEncoder(encoder_config(state, relu_first=relu_first)).eval()
    net.load_state_dict(state)
    x = torch.from_numpy(z[features])
    mask = (
        torch.from_numpy(z["token_mask"]).bool()
        if "token_mask" in z
        else torch.arange(x.shape[1]) < torch.from_numpy(z["lengths"])[:, None]
    )
    mu, logvar = net(x, mask)
    assert np.abs(mu.numpy() - z["mu"]).max() < 2e-5
    assert np.abs((0.5 * logvar).exp().numpy() - z["std"]).max() < 2e-5
    # more padding changes nothing
    padded = torch.cat([x, torch.full_like(x[:, :5], 7.0)], 1)
    more, _ = net(padded, torch.cat([mask, mask.new_zeros(len(mask), 5)], 1))
    assert np.abs(more.numpy() - z["mu"]).max() < 2e-5


def test_tmr_similarity_and_losses() -> None:
    from backend.evaluation.retrieval import cosine, tmr_score
    from backend.training.evaluator import contrastive

    z = arrays("tmr_similarity_and_losses")
    tensor = {key: torch.from_numpy(value) for key, value in z.items()}
    assert np.abs(cosine(z["text_mu"], z["motion_mu"]) - z["sim"]).max() < 1e-5
    assert np.abs(tmr_score(z["text_mu"], z["motion_mu"]) - z["score"].diagonal()).max() < 1e-5
    plain = contrastive.info_nce(tensor["nce_text"], tensor["nce_motion"], 0.1)
    assert float(plain) == pytest.approx(float(z["infonce_plain"]), abs=1e-5)
    hidden = contrastive.alike(tensor["sent_emb"], 0.8)
    off = np.argwhere(hidden.numpy() & ~np.eye(len(hidden), dtype=bool))
    assert np.array_equal(off, z["selfsim_pairs_masked"])
    filtered = contrastive.info_nce(tensor["nce_text"], tensor["nce_motion"], 0.1, hidden)
    assert float(filtered) == pytest.approx(float(z["infonce_filtered"]), abs=1e-5)
    motion, text = ((tensor[f"{n}_mu"], tensor[f"{n}_logvar"]) for n in ("motion", "text"))
    prior = torch.zeros_like(motion[0]), torch.zeros_like(motion[0])
    kl = contrastive.gaussian_kl
    assert float(kl(*motion, *text)) == pytest.approx(float(z["kl_motion_text"]), abs=1e-5)
    assert float(kl(*motion, *prior)) == pytest.approx(float(z["kl_motion_prior"]), abs=1e-5)
