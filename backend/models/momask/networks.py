"""All networks of a MoMask model, under the names of their files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from ..mogents.length import LengthEstimator
from ..mogents.mask import AuxMaskNet
from ..mogents.residual import AuxResidualNet
from .config import MoMaskConfig
from .vq import RVQ

PARTS = ("vq", "mask", "res", "length_est")


@dataclass
class Networks:
    """The parts of a model.

    The transformers are MoGenTS' one-dimensional ones: MoGenTS was built on MoMask. The released
    position table is a fixed sine table here and comes with the weights all the same.
    """

    config: MoMaskConfig
    vq: RVQ
    mask: AuxMaskNet
    res: AuxResidualNet
    length_est: LengthEstimator | None = None

    @classmethod
    def build(cls, config: MoMaskConfig) -> Networks:
        """Networks with random weights, in eval mode."""
        v = config.vq
        networks = cls(
            config,
            RVQ(v),
            AuxMaskNet(config.mask, v.nb_code, v.code_dim),
            AuxResidualNet(config.res, v.nb_code, v.code_dim, v.num_quantizers),
            None if config.length is None else LengthEstimator(config.length),
        )
        for _, module in networks.parts():
            module.eval().requires_grad_(False)
        return networks

    def parts(self) -> Iterator[tuple[str, nn.Module]]:
        """Name and module of every part that the model has."""
        for name in PARTS:
            module = getattr(self, name)
            if module is not None:
                yield name, module

    def to(self, device: torch.device | str) -> Networks:
        """Move every part; returns self."""
        for _, module in self.parts():
            module.to(device)
        return self
