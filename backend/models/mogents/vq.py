"""The two-stream residual VQ-VAE of MoGenTS.

A 1-D stream codes the whole pose per token row; a 2-D stream codes a grid of token rows times six
groups of (consecutive) joints. Yuan et al., "MoGenTS: Motion Generation based on Spatial-Temporal
Joint Modeling", NeurIPS 2024; file layout as in weihaosky/mogents @4128804. Inference only: the
codebooks are buffers, nothing here updates them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import FormatError
from .config import JOINT_FEATURES, JOINT_GROUPS, PADDED_JOINTS, VQConfig
from .conv import ConvDecoder, ConvEncoder

NO_CODE = -1
"""Token id of padding: it stands for the zero vector."""


class Codebook(nn.Module):
    """One codebook ``[n_code, code_dim]``."""

    codebook: Tensor

    def __init__(self, n_code: int, code_dim: int) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.zeros(n_code, code_dim))

    def nearest(self, x: Tensor) -> Tensor:
        """Index of the closest code of each row of ``x`` ``[N, code_dim]``."""
        table = self.codebook.t()
        distance = (
            x.square().sum(-1, keepdim=True)
            - 2 * x @ table
            + table.square().sum(dim=0, keepdim=True)
        )
        return distance.argmin(dim=-1)


@dataclass(frozen=True)
class Quantized:
    """A residual quantisation: ids ``[..., Q]`` and the averages over the quantizers."""

    ids: Tensor
    total: Tensor
    commit: Tensor
    perplexity: Tensor


class ResidualQuantizer(nn.Module):
    """Q codebooks; each codes what the ones before it left over."""

    def __init__(self, quantizers: int, n_code: int, code_dim: int, name: str) -> None:
        super().__init__()
        self.name = name
        self.layers = nn.ModuleList(Codebook(n_code, code_dim) for _ in range(quantizers))

    @property
    def codebooks(self) -> list[Codebook]:
        """In order."""
        return [cast(Codebook, layer) for layer in self.layers]

    @property
    def tables(self) -> Tensor:
        """``[Q, n_code, code_dim]``."""
        return torch.stack([layer.codebook for layer in self.codebooks])

    def quantize(self, x: Tensor) -> Quantized:
        """Code every vector of ``x`` ``[..., code_dim]``."""
        flat = x.reshape(-1, x.shape[-1])
        rest, total = flat, torch.zeros_like(flat)
        ids, commits, perplexities = [], [], []
        for layer in self.layers:
            assert isinstance(layer, Codebook)
            index = layer.nearest(rest)
            code = layer.codebook[index]
            usage = torch.bincount(index, minlength=len(layer.codebook)) / len(index)
            commits.append(functional.mse_loss(rest, code))
            perplexities.append(torch.exp(-(usage * torch.log(usage + 1e-7)).sum()))
            ids.append(index)
            rest, total = rest - code, total + code
        return Quantized(
            torch.stack(ids, dim=-1).view(*x.shape[:-1], -1),
            total.view_as(x),
            torch.stack(commits).mean(),
            torch.stack(perplexities).mean(),
        )

    def lookup(self, ids: Tensor) -> Tensor:
        """Sum of the codes of ``ids`` ``[..., q]`` (q <= Q, -1 is a zero vector).

        Raises:
            FormatError: more columns than codebooks, or an id that no codebook has.
        """
        tables = self.tables
        quantizers, n_code, width = tables.shape
        if not 1 <= ids.shape[-1] <= quantizers:
            raise FormatError(
                f"The {self.name} tokens have {ids.shape[-1]} columns; the model has "
                f"{quantizers} codebooks.",
                "Give token ids [..., q] with q from 1 to that number.",
            )
        if ids.numel() and not (int(ids.min()) >= NO_CODE and int(ids.max()) < n_code):
            raise FormatError(
                f"The {self.name} token ids run from {int(ids.min())} to {int(ids.max())}.",
                f"They must lie between {NO_CODE} (padding) and {n_code - 1}.",
            )
        tables = functional.pad(tables, (0, 0, 0, 1)).reshape(-1, width)
        ids = torch.where(ids == NO_CODE, n_code, ids)
        offsets = torch.arange(ids.shape[-1], device=ids.device) * (n_code + 1)
        return functional.embedding(ids + offsets, tables).sum(dim=-2)


@dataclass(frozen=True)
class Reconstruction:
    """Everything that a full pass through the VQ-VAE gives, in normalised features."""

    motion: Tensor
    aux: Tensor
    joints: Tensor
    quantized1d: Quantized
    quantized2d: Quantized


class DualVQ(nn.Module):
    """Motion ``[B, T, 263]`` (normalised) to and from token ids of the two streams.

    Ids are ``[B, T4, Q]`` (1-D) and ``[B, T4, 6, Q]`` (2-D), int64, T4 = T // 4.
    """

    def __init__(self, config: VQConfig) -> None:
        super().__init__()
        c = self.config = config
        shape = {
            "width": c.width,
            "down": c.down_t,
            "depth": c.depth,
            "growth": c.dilation_growth_rate,
            "activation": c.vq_act,
        }
        stride = c.stride_t
        self.encoder1d = ConvEncoder(1, c.dim, c.code_dim1d, stride=stride, **shape)  # type: ignore[arg-type]
        self.decoder1d = ConvDecoder(1, c.dim, c.code_dim1d, **shape)  # type: ignore[arg-type]
        self.encoder2d = ConvEncoder(2, JOINT_FEATURES, c.code_dim2d, stride=stride, **shape)  # type: ignore[arg-type]
        self.decoder2d = ConvDecoder(2, JOINT_FEATURES, c.code_dim2d, **shape)  # type: ignore[arg-type]
        self.quantizer1d = ResidualQuantizer(c.num_quantizers, c.nb_code1d, c.code_dim1d, "1-D")
        self.quantizer2d = ResidualQuantizer(c.num_quantizers, c.nb_code2d, c.code_dim2d, "2-D")
        if c.shared_codebook:
            for quantizer in (self.quantizer1d, self.quantizer2d):
                quantizer.layers = nn.ModuleList([quantizer.layers[0]] * c.num_quantizers)
        merged = JOINT_GROUPS * c.code_dim2d
        self.linear_merge = nn.Linear(merged, merged)
        self.linear_out = nn.Linear(2 * c.dim, c.dim)

    # ------------------------------------------------------------------ motion to tokens

    def encode(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids of both streams.

        Raises:
            FormatError: not ``[B, T >= 4, dim]``.
        """
        q1, q2 = self._quantize(motion)
        return q1.ids, q2.ids

    def forward(self, motion: Tensor) -> Reconstruction:
        """Encode, quantise and decode."""
        q1, q2 = self._quantize(motion)
        fused, aux, joints = self._decode(q1.total, q2.total)
        return Reconstruction(fused, aux, joints, q1, q2)

    def latents(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder outputs ``[B, C1, T4]`` and ``[B, C2, T4, 6]``."""
        c = self.config
        if motion.dim() != 3 or motion.shape[-1] != c.dim or motion.shape[1] < c.frames_per_token:
            raise FormatError(
                f"A motion batch of shape {list(motion.shape)} cannot be coded.",
                f"Give [clips, frames, {c.dim}] with at least {c.frames_per_token} frames.",
            )
        before = (PADDED_JOINTS - c.joints) // 2
        after = PADDED_JOINTS - c.joints - before
        joints = functional.pad(self.split_joints(motion), (0, 0, before, after))
        return self.encoder1d(motion.transpose(1, 2)), self.encoder2d(joints.permute(0, 3, 1, 2))

    def split_joints(self, motion: Tensor) -> Tensor:
        """``[B, T, dim]`` to per-joint features ``[B, T, J, 12]``; root and contacts left out."""
        c = self.config
        rest, at = c.joints - 1, 4
        x = motion.new_zeros(*motion.shape[:2], c.joints, JOINT_FEATURES)
        x[:, :, 1:, 0:3] = motion[..., at : at + 3 * rest].unflatten(-1, (rest, 3))
        at += 3 * rest
        x[:, :, 1:, 3:9] = motion[..., at : at + 6 * rest].unflatten(-1, (rest, 6))
        at += 6 * rest
        x[..., 9:12] = motion[..., at : at + 3 * c.joints].unflatten(-1, (c.joints, 3))
        return x

    def _quantize(self, motion: Tensor) -> tuple[Quantized, Quantized]:
        z1, z2 = self.latents(motion)
        return (
            self.quantizer1d.quantize(z1.transpose(1, 2)),
            self.quantizer2d.quantize(z2.permute(0, 2, 3, 1)),
        )

    # ------------------------------------------------------------------ tokens to motion

    def decode(self, ids1d: Tensor, ids2d: Tensor) -> tuple[Tensor, Tensor]:
        """Motion and the 1-D stream's own motion, both ``[B, 4 T4, dim]`` normalised.

        Args:
            ids1d: ``[B, T4, q]``.
            ids2d: ``[B, T4, 6, q]``.

        Raises:
            FormatError: shapes that do not belong together, or an id out of range.
        """
        fits = ids1d.dim() == 3 and ids2d.dim() == 4 and ids2d.shape[:2] == ids1d.shape[:2]
        if not fits or ids2d.shape[2] != JOINT_GROUPS or 0 in ids1d.shape:
            raise FormatError(
                f"Token ids of shape {list(ids1d.shape)} and {list(ids2d.shape)} do not belong "
                "together.",
                f"Give [clips, rows, q] and [clips, rows, {JOINT_GROUPS}, q].",
            )
        motion, aux, _ = self._decode(
            self.quantizer1d.lookup(ids1d), self.quantizer2d.lookup(ids2d)
        )
        return motion, aux

    def _decode(self, codes1d: Tensor, codes2d: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Summed codes ``[B, T4, C1]``, ``[B, T4, 6, C2]`` to motion, aux and joint motion."""
        c = self.config
        aux = self.decoder1d(codes1d.transpose(1, 2)).transpose(1, 2)
        merged = self.linear_merge(codes2d.flatten(2)).unflatten(-1, (JOINT_GROUPS, c.code_dim2d))
        y = self.decoder2d(merged.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        before = (PADDED_JOINTS - c.joints) // 2
        joints = self.join_joints(y[:, :, before : before + c.joints])
        return self.linear_out(torch.cat([aux, joints], dim=-1)), aux, joints

    def join_joints(self, y: Tensor) -> Tensor:
        """Per-joint features ``[B, T, J, 12]`` to ``[B, T, dim]``; joint 0 holds root, contacts."""
        return torch.cat(
            [
                y[:, :, 0, 0:4],
                y[:, :, 1:, 0:3].flatten(2),
                y[:, :, 1:, 3:9].flatten(2),
                y[:, :, :, 9:12].flatten(2),
                y[:, :, 0, 4:8],
            ],
            dim=-1,
        )
