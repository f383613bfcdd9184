"""The three conditionings of the DiT block against float64 golden data (spec: lab_conditioning)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.models.dit import Block, modulate, sinusoidal

GOLDEN = Path(__file__).parent / "golden" / "lab" / "lab_conditioning.npz"
HEADS = 4
TOLERANCE = 1e-10


@pytest.fixture(scope="module")
def lab() -> dict[str, torch.Tensor]:
    with np.load(GOLDEN, allow_pickle=False) as data:
        return {name: torch.from_numpy(data[name]) for name in data.files}


def build(lab: dict[str, torch.Tensor], conditioning: str, gates: bool = True) -> Block:
    """A block of the golden's size that holds the golden's weights."""
    width = lab["x"].shape[-1]
    block = Block(width, HEADS, conditioning, gates=gates).double()
    names = {"qkv": "qkv", "out": "o", "fc1": "fc1", "fc2": "fc2"}
    if conditioning == "adaln":
        names["modulation.up"] = "ada"
    if conditioning == "cross_attention":
        names |= {"cross.q": "xq", "cross.kv": "xkv", "cross.out": "xo"}
    state = {}
    for ours, theirs in names.items():
        state[f"{ours}.weight"] = lab[f"w/{theirs}_w"]
        state[f"{ours}.bias"] = lab[f"w/{theirs}_b"]
    norms = {
        "adaln": [],
        "in_context": ["norm1", "norm2"],
        "cross_attention": ["norm1", "norm2", "cross.norm"],
    }[conditioning]
    for index, norm in enumerate(norms, start=1):
        state[f"{norm}.weight"] = lab[f"w/n{index}_w"]
        state[f"{norm}.bias"] = lab[f"w/n{index}_b"]
    block.load_state_dict(state, strict=True)
    return block


def close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    np.testing.assert_allclose(actual.detach().numpy(), expected.numpy(), rtol=0, atol=TOLERANCE)


def test_adaln(lab: dict[str, torch.Tensor]) -> None:
    close(modulate(lab["x"], lab["gamma"], lab["beta"]), lab["adaln"])


def test_adaln_zero_block(lab: dict[str, torch.Tensor]) -> None:
    close(build(lab, "adaln")(lab["x"], condition=lab["c"]), lab["block_adaln_zero"])


def test_adaln_block_without_gates(lab: dict[str, torch.Tensor]) -> None:
    block = build(lab, "adaln", gates=False)
    close(block(lab["x"], condition=lab["c"]), lab["block_adaln"])


def test_in_context_block(lab: dict[str, torch.Tensor]) -> None:
    joined = torch.cat([lab["c"][:, None], lab["x"]], 1)
    out = build(lab, "in_context")(joined)
    frames = lab["x"].shape[1]
    close(out[:, -frames:], lab["block_in_context"])


def test_cross_attention_block(lab: dict[str, torch.Tensor]) -> None:
    block = build(lab, "cross_attention")
    close(block(lab["x"], context=lab["ctx"]), lab["block_cross_attention"])


def test_timestep_embedding(lab: dict[str, torch.Tensor]) -> None:
    close(sinusoidal(lab["timesteps"], 16), lab["timestep_embedding_dim16_cos_sin"])
