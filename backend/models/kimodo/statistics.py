"""Kimodo's statistics: three sets, for the root in the world, the root's own motion, the body."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

_FLOOR = 1e-5
"""Added to the variance."""


@dataclass(frozen=True)
class FeatureStats:
    """Means and deviations, float32: ``world`` of all columns (root, then body), ``local`` ``[4]``.

    Normalised is ``(x - mean) / sqrt(std ** 2 + 1e-5)``.
    """

    mean: Tensor
    std: Tensor
    local_mean: Tensor
    local_std: Tensor

    @classmethod
    def of(cls, parts: dict[str, tuple[Tensor, Tensor]]) -> FeatureStats:
        """From ``global_root`` ``[5]``, ``local_root`` ``[4]`` and ``body`` ``[dim - 5]``."""
        root, local, body = (parts[name] for name in ("global_root", "local_root", "body"))
        mean, std = torch.cat([root[0], body[0]]), torch.cat([root[1], body[1]])
        return cls(mean, std, *local)

    def to(self, device: torch.device) -> FeatureStats:
        """On another device."""
        names = ("mean", "std", "local_mean", "local_std")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    @property
    def scale(self) -> Tensor:
        """What normalised columns are multiplied by, ``[dim]``."""
        return (self.std.square() + _FLOOR).sqrt()

    def normalise(self, x: Tensor) -> Tensor:
        """Features ``[..., dim]`` to what the network reads."""
        return (x - self.mean.to(x)) / self.scale.to(x)

    def denormalise(self, x: Tensor) -> Tensor:
        """The inverse of :meth:`normalise`."""
        return x * self.scale.to(x) + self.mean.to(x)

    def root_back(self, x: Tensor) -> Tensor:
        """Un-normalised root values ``[..., 5]``."""
        return x * self.scale[:5].to(x) + self.mean[:5].to(x)

    def local_root(self, x: Tensor) -> Tensor:
        """Normalised turn, speeds and height ``[..., 4]``."""
        scale = (self.local_std.square() + _FLOOR).sqrt()
        return (x - self.local_mean.to(x)) / scale.to(x)
