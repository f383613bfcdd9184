"""Residual transformers: stage q predicts quantizer q from the codes of the ones before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import JOINT_GROUPS, ResidualConfig
from .layers import Encoder, GridPositions, InputProcess, LearnedPositions, OutputProcess
from .layout import Layout
from .mask import attend_columns, attend_rows


class ResidualNet(nn.Module):
    """What both residual networks share.

    Attributes:
        groups: columns of the token grid, 1 or 6.
        codes: n, the size of the codebook.
        classes: rows of the token tables: n, the mask (2-D only) and the padding.
    """

    groups: int = 1
    extra_tokens: int = 1

    def __init__(self, config: ResidualConfig, codes: int, code_dim: int, quantizers: int) -> None:
        super().__init__()
        width, classes = config.latent_dim, codes + self.extra_tokens
        self.config = config
        self.codes = codes
        self.classes = classes
        self.quantizers = quantizers
        self.input_process = InputProcess(code_dim, width)
        self.cond_emb = nn.Linear(config.clip_dim, width)
        self.quant_emb = nn.Linear(quantizers, width)
        self.seqTransEncoder = self._encoder()
        self.output_process = OutputProcess(width, code_dim)
        table = torch.empty(1, classes, code_dim).normal_(0, 0.02)
        if config.share_weight:
            shared = table.repeat(quantizers - 2, 1, 1)
            self.embed_proj_shared_weight = nn.Parameter(shared)
            self.token_embed_weight_ = nn.Parameter(table.clone())
            self.output_proj_weight_ = nn.Parameter(table.clone())
        else:
            self.token_embed_weight = nn.Parameter(table.repeat(quantizers - 1, 1, 1))
            self.output_proj_weight = nn.Parameter(table.repeat(quantizers - 1, 1, 1))
            self.output_proj_bias = nn.Parameter(torch.zeros(quantizers, classes))

    def _encoder(self) -> Encoder:
        c = self.config
        return Encoder(c.n_layers, c.latent_dim, c.n_heads, c.ff_size)

    @property
    def pad_id(self) -> int:
        """Token id of padding: the last row of the tables."""
        return self.classes - 1

    def token_table(self, quantizer: int) -> Tensor:
        """``[classes, code_dim]``: vectors of the tokens of ``quantizer`` (from 0)."""
        if not self.config.share_weight:
            return self.token_embed_weight[quantizer]
        if quantizer == 0:
            return self.token_embed_weight_[0]
        return self.embed_proj_shared_weight[quantizer - 1]

    def classify(self, hidden: Tensor, stage: int) -> Tensor:
        """Logits ``[..., classes]`` of quantizer ``stage`` (from 1) for ``hidden [..., C]``."""
        if self.config.share_weight:
            last = stage == self.quantizers - 1
            table = (
                self.output_proj_weight_[0] if last else self.embed_proj_shared_weight[stage - 1]
            )
            return hidden @ table.t()
        # the released code adds the product twice
        product = hidden @ self.output_proj_weight[stage - 1].t()
        return 2 * product + self.output_proj_bias[stage - 1]

    def _tokens_before(self, text: Tensor, stage: int) -> Tensor:
        """``[B, 2, D]``: the condition and the number of the stage."""
        one_hot = text.new_zeros(self.quantizers)
        one_hot[stage] = 1
        quant = self.quant_emb(one_hot).expand(len(text), -1)
        return torch.stack([self.cond_emb(text), quant], dim=1)

    def features(self, total: Tensor, text: Tensor, stage: int, layout: Layout) -> Tensor:
        """Before the head: ``[B, S, D]``.

        Args:
            total: ``[B, S, C]`` sum of the token vectors of quantizers 0 to stage - 1.
            text: ``[B, 512]`` text features; zeros for the unconditional pass.
        """
        raise NotImplementedError

    def hidden(self, features: Tensor) -> Tensor:
        """Predicted code vectors, ``[..., C]``."""
        out: Tensor = self.output_process(features)
        return out


class AuxResidualNet(ResidualNet):
    """1-D: ``[condition, stage, tokens]`` through one encoder."""

    def __init__(self, config: ResidualConfig, codes: int, code_dim: int, quantizers: int) -> None:
        super().__init__(config, codes, code_dim, quantizers)
        self.position_enc = LearnedPositions(config.latent_dim)

    def features(self, total: Tensor, text: Tensor, stage: int, layout: Layout) -> Tensor:
        """See :meth:`ResidualNet.features`."""
        x = self.input_process(total) + self.position_enc(total.shape[1])
        x = torch.cat([self._tokens_before(text, stage).to(x.dtype), x], dim=1)
        return self.seqTransEncoder(x, layout.sequence(prefix=2))[:, 2:]


class GridResidualNet(ResidualNet):
    """2-D: attention over all tokens, then within each row, then along each column."""

    groups = JOINT_GROUPS
    extra_tokens = 2

    def __init__(self, config: ResidualConfig, codes: int, code_dim: int, quantizers: int) -> None:
        super().__init__(config, codes, code_dim, quantizers)
        self.position2d_enc = GridPositions(config.latent_dim)
        if config.attnj:
            self.seqTransEncoder2 = self._encoder()
        if config.attnt:
            self.seqTransEncoder3 = self._encoder()

    @property
    def mask_id(self) -> int:
        """Token id of the mask; the network may draw it."""
        return self.codes

    def features(self, total: Tensor, text: Tensor, stage: int, layout: Layout) -> Tensor:
        """See :meth:`ResidualNet.features`."""
        groups = self.groups
        rows = total.shape[1] // groups
        place = self.position2d_enc(rows + 2, groups)
        before = self._tokens_before(text, stage)[:, :, None].expand(-1, -1, groups, -1)
        grid = self.input_process(total).unflatten(1, (rows, groups))
        x = (torch.cat([before, grid], dim=1) + place).flatten(1, 2)
        y = self.seqTransEncoder(x, layout.sequence(2, groups)).unflatten(1, (rows + 2, groups))
        y = y[:, 2:]
        if self.config.attnj:
            joints = attend_rows(self.seqTransEncoder2, y + place[:rows], layout)
            y = y + joints.reshape(-1, y.shape[-1])[layout.reread_index()].view(y.shape)
        if self.config.attnt:
            z = torch.cat([before, y], dim=1) + place
            y = y + attend_columns(self.seqTransEncoder3, z, 2, layout)
        return y.flatten(1, 2)
