"""MDM: the Motion Diffusion Model (Tevet et al., ICLR 2023), tensor for tensor as released.

Use it like this::

    net = load_upstream(folder)                        # released model*.pt + args.json
    x0 = net(x_t, timesteps, {"text_embed": emb})      # x [B, J, C, F], emb [1, B, 512]

* ``MDM.forward`` is the released arithmetic, operation for operation, and bit-identical to it.
* ``backend.diffusion.exact.sample_exact(net, shape, ...)`` is the released sampling loop, draw for
  draw (needs the ``[B, J, C, F]`` layout of this class).
* ``backend.models.mdm.fast.FastMDM(net)`` is the same function for inference, batch first
  (``[B, F, J*C]``), for ``backend.diffusion.sample``; it differs from ``forward`` by rounding only.

The keys of ``y`` are the released ones (see :meth:`MDM.forward`), plus ``drop`` ``[B]`` bool: rows
to evaluate without their condition.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .layers import (
    TARGET_ENCODERS,
    ActionEmbedding,
    InputProcess,
    OutputProcess,
    PositionalEncoding,
    TimestepEmbedder,
)

Arch = Literal["trans_enc", "trans_dec", "gru"]
Condition = Literal["text", "action", "none"]

TEXT_DIMS = {"clip": 512, "bert": 768, "minilm": 384}
"""Width of the text embeddings: CLIP's sentence vector, DistilBERT's token states, MiniLM's
sentence vector (models trained here; no release has it)."""


MAX_WIDTH, MAX_LAYERS, MAX_POSITIONS = 16_384, 256, 100_000
"""Beyond what any model has: a configuration that asks for more is damaged."""


TABLES = (".pe",)
"""Endings of the names of positional tables, which the network computes."""


@dataclass(frozen=True)
class MDMConfig:
    """Shape of an :class:`MDM` and the diffusion process it was trained with.

    ``joints`` x ``channels`` is the shape of a frame: 263 x 1 HumanML3D, 251 x 1 KIT-ML, 25 x 6
    HumanAct12. ``mask_frames`` hides padding frames from attention; without it they are attended,
    as the first release does. ``context_len`` > 0 makes it a prefix-completion model (DiP) that
    sees that many frames and completes ``pred_len`` more.
    """

    joints: int = 263
    channels: int = 1
    arch: Arch = "trans_enc"
    condition: Condition = "text"
    text_encoder: Literal["clip", "bert", "minilm"] = "clip"
    actions: int = 1
    width: int = 512
    layers: int = 8
    heads: int = 4
    ff_size: int = 1024
    dropout: float = 0.1
    cond_mask_prob: float = 0.1
    mask_frames: bool = False
    emb_trans_dec: bool = False
    max_positions: int = 5000
    context_len: int = 0
    pred_len: int = 0
    target_cond: bool = False
    target_encoder: Literal["single", "split", "multi"] = "single"
    target_layers: int = 1
    target_joints: list[str] = dataclasses.field(default_factory=list)
    dataset: str = "humanml"
    noise_schedule: Literal["cosine", "linear"] = "cosine"
    diffusion_steps: int = 1000
    sigma_small: bool = True

    def __post_init__(self) -> None:
        if self.arch not in ("trans_enc", "trans_dec", "gru"):
            raise ValueError(f"unknown arch {self.arch!r}")
        if self.condition not in ("text", "action", "none"):
            raise ValueError(f"unknown condition {self.condition!r}")
        if self.text_encoder not in TEXT_DIMS:
            raise ValueError(f"unknown text encoder {self.text_encoder!r}")
        if self.text_encoder == "bert" and self.condition == "text" and self.arch != "trans_dec":
            raise ValueError("token states (bert) need arch trans_dec")
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is not a multiple of twice {self.heads} heads")
        sizes = {
            "width": (self.width, 1, MAX_WIDTH),
            "layers": (self.layers, 1, MAX_LAYERS),
            "max_positions": (self.max_positions, 1, MAX_POSITIONS),
            "diffusion_steps": (self.diffusion_steps, 1, MAX_POSITIONS),
            "context_len": (self.context_len, 0, MAX_POSITIONS),
            "pred_len": (self.pred_len, 0, MAX_POSITIONS),
            "target_layers": (self.target_layers, 1, MAX_LAYERS),
        }
        for name, (size, smallest, largest) in sizes.items():
            if not smallest <= size <= largest:
                raise ValueError(f"{name} is {size}, not {smallest} to {largest}")
        if self.target_encoder not in ("single", "split", "multi"):
            raise ValueError(f"unknown target encoder {self.target_encoder!r}")
        if self.noise_schedule not in ("cosine", "linear"):
            raise ValueError(f"unknown noise schedule {self.noise_schedule!r}")
        if not 0 <= self.cond_mask_prob <= 1:
            raise ValueError(f"cond_mask_prob is {self.cond_mask_prob}, not 0 to 1")
        if self.max_positions < self.diffusion_steps:
            raise ValueError(
                f"{self.max_positions} positions cannot name {self.diffusion_steps} steps"
            )

    @property
    def features(self) -> int:
        """Numbers per frame."""
        return self.joints * self.channels

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return dataclasses.asdict(self)


class MDM(nn.Module):
    """The network; it predicts the clean motion. See the module's docstring for the ways to use it.

    Names and shapes of ``state_dict()`` are those of the released checkpoints, with the two
    positional buffers and without CLIP.
    """

    def __init__(self, config: MDMConfig) -> None:
        super().__init__()
        self.config = config
        c, d = config, config.width
        extra = d if c.arch == "gru" else 0
        self.input_process = InputProcess(c.features + extra, d)
        self.sequence_pos_encoder = PositionalEncoding(d, c.dropout, c.max_positions)
        if c.arch == "trans_enc":
            layer = nn.TransformerEncoderLayer(d, c.heads, c.ff_size, c.dropout, "gelu")
            self.seqTransEncoder = nn.TransformerEncoder(
                layer, c.layers, enable_nested_tensor=False
            )
        elif c.arch == "trans_dec":
            part = nn.TransformerDecoderLayer(d, c.heads, c.ff_size, c.dropout, "gelu")
            self.seqTransDecoder = nn.TransformerDecoder(part, c.layers)
        else:
            # fed time first although it says batch first: the recurrence runs over the batch, and
            # frames are independent, as released
            self.gru = nn.GRU(d, d, num_layers=c.layers, batch_first=True)
        self.embed_timestep = TimestepEmbedder(d, self.sequence_pos_encoder)
        if c.target_cond:
            self.embed_target_cond = TARGET_ENCODERS[c.target_encoder](
                c.target_joints, d, c.target_layers
            )
        if c.condition == "text":
            self.embed_text = nn.Linear(TEXT_DIMS[c.text_encoder], d)
        elif c.condition == "action":
            self.embed_action = ActionEmbedding(c.actions, d)
        self.output_process = OutputProcess(c.joints, c.channels, d)

    def weights(self) -> dict[str, Tensor]:
        """The state without the positional buffers, which are recomputed (and share memory)."""
        return {k: v for k, v in self.state_dict().items() if not k.endswith(TABLES)}

    def forward(self, x: Tensor, timesteps: Tensor, y: Mapping[str, Any] | None = None) -> Tensor:
        """Predict the clean motion.

        Args:
            x: noisy motion ``[B, J, C, F]``.
            timesteps: steps of the full process ``[B]``, 0-based.
            y: ``text_embed`` ``[1, B, 512]`` (CLIP), or a tuple of DistilBERT states
                ``[N, B, 768]`` and ``[B, N]`` bool, True on padding; ``action`` ``[B, 1]``;
                ``mask`` ``[B, 1, 1, F]`` bool, True on real frames; ``uncond`` True for the
                unconditional pass, or ``drop`` ``[B]`` for chosen rows; ``prefix``
                ``[B, J, C, context_len]``; ``target_cond`` ``[B, N, 3]`` with
                ``target_joint_names`` and ``is_heading`` ``[B]``, ``target_uncond``.

        Returns:
            ``[B, J, C, F]`` in the memory order F, B, J, C.
        """
        y = y or {}
        mask = y.get("mask")
        if "prefix" in y:
            x = torch.cat([y["prefix"], x], dim=-1)
            if mask is not None:
                seen = mask.new_ones((*mask.shape[:-1], self.config.context_len))
                mask = torch.cat([seen, mask], dim=-1)
        time = self._time(timesteps, y)
        emb, text_padding = self._condition(time, y)
        hidden = self._embed_frames(x, emb)
        padding = self._frame_padding(mask, hidden)
        if self.config.arch == "trans_enc":
            sequence = self.sequence_pos_encoder(torch.cat((emb, hidden)))
            hidden = self.seqTransEncoder(sequence, src_key_padding_mask=padding)[1:]
        elif self.config.arch == "trans_dec":
            hidden = self._decode(hidden, time, emb, text_padding, padding)
        else:
            hidden, _ = self.gru(self.sequence_pos_encoder(hidden))
        output = self.output_process(hidden)
        return output[..., -self.config.pred_len :] if "prefix" in y else output

    # ------------------------------------------------------------------ conditions

    def _time(self, timesteps: Tensor, y: Mapping[str, Any]) -> Tensor:
        """Time, and where the model should go if it was asked, ``[1, B, D]``."""
        time = self.embed_timestep(timesteps)
        if self.config.target_cond and "target_cond" in y:
            where = self.embed_target_cond(
                y["target_cond"], y["target_joint_names"], y["is_heading"]
            )
            time = time + self._masked(where[None], y.get("target_uncond", False), None)
        return time

    def _condition(self, time: Tensor, y: Mapping[str, Any]) -> tuple[Tensor, Tensor | None]:
        """Condition tokens ``[N, B, D]`` and the text's padding ``[B, N]``."""
        drop, uncond = y.get("drop"), bool(y.get("uncond", False))
        if self.config.condition == "text":
            padding = None
            text = y["text_embed"]
            if isinstance(text, tuple | list):
                text, padding = text
                if len(padding) == 1 and text.shape[1] > 1:
                    padding = padding.expand(text.shape[1], -1)
            # the null text is a zero vector before the projection: its bias stays
            return self.embed_text(self._masked(text, uncond, drop)) + time, padding
        if self.config.condition == "action":
            action = self.embed_action(y["action"])
            return time + self._masked(action[None], uncond, drop), None
        return time, None

    def _masked(self, condition: Tensor, uncond: bool, drop: Tensor | None) -> Tensor:
        """``condition`` ``[N, B, D]`` with zeros in the rows that shall not have it."""
        if uncond:
            return torch.zeros_like(condition)
        if drop is not None:
            return condition.masked_fill(drop.to(condition.device)[None, :, None], 0.0)
        if self.training and self.config.cond_mask_prob > 0:
            chance = torch.ones(condition.shape[1], device=condition.device)
            dropped = torch.bernoulli(chance * self.config.cond_mask_prob).view(1, -1, 1)
            return condition * (1.0 - dropped)
        return condition

    # ------------------------------------------------------------------ frames

    def _embed_frames(self, x: Tensor, emb: Tensor) -> Tensor:
        if self.config.arch != "gru":
            return self.input_process(x)
        batch, _, _, frames = x.shape
        repeated = emb.repeat(frames, 1, 1).permute(1, 2, 0).reshape(batch, -1, 1, frames)
        flat = x.reshape(batch, self.config.features, 1, frames)
        return self.input_process(torch.cat((flat, repeated), dim=1))

    def _frame_padding(self, mask: Tensor | None, hidden: Tensor) -> Tensor | None:
        """Padding of the sequence ``[B, S]``, True on padding; None where it is attended."""
        if mask is None or not self.config.mask_frames or mask.shape[-1] <= 1:
            return None
        padding = ~mask[..., : len(hidden)].reshape(hidden.shape[1], -1).to(hidden.device)
        if self.config.arch == "trans_enc" or self.config.emb_trans_dec:
            padding = torch.cat([padding.new_zeros(len(padding), 1), padding], dim=1)
        return padding

    def _decode(
        self,
        hidden: Tensor,
        time: Tensor,
        emb: Tensor,
        text_padding: Tensor | None,
        padding: Tensor | None,
    ) -> Tensor:
        lead = self.config.emb_trans_dec
        sequence = self.sequence_pos_encoder(torch.cat((time, hidden)) if lead else hidden)
        out = self.seqTransDecoder(
            tgt=sequence,
            memory=emb,
            memory_key_padding_mask=text_padding,
            tgt_key_padding_mask=padding,
        )
        return out[1:] if lead else out
