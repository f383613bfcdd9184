"""Linear layers with weights laid out once for inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS = ("none", "gelu")


def can_pack(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN can hold these weights in its own blocked layout."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if dtype == torch.int8:
        return hasattr(torch.ops.onednn, "qlinear_pointwise")
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32


class Int8Weights:
    """``x W^T`` with 8-bit weights, one scale an output, and inputs rounded in every call.

    Each row of the input has a scale of its own, so that what a clip gives does not depend on the
    clips and the padding it shares a call with. Processors without VNNI add two products in 16
    bits, which holds them only where the input has 7 bits.

    Args:
        weight: ``[out, in]`` float32.
        rows: see :class:`PackedLinear`.
    """

    def __init__(self, weight: Tensor, rows: int) -> None:
        peak = weight.abs().amax(1).clamp_min(1e-12)
        self._scales = peak / 127
        self._zeros = torch.zeros(len(weight), dtype=torch.int64)
        whole = torch.round(weight / self._scales[:, None]).to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(whole, [rows, weight.shape[1]])
        self._levels = 127 if has_vnni() else 63

    def __call__(self, x: Tensor) -> Tensor:
        """``[..., in]`` float32 to ``[..., out]`` float32."""
        # abs().amax() and the way over int32 are faster than the norm and the direct cast
        scale = x.abs().amax(-1, keepdim=True).clamp_min_(1e-12).div_(self._levels)
        middle = self._levels + 1
        whole = (x / scale).add_(middle + 0.5).to(torch.int32).to(torch.uint8)
        out = torch.ops.onednn.qlinear_pointwise(
            whole, 1.0, middle, self._packed, self._scales, self._zeros,
            None, 1.0, 0, torch.float32, "none", [], "none",
        )  # fmt: skip
        return out.mul_(scale)


def has_vnni() -> bool:
    """Whether this processor multiplies 8-bit numbers into 32-bit sums."""
    known: Callable[[], bool] | None = getattr(torch.cpu, "_is_vnni_supported", None)
    return known is not None and known()


class PackedLinear:
    """``activation(x W^T + b)`` for inference: no gradients, weights copied and cast once.

    On a CPU the weights are kept in the layout of oneDNN's matrix kernels, which saves
    rearranging them in every call; the activation is applied while the result is still in the
    cache. Elsewhere it is ``F.linear``. Both give the layer's own result up to rounding.

    Args:
        dtype: of the product; torch.int8 is :class:`Int8Weights`, float32 in and out, on a CPU only
            (ValueError elsewhere).
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
        self.weight: Tensor | None = None
        self.packed: object = None
        self._int8: Int8Weights | None = None
        if dtype == torch.int8:
            if not can_pack(weight.device, dtype):
                raise ValueError("8-bit products need a CPU and PyTorch's oneDNN kernels")
            self._int8, dtype = Int8Weights(weight.detach().float(), rows), torch.float32
        self.dtype = dtype
        self.bias = None if bias is None else bias.detach().to(dtype, copy=True)
        if self._int8 is not None:
            return
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
        if self._int8 is not None:
            out = self._int8(x)
            out = out if self.bias is None else out.add_(self.bias)
        else:
            out = F.linear(x, cast(Tensor, self.weight), self.bias)
        return F.gelu(out) if self.activation == "gelu" else out

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """``x W^T + b + other``, in the wider dtype of the two."""
        # adding inside the matrix kernel is slower than a pass over the result, still in the cache
        out = self(x)
        return out.add_(other) if out.dtype == other.dtype else out + other
