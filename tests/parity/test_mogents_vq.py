"""MoGenTS's two-stream VQ-VAE against weihaosky/mogents @4128804 (random weights, float32)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from backend.models.mogents.networks import Networks
from backend.models.mogents.vq import DualVQ
from backend.pipelines.mogents import folder as mogents_files
from tests.mogents_model import arrays, unpack

ATOL, RTOL = 1e-5, 1e-6


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=RTOL, atol=ATOL)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    folder = unpack("artifact", tmp_path_factory.mktemp("mogents"))
    return mogents_files.load(Path(folder))[0]


@pytest.fixture(scope="module")
def vq(networks: Networks) -> DualVQ:
    return networks.vq


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return arrays("vq_golden")


# e1 has 22 frames, no multiple of 4
@pytest.mark.parametrize("case", ["e0", "e1", "e2"])
def test_token_ids_and_motion(vq: DualVQ, golden: dict[str, Tensor], case: str) -> None:
    motion = golden[f"{case}_motion"]
    with torch.no_grad():
        ids1d, ids2d = vq.encode(motion)
        decoded, _ = vq.decode(ids1d, ids2d)
        full = vq(motion)
    assert torch.equal(ids1d, golden[f"{case}_ids1d"])
    assert torch.equal(ids2d, golden[f"{case}_ids2d"])
    close(decoded, golden[f"{case}_decoded"])
    close(full.quantized1d.commit, golden[f"{case}_fwd_commit1d"])
    close(full.quantized1d.perplexity, golden[f"{case}_fwd_perp1d"])
    close(full.quantized2d.commit, golden[f"{case}_fwd_commit2d"])
    close(full.quantized2d.perplexity, golden[f"{case}_fwd_perp2d"])


def test_inside_of_a_pass(vq: DualVQ, golden: dict[str, Tensor]) -> None:
    motion = golden["e0_motion"]
    with torch.no_grad():
        latent1d, latent2d = vq.latents(motion)
        full = vq(motion)
        aux = vq.decode(golden["e0_ids1d"], golden["e0_ids2d"])[1]
    assert torch.equal(vq.split_joints(motion), golden["e0_x2d"])
    close(latent1d, golden["e0_latent1d"])
    close(latent2d, golden["e0_latent2d"])
    close(full.aux, golden["e0_fwd_aux"])
    close(full.joints, golden["e0_fwd_jmotion"])
    close(full.motion, golden["e0_fwd_out"])
    close(aux, golden["e0_decoded_aux"])


# d has -1 ids (no code), d2 two quantizers only
@pytest.mark.parametrize("case", ["d", "d2"])
def test_decoding_gaps(vq: DualVQ, golden: dict[str, Tensor], case: str) -> None:
    with torch.no_grad():
        motion, aux = vq.decode(golden[f"{case}_ids1d"], golden[f"{case}_ids2d"])
    close(motion, golden[f"{case}_decoded"])
    close(aux, golden[f"{case}_decoded_aux"])


def test_length_estimator(networks: Networks) -> None:
    golden = arrays("length_golden")
    assert networks.length_est is not None
    with torch.no_grad():
        close(networks.length_est(golden["emb"]), golden["logits"])
        close(networks.length_est.probabilities(golden["emb"]), golden["probs"])
