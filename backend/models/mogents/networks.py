"""All networks of a MoGenTS model, and their place in the published artifact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from .config import MoGenTSConfig
from .length import LengthEstimator
from .mask import AuxMaskNet, GridMaskNet
from .residual import AuxResidualNet, GridResidualNet
from .vq import DualVQ


@dataclass
class Networks:
    """The parts under the names of their files (``vq`` is in ``vq.safetensors``)."""

    config: MoGenTSConfig
    vq: DualVQ
    mask_aux: AuxMaskNet
    mask_ts: GridMaskNet
    res_aux: AuxResidualNet
    res_ts: GridResidualNet
    length_est: LengthEstimator | None = None

    @classmethod
    def build(cls, config: MoGenTSConfig) -> Networks:
        """Networks with random weights, in eval mode."""
        v = config.vq
        aux = (v.nb_code1d, v.code_dim1d)
        grid = (v.nb_code2d, v.code_dim2d)
        networks = cls(
            config,
            DualVQ(v),
            AuxMaskNet(config.mask, *aux),
            GridMaskNet(config.mask, *grid),
            AuxResidualNet(config.res, *aux, v.num_quantizers),
            GridResidualNet(config.res, *grid, v.num_quantizers),
            None if config.length is None else LengthEstimator(config.length),
        )
        for _, module in networks.parts():
            module.eval().requires_grad_(False)
        return networks

    def parts(self) -> Iterator[tuple[str, nn.Module]]:
        """Name and module of every part that the model has."""
        for name in ("vq", "mask_aux", "mask_ts", "res_aux", "res_ts", "length_est"):
            module = getattr(self, name)
            if module is not None:
                yield name, module

    def to(self, device: torch.device | str) -> Networks:
        """Move every part; returns self."""
        for _, module in self.parts():
            module.to(device)
        return self
