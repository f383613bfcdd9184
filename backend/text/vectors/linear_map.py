"""A linear map from a small sentence encoder to the vectors of a large one.

It is fitted once, from a table of the large encoder's vectors, by ridge regression. What it gives
is an approximation: :class:`Fit` says how good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from ...errors import ArtifactError, InvalidRequest
from ...motion.io.atomic import atomic_path

FORMAT = "kinetype-text-map-1"
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
HELD_OUT = 0.2
MIN_TEXTS = 10
_HINT = "Fit it again with kinetype text-vectors fit."


@dataclass(frozen=True)
class Fit:
    """How well a map does on texts it was not fitted to.

    Attributes:
        cosine: mean cosine of mapped and true vectors.
        found: share of texts whose mapped vector is nearest to their own true one.
        ridge: the strength that was chosen.
    """

    cosine: float
    found: float
    ridge: float


class LinearMap:
    """``vector = sentence @ weight + bias``; a :class:`.source.VectorSource`."""

    name = "map"

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        encoder: str,
        embed: Callable[[Sequence[str]], Tensor] | None = None,
    ) -> None:
        """``weight`` ``[small, width]``, ``bias`` ``[width]``; ``embed`` is the small encoder."""
        self.weight, self.bias, self.encoder = weight.float(), bias.float(), encoder
        self.width = len(bias)
        self.embed = embed

    def encode(self, texts: Sequence[str]) -> Tensor:
        """See :class:`.source.VectorSource`."""
        assert self.embed is not None
        sentences = self.embed(texts)
        if sentences.shape[1] != len(self.weight):
            raise ArtifactError(
                f"The map reads {len(self.weight)} numbers, {self.encoder} gives "
                f"{sentences.shape[1]}.",
                _HINT,
            )
        return sentences.float().cpu() @ self.weight + self.bias

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        tensors = {"weight": self.weight.half().contiguous(), "bias": self.bias}
        header = {"format": FORMAT, "encoder": self.encoder}
        with atomic_path(path) as temporary:
            temporary.write_bytes(save(tensors, metadata=header))

    @classmethod
    def load(cls, path: Path, embed: Callable[[Sequence[str]], Tensor] | None = None) -> LinearMap:
        """Read a file of :meth:`save`; :class:`ArtifactError` for any other."""
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ArtifactError(f"{path} is no map of text vectors: {error}.", _HINT) from error
        weight, bias = tensors.get("weight"), tensors.get("bias")
        good = header.get("format") == FORMAT and weight is not None and bias is not None
        if not good or weight is None or bias is None or weight.shape[1:] != bias.shape:
            raise ArtifactError(f"{path} is no map of text vectors.", _HINT)
        return cls(weight, bias, header.get("encoder", ""), embed)


def fit_map(sentences: Tensor, vectors: Tensor, encoder: str) -> tuple[LinearMap, Fit]:
    """The map that is best on a fifth of the texts it does not see, then fitted to all.

    Args:
        sentences: ``[N, small]`` of the small encoder; vectors: ``[N, width]`` of the large one.

    Raises:
        InvalidRequest: too few texts.
    """
    count = len(sentences)
    if count < MIN_TEXTS or len(vectors) != count:
        raise InvalidRequest(
            f"{count} texts are too few to fit a map.", f"Give a table of {MIN_TEXTS} or more."
        )
    x, y = sentences.double(), vectors.double()
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    unseen, seen = order[: max(1, int(HELD_OUT * count))], order[max(1, int(HELD_OUT * count)) :]

    def judged(ridge: float) -> Fit:
        weight, bias = _solve(x[seen], y[seen], ridge)
        made = x[unseen] @ weight + bias
        likeness = functional.normalize(made, dim=1) @ functional.normalize(y, dim=1).T
        own = likeness.gather(1, unseen[:, None]).squeeze(1)
        found = (likeness.argmax(1) == unseen).double().mean()
        return Fit(float(own.mean()), float(found), ridge)

    best = max((judged(ridge) for ridge in RIDGES), key=lambda fit: fit.cosine)
    weight, bias = _solve(x, y, best.ridge)
    return LinearMap(weight, bias, encoder), best


def _solve(x: Tensor, y: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    middle, target = x.mean(0), y.mean(0)
    centred = x - middle
    normal = centred.T @ centred + ridge * torch.eye(x.shape[1], dtype=x.dtype)
    weight = torch.linalg.solve(normal, centred.T @ (y - target))
    return weight, target - middle @ weight
