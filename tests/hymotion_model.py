"""The small golden HY-Motion model, its shape read from its tensors."""

from __future__ import annotations

import torch

from backend.models.hymotion.config import HYMotionConfig, config_of
from backend.models.hymotion.network import HYMotionNet
from tests.released import below, golden

BAND = 12
"""Frames of the golden network's band (narrowband_length 0.4 s); in no tensor."""


def golden_hymotion() -> dict[str, torch.Tensor]:
    return golden("hymotion/hymotion_tiny_golden.npz")


def network_weights() -> dict[str, torch.Tensor]:
    return below(below(golden_hymotion(), "w"), "motion_transformer")


def config() -> HYMotionConfig:
    shapes = {name: tuple(value.shape) for name, value in network_weights().items()}
    return config_of(shapes, frames=golden_hymotion()["fwd.x"].shape[1], band=BAND)


def build() -> HYMotionNet:
    net = HYMotionNet(config())
    net.load_state_dict(network_weights())
    return net.eval().requires_grad_(False)
