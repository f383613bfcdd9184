"""HY-Motion against Tencent-Hunyuan/HY-Motion-1.0 @9993ccd, small random weights (spec C.7)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from backend.motion.representations import motion135
from backend.motion.rotations import matrix_to_rot6d_interleaved
from backend.pipelines.hymotion.sampling import (
    NullFeatures,
    TextFeatures,
    denormalised,
    sample_flow,
    to_motion135,
)
from backend.store.model_folder import Stats
from tests.hymotion_model import build, golden_hymotion
from tests.released import below

STEPS, GUIDANCE = 6, 5.0
EDGE = 5
"""Frames at each end that the window of the smoothing reaches beyond."""


@pytest.fixture(scope="module")
def z() -> dict[str, torch.Tensor]:
    return golden_hymotion()


def close(a: Any, b: Any, tolerance: float) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=tolerance)


def case(z: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        "tokens": z["fwd.ctxt"],
        "token_mask": z["fwd.cmask"],
        "pooled": z["fwd.vtxt"][:, 0],
        "lengths": z["fwd.xmask"].sum(1),
    }


def test_forward(z: dict[str, torch.Tensor]) -> None:
    out = build()(z["fwd.x"], z["fwd.t"], case(z))
    real = z["fwd.xmask"].bool()
    close(out[real], z["fwd.out"][real], 5e-6)


def test_frames_beyond_a_clip_may_be_left_out(z: dict[str, torch.Tensor]) -> None:
    lengths = z["fwd.xmask"].sum(1)
    row = int(lengths.argmin())
    short = int(lengths[row])
    y = {k: v[row : row + 1] for k, v in case(z).items()}
    net = build()
    cut = net(z["fwd.x"][row : row + 1, :short], z["fwd.t"][row : row + 1], y)
    close(cut[0], z["fwd.out"][row, :short], 5e-6)


def sampled(z: dict[str, torch.Tensor], real_tokens: int) -> np.ndarray:
    weights = below(z, "w")
    mask = torch.arange(z["fwd.ctxt"].shape[1])[None] < real_tokens
    text = TextFeatures(z["fwd.ctxt"][:1], mask, z["fwd.vtxt"][:1, 0])
    nulls = NullFeatures(weights["null_vtxt_feat"][0, 0], weights["null_ctxt_input"][0, 0])
    length = z["gen.latent_denorm"].shape[1]
    (clip,) = sample_flow(
        build(), text, nulls, [length], z["gen.noise"], steps=STEPS, guidance=GUIDANCE
    )
    return denormalised(clip, Stats(weights["mean"], weights["std"]))


def test_sampling(z: dict[str, torch.Tensor]) -> None:
    """How many of the tokens are real is in no array of the golden run: one number fits."""
    wanted = z["gen.latent_denorm"][0].numpy()
    errors = [
        np.abs(sampled(z, count) - wanted).max() for count in range(1, 1 + z["fwd.ctxt"].shape[1])
    ]
    assert min(errors) < 1e-5
    assert sorted(errors)[1] > 1e-2


def test_smoothing(z: dict[str, torch.Tensor]) -> None:
    smooth = to_motion135(z["gen.latent_denorm"][0].numpy())
    root, rotations = motion135.unpack(smooth)
    inner = slice(EDGE, -EDGE)
    close(root[inner], z["gen.transl"][0][inner], 1e-5)
    close(matrix_to_rot6d_interleaved(rotations)[inner], z["gen.rot6d"][0][inner], 1e-5)
    # the polynomials of the edges are solved for in float32, each processor to its own rounding
    close(root, z["gen.transl"][0], 1e-3)
    close(matrix_to_rot6d_interleaved(rotations), z["gen.rot6d"][0], 1e-3)
    plain = to_motion135(z["gen.latent_denorm"][0].numpy(), smooth=False)
    assert np.abs(plain - smooth).max() > 0.01
