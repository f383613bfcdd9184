"""Linear layers with weights laid out once for inference."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS = ("none", "gelu")


def can_pack(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN can hold these weights in its own blocked layout."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32


class PackedLinear:
    """``activation(x W^T + b)`` for inference: no gradients, weights copied and cast once.

    On a CPU the weights are kept in the layout of oneDNN's matrix kernels, which saves
    rearranging them in every call; the activation is applied while the result is still in the
    cache. Elsewhere it is ``F.linear``. Both give the layer's own result up to rounding.

    Args:
        rows: rows that inputs will usually have; only speed depends on it.
        activation: "none" or "gelu" (with erf).
        pack: False keeps the weights as they are, for ``torch.compile``, which packs by itself.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        dtype: torch.dtype,
        rows: int,
        activation: str = "none",
        pack: bool = True,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {ACTIVATIONS}, not {activation!r}")
        self.activation = activation
        self.dtype = dtype
        self.bias = None if bias is None else bias.detach().to(dtype, copy=True)
        self.weight: Tensor | None = None
        self.packed: object = None
        own = weight.detach().to(dtype).contiguous()
        if pack and can_pack(weight.device, dtype):
            self.packed = torch.ops.mkldnn._reorder_linear_weight(own, rows)
        else:
            self.weight = own.clone() if own.data_ptr() == weight.data_ptr() else own

    @classmethod
    def of(cls, layer: nn.Linear, **options: Any) -> PackedLinear:
        """The inference form of ``layer``."""
        return cls(layer.weight, layer.bias, **options)

    def __call__(self, x: Tensor) -> Tensor:
        """``[..., in]`` to ``[..., out]`` in this layer's dtype."""
        x = x.to(self.dtype)
        if self.packed is not None:
            return torch.ops.mkldnn._linear_pointwise(
                x, self.packed, self.bias, self.activation, [], "none"
            )
        out = F.linear(x, cast(Tensor, self.weight), self.bias)
        return F.gelu(out) if self.activation == "gelu" else out

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """``x W^T + b + other``, in the wider dtype of the two."""
        # adding inside the matrix kernel is slower than a pass over the result, still in the cache
        out = self(x)
        return out.add_(other) if out.dtype == other.dtype else out + other
