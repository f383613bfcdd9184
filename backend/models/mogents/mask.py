"""Mask transformers: they fill in the first quantizer's tokens of a clip.

1-D over token rows (auxiliary stream) and 2-D over token rows x joint groups (spatial, joint and
time attention). Ids ``n`` and ``n + 1`` of a codebook of ``n`` are the mask and the padding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import JOINT_GROUPS, MaskConfig
from .layers import Encoder, GridPositions, InputProcess, LearnedPositions, OutputProcess
from .layout import Layout


class MaskNet(nn.Module):
    """What both mask networks share.

    Attributes:
        groups: columns of the token grid, 1 or 6.
        codes: n, the size of the codebook.
    """

    groups: int = 1

    def __init__(self, config: MaskConfig, codes: int, code_dim: int) -> None:
        super().__init__()
        width = config.latent_dim
        self.config = config
        self.codes = codes
        self.token_emb = nn.Embedding(codes + 2, code_dim)
        self.input_process = InputProcess(code_dim, width)
        self.cond_emb = nn.Linear(config.clip_dim, width)
        self.seqTransEncoder = self._encoder()
        self.output_process = OutputProcess(width, codes)

    def _encoder(self) -> Encoder:
        c = self.config
        return Encoder(c.n_layers, c.latent_dim, c.n_heads, c.ff_size)

    @property
    def mask_id(self) -> int:
        """Token id of a masked place."""
        return self.codes

    @property
    def pad_id(self) -> int:
        """Token id of padding."""
        return self.codes + 1

    def embed(self, ids: Tensor) -> Tensor:
        """``[...]`` token ids to ``[..., D]``."""
        return functional.embedding(ids, self.input_process(self.token_emb.weight))

    def features(self, ids: Tensor, text: Tensor, layout: Layout) -> Tensor:
        """Before the head: ``[B, S, D]`` for ids ``[B, S]``, S = T * groups, time-major.

        Args:
            text: ``[B, 512]`` text features; zeros for the unconditional pass.
        """
        raise NotImplementedError

    def classify(self, features: Tensor) -> Tensor:
        """Logits over the codes, ``[..., n]``."""
        logits: Tensor = self.output_process(features)
        return logits


class AuxMaskNet(MaskNet):
    """1-D: ``[condition, tokens]`` through one encoder; the condition has no position."""

    def __init__(self, config: MaskConfig, codes: int, code_dim: int) -> None:
        super().__init__(config, codes, code_dim)
        self.position_enc = LearnedPositions(config.latent_dim)

    def features(self, ids: Tensor, text: Tensor, layout: Layout) -> Tensor:
        """See :meth:`MaskNet.features`."""
        x = self.embed(ids) + self.position_enc(ids.shape[1])
        x = torch.cat([self.cond_emb(text)[:, None], x], dim=1)
        return self.seqTransEncoder(x, layout.sequence(prefix=1))[:, 1:]


class GridMaskNet(MaskNet):
    """2-D: attention over all tokens, then within each row, then along each column."""

    groups = JOINT_GROUPS

    def __init__(self, config: MaskConfig, codes: int, code_dim: int) -> None:
        super().__init__(config, codes, code_dim)
        self.position2d_enc = GridPositions(config.latent_dim)
        if config.attnj:
            self.seqTransEncoder2 = self._encoder()
        if config.attnt:
            self.seqTransEncoder3 = self._encoder()

    def features(self, ids: Tensor, text: Tensor, layout: Layout) -> Tensor:
        """See :meth:`MaskNet.features`."""
        groups = self.groups
        rows = ids.shape[1] // groups
        place = self.position2d_enc(rows + 1, groups)
        condition = self.cond_emb(text)[:, None, None].expand(-1, 1, groups, -1)
        grid = self.embed(ids.unflatten(1, (rows, groups)))
        x = (torch.cat([condition, grid], dim=1) + place).flatten(1, 2)
        y = self.seqTransEncoder(x, layout.sequence(1, groups)).unflatten(1, (rows + 1, groups))
        y = y[:, 1:]
        if self.config.attnj:
            y = attend_rows(self.seqTransEncoder2, y + place[1:], layout)
        if self.config.attnt:
            if self.config.attnj:
                # the released network hides the condition here as a key, and drops its output
                z, prefix = y + place[1:], 0
            else:
                z, prefix = torch.cat([condition, y], dim=1) + place, 1
            y = y + attend_columns(self.seqTransEncoder3, z, prefix, layout)
        return y.flatten(1, 2)


def attend_rows(encoder: Encoder, y: Tensor, layout: Layout) -> Tensor:
    """Joint attention: the six columns of every live row among themselves; padding becomes 0.

    Args:
        y: ``[B, T, 6, D]``.
    """
    flat = y.reshape(-1, *y.shape[2:])
    live = layout.live_rows
    if live is None:
        return encoder(flat).view(y.shape)
    return flat.new_zeros(flat.shape).index_copy_(0, live, encoder(flat[live])).view(y.shape)


def attend_columns(encoder: Encoder, z: Tensor, prefix: int, layout: Layout) -> Tensor:
    """Time attention along each column; returns the rows after ``prefix``.

    Args:
        z: ``[B, prefix + T, 6, D]``.
    """
    batch, _, groups, _ = z.shape
    out = encoder(z.transpose(1, 2).flatten(0, 1), layout.tracks(prefix, groups))
    return out.unflatten(0, (batch, groups)).transpose(1, 2)[:, prefix:]
