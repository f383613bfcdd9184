"""MDM for inference: the same function as :class:`~backend.models.mdm.MDM`, computed faster.

    fast = FastMDM(net)                                      # or dtype=torch.bfloat16
    sample(fast, (B, F, J * C), schedule=..., guidance=2.5, y=y, ...)     # backend.diffusion

What is saved against the released way, without changing the result beyond rounding:

* both guidance passes run as one batch, and share the first layer's projections, because they
  differ only in the condition token there; embedding and projection of frames are one map;
* guidance is applied before the last linear map, which then runs once;
* time and text embeddings, positions and biases are computed once for all steps;
* batch-first tensors, fused query-key-value, weights packed for the processor, no copies between
  layouts;
* optionally bfloat16 or float16 matrix products (LayerNorms and the residual stream stay float32),
  8-bit ones inside the encoder's layers (on a CPU), and ``torch.compile``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..packed_encoder import PackedEncoderLayer, scaled_projection
from ..packed_linear import PackedLinear
from .network import MDM

TYPICAL_FRAMES = 196
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.int8)


class FastMDM:
    """Inference form of an :class:`MDM` on the device of its weights.

    Called as ``fast(x [B, F, J*C], t [B], y)`` with the ``y`` of :class:`MDM`; returns
    ``[B, F, J*C]`` float32. Weights are copied: later changes to ``net`` do not show.
    Decoder and GRU variants go through the network itself; their passes are still batched.

    Args:
        dtype: of the matrix products; int8 for encoders on a CPU (ValueError otherwise).
        compile: compile the encoder with ``torch.compile`` (slow first call).
    """

    def __init__(
        self, net: MDM, *, dtype: torch.dtype = torch.float32, compile: bool = False
    ) -> None:
        if dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {DTYPES}, not {dtype}")
        self.net, self.config, self.dtype = net.eval(), net.config, dtype
        self._native = self.config.arch == "trans_enc"
        self._embedded: tuple[Tensor, int, Tensor] | None = None
        if not self._native:
            if dtype == torch.int8:
                raise ValueError(f"8-bit products are for encoders, not for {self.config.arch}")
            return
        with torch.inference_mode():
            rows = 2 * (TYPICAL_FRAMES + 1)
            layers = net.seqTransEncoder.layers
            options: dict[str, Any] = {"dtype": dtype, "rows": rows, "pack": not compile}
            self._layers = [
                PackedEncoderLayer(layer, layer.self_attn.num_heads, **options) for layer in layers
            ]
            if dtype == torch.int8:
                options["dtype"] = torch.float32  # of what enters and leaves: a fiftieth of it all
            self._input = PackedLinear.of(net.input_process.poseEmbedding, **options)
            self._project = _Projection(net, options)
            self._output = PackedLinear.of(net.output_process.poseFinal, **options)
            self._positions = net.sequence_pos_encoder.pe[:, 0].clone()
            steps = torch.arange(self.config.diffusion_steps, device=self._positions.device)
            self._times = net.embed_timestep(steps)[0]
        self._encode = torch.compile(self._run_layers) if compile else self._run_layers

    def __call__(self, x: Tensor, timesteps: Tensor, y: Mapping[str, Any]) -> Tensor:
        """Predict the clean motion ``[B, F, J*C]``."""
        with torch.inference_mode():
            if not self._native:
                return self._through_network(x, timesteps, y)
            condition = self._condition(y)
            if condition is not None and "drop" in y:
                condition = torch.where(y["drop"][:, None], self._null(), condition)
            elif condition is not None and y.get("uncond", False):
                condition = self._null().expand_as(condition)
            token = self._token(timesteps, condition)
            hidden = self._encode(x, token[None], self._mask(y, x.shape[1]))
            return self._output(hidden[0]).float()

    def guided(self, guidance: float) -> Any:
        """This network with classifier-free guidance: uncond + guidance * (cond - uncond)."""
        if guidance == 1:
            return self
        if guidance == 0:
            return lambda x, t, y: self(x, t, {**y, "uncond": True})

        def combined(x: Tensor, t: Tensor, y: Mapping[str, object]) -> Tensor:
            with torch.inference_mode():
                if not self._native:
                    return self._through_network_guided(x, t, y, guidance)
                condition = self._condition(y)
                if condition is None:
                    return self(x, t, y)
                pair = (condition, self._null().expand_as(condition))
                tokens = torch.stack([self._token(t, each) for each in pair])
                hidden = self._encode(x, tokens, self._mask(y, x.shape[1]))
                cond, uncond = hidden
                return self._output(torch.lerp(uncond, cond, guidance)).float()

        return combined

    # ------------------------------------------------------------------ parts

    def _condition(self, y: Mapping[str, Any]) -> Tensor | None:
        """The projected condition ``[B, D]``; the text's is kept for the next step."""
        if self.config.condition == "text":
            text = y["text_embed"]
            version = -1 if text.is_inference() else text._version
            kept = self._embedded
            if kept is None or kept[0] is not text or kept[1] != version:
                kept = (text, version, self.net.embed_text(text)[0].float())
                self._embedded = kept
            return kept[2]
        if self.config.condition == "action":
            return self.net.embed_action(y["action"]).float()
        return None

    def _null(self) -> Tensor:
        """What stands for no condition, ``[1, D]``: text projects zeros, actions are zeros."""
        if self.config.condition == "text":
            return self.net.embed_text.bias[None]
        return torch.zeros(1, self.config.width, device=self._positions.device)

    def _token(self, timesteps: Tensor, condition: Tensor | None) -> Tensor:
        token = self._times[timesteps] + self._positions[0]
        return token if condition is None else token + condition

    def _frames(self, x: Tensor) -> Tensor:
        return self._input(x).float() + self._positions[1 : x.shape[1] + 1]

    def _mask(self, y: Mapping[str, Any], frames: int) -> Tensor | None:
        """Keys that may be attended, ``[B, 1, 1, 1 + F]`` bool; None for all."""
        mask = y.get("mask")
        if mask is None or not self.config.mask_frames or mask.shape[-1] <= 1:
            return None
        real = mask[..., :frames].reshape(-1, 1, 1, frames)
        if real.device.type == "cpu" and bool(real.all()):
            return None
        return F.pad(real, (1, 0), value=True)

    def _run_layers(self, x: Tensor, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """All layers on the frames ``x`` ``[B, F, J*C]`` under each of ``tokens`` ``[P, B, D]``.

        Passes have the same frames, so only the token's part of the first projection differs.
        Returns the frames' hidden states ``[P, B, F, D]``.
        """
        passes, batch = tokens.shape[:2]
        if mask is not None and passes > 1:
            mask = mask.repeat(passes, 1, 1, 1)
        first = self._layers[0]
        qkv = _under_each(first.qkv(tokens), self._project(x))
        hidden = first(_under_each(tokens, self._frames(x)), mask, qkv)
        for layer in self._layers[1:]:
            hidden = layer(hidden, mask)
        return hidden.unflatten(0, (passes, batch))[:, :, 1:]

    # ------------------------------------------------------------------ other architectures

    def _through_network(self, x: Tensor, timesteps: Tensor, y: Mapping[str, object]) -> Tensor:
        joints, channels = self.config.joints, self.config.channels
        native = x.unflatten(-1, (joints, channels)).permute(0, 2, 3, 1)
        device = x.device.type
        with torch.autocast(device, self.dtype, enabled=self.dtype != torch.float32):
            out = self.net(native, timesteps, y)
        return out.permute(0, 3, 1, 2).flatten(2).float()

    def _through_network_guided(
        self, x: Tensor, timesteps: Tensor, y: Mapping[str, object], guidance: float
    ) -> Tensor:
        if self.config.arch == "gru":
            # its recurrence runs over the batch: passes in one batch would see each other
            cond = self._through_network(x, timesteps, y)
            uncond = self._through_network(x, timesteps, {**y, "uncond": True})
            return torch.lerp(uncond, cond, guidance)
        both = twice(y, len(x))
        both["drop"] = torch.arange(2 * len(x), device=x.device) >= len(x)
        out = self._through_network(torch.cat([x, x]), torch.cat([timesteps, timesteps]), both)
        cond, uncond = out.chunk(2)
        return torch.lerp(uncond, cond, guidance)


def twice(y: Mapping[str, Any], batch: int) -> dict[str, Any]:
    """``y`` of :class:`MDM` for two passes in one batch (texts have the batch as second axis)."""
    result: dict[str, Any] = {}
    for key, value in y.items():
        if key == "text_embed":
            if isinstance(value, tuple | list):
                states, padding = value
                padding = padding.expand(batch, -1)
                result[key] = (torch.cat([states, states], 1), torch.cat([padding, padding]))
            else:
                result[key] = torch.cat([value, value], 1)
        elif isinstance(value, Tensor) and value.dim() > 0:
            result[key] = torch.cat([value, value])
        elif isinstance(value, list):
            result[key] = value + value
        else:
            result[key] = value
    return result


def _under_each(tokens: Tensor, frames: Tensor) -> Tensor:
    """``frames`` ``[B, F, D]`` behind each of ``tokens`` ``[P, B, D]``: ``[P * B, 1 + F, D]``."""
    shared = frames.expand(len(tokens), *frames.shape)
    return torch.cat([tokens[:, :, None], shared.to(tokens.dtype)], 2).flatten(0, 1)


class _Projection:
    """Frames straight to the first layer's queries, keys and values.

    The embedding is linear, so ``W_qkv (W x + b + pe) + b_qkv`` is one map of ``x`` and a table.
    """

    def __init__(self, net: MDM, options: dict[str, Any]) -> None:
        embed, attention = net.input_process.poseEmbedding, net.seqTransEncoder.layers[0].self_attn
        self._weight, self._offset = scaled_projection(attention, attention.num_heads)
        self._start = embed.bias.detach().double()
        self._positions = net.sequence_pos_encoder.pe[1:, 0]
        weight = self._weight @ embed.weight.detach().double()
        self._linear = PackedLinear(weight.float(), None, **options)
        self._table = self._positions.new_zeros(0, len(weight), dtype=options["dtype"])

    def __call__(self, x: Tensor) -> Tensor:
        """``[B, F, J*C]`` to ``[B, F, 3D]``."""
        frames = x.shape[1]
        if len(self._table) < frames:
            inputs = self._positions[:frames].double() + self._start
            self._table = (inputs @ self._weight.T + self._offset).to(self._table.dtype)
        return self._linear(x) + self._table[:frames]
