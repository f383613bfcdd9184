"""MoGenTS as it was released, plainly: the yardstick of ``benchmark_mogents.py``.

Two passes for guidance, PyTorch's own transformer layers over the padded batch, logits of every
place at every step, each network with its own run of the text encoder over all 77 places, and the
padded batch through the decoder. It draws the same random numbers, so that its token ids must equal
those of the pipeline in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from backend.models.mogents.layers import GridPositions, LearnedPositions
from backend.models.mogents.mask import GridMaskNet, MaskNet
from backend.models.mogents.networks import Networks
from backend.models.mogents.residual import GridResidualNet, ResidualNet
from backend.models.mogents.sampling import gumbel_choice, keep_best

STEPS, GUIDANCE, RESIDUAL_GUIDANCE, THRESHOLD = 10, 4.0, 5.0, 0.9
GROUPS = 6
EncodeText = Callable[[], Tensor]


def _encoder(ours: nn.Module, width: int, heads: int, inner: int) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(width, heads, inner, 0.2, "gelu")
    count = len(cast(nn.ModuleList, ours.layers))
    theirs = nn.TransformerEncoder(layer, count, enable_nested_tensor=False)
    theirs.load_state_dict(ours.state_dict())
    return theirs.eval().requires_grad_(False)


class PlainNet:
    """One network's forward pass, ``[B, S, D]`` before the head."""

    def __init__(self, net: MaskNet | ResidualNet) -> None:
        self.net, c = net, net.config
        self.grid = isinstance(net, GridMaskNet | GridResidualNet)
        self.before = 2 if isinstance(net, ResidualNet) else 1
        names = ("seqTransEncoder", "seqTransEncoder2", "seqTransEncoder3")[: 3 if self.grid else 1]
        self.encoders = [
            _encoder(getattr(net, name), c.latent_dim, c.n_heads, c.ff_size) for name in names
        ]

    def __call__(self, x: Tensor, first: Tensor, pad: Tensor) -> Tensor:
        """Embedded tokens ``[B, S, D]``, tokens before them ``[B, 1 or 2, D]``, pad ``[B, T]``."""
        pad = torch.cat([pad.new_zeros(len(pad), self.before), pad], dim=1)
        if not self.grid:
            places = cast(LearnedPositions, self.net.position_enc)(x.shape[1])
            x = torch.cat([first, x + places], dim=1)
            x = self.encoders[0](x.transpose(0, 1), src_key_padding_mask=pad)
            return x.transpose(0, 1)[:, self.before :]
        return self._grid(x.unflatten(1, (-1, GROUPS)), first, pad).flatten(1, 2)

    def _grid(self, x: Tensor, first: Tensor, pad: Tensor) -> Tensor:
        k, batch = self.before, len(x)
        first = first[:, :, None].expand(-1, -1, GROUPS, -1)
        rows = x.shape[1] + k
        place = cast(GridPositions, self.net.position2d_enc)(rows, GROUPS)
        y = (torch.cat([first, x], dim=1) + place).flatten(1, 2).transpose(0, 1)
        y = self.encoders[0](y, src_key_padding_mask=pad.repeat_interleave(GROUPS, dim=1))
        y = y.transpose(0, 1).unflatten(1, (rows, GROUPS))[:, k:]
        live = ~pad[:, k:]
        if k == 1:
            y = y + place[1:]
            joints = self.encoders[1](y[live].transpose(0, 1)).transpose(0, 1)
            y = y.masked_scatter(live[:, :, None, None], joints)
            pad = torch.cat([torch.ones_like(pad[:, :1]), pad[:, 1:]], dim=1)
        else:
            joints = self.encoders[1]((y + place[: rows - k])[live].transpose(0, 1))
            out = joints.new_zeros(GROUPS, *live.shape, joints.shape[-1])
            out[:, live] = joints
            y = y + out.reshape(rows - k, batch, GROUPS, -1).transpose(0, 1)
        z = (torch.cat([first, y], dim=1) + place).permute(1, 0, 2, 3).flatten(1, 2)
        z = self.encoders[2](z, src_key_padding_mask=pad.repeat_interleave(GROUPS, dim=0))
        return y + z.unflatten(1, (batch, GROUPS)).transpose(0, 1)[:, k:]


class PlainMoGenTS:
    """The released call order on the same networks."""

    def __init__(self, networks: Networks, encode_text: EncodeText) -> None:
        self.networks, self.encode_text = networks, encode_text
        parts = dict(networks.parts())
        self.nets = {
            n: PlainNet(cast(MaskNet, parts[n]))
            for n in ("mask_aux", "mask_ts", "res_aux", "res_ts")
        }

    @torch.no_grad()
    def generate(
        self, rows: Sequence[int], generator: torch.Generator, steps: int = STEPS
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Ids of both streams and the normalised motion of the padded batch."""
        n = self.networks
        aux = self._masked(n.mask_aux, "mask_aux", rows, generator, steps)
        grid = self._masked(n.mask_ts, "mask_ts", rows, generator, steps)
        all_aux = self._residual(n.res_aux, "res_aux", aux, rows, generator)
        all_grid = self._residual(n.res_ts, "res_ts", grid, rows, generator)
        all_grid = all_grid.unflatten(1, (-1, GROUPS))
        return all_aux, all_grid, n.vq.decode(all_aux, all_grid)[0]

    def _masked(
        self,
        net: MaskNet,
        name: str,
        rows: Sequence[int],
        generator: torch.Generator,
        steps: int,
    ) -> Tensor:
        text = self.encode_text()
        counts = torch.tensor(rows)
        pad_rows = torch.arange(max(rows)) >= counts[:, None]
        pad = pad_rows.repeat_interleave(net.groups, dim=1)
        ids = torch.where(pad, net.pad_id, net.mask_id)
        score = torch.where(pad, 1e5, 0.0)
        for tau in torch.linspace(0, 1, steps):
            share = torch.cos(tau * math.pi * 0.5)
            masked = torch.round(share * counts * net.groups).clamp(min=1)
            where = score.argsort(dim=1).argsort(dim=1) < masked[:, None]
            ids = torch.where(where, net.mask_id, ids)
            c, u = (
                net.classify(
                    self.nets[name](
                        net.input_process(net.token_emb(ids)), net.cond_emb(t)[:, None], pad_rows
                    )
                )
                for t in (text, torch.zeros_like(text))
            )
            logits = u + (c - u) * GUIDANCE
            chances = torch.softmax(keep_best(logits, THRESHOLD), dim=-1)
            drawn = torch.multinomial(chances.flatten(0, 1), 1, generator=generator)
            drawn = drawn.view(ids.shape)
            ids = torch.where(where, drawn, ids)
            score = torch.softmax(logits, dim=-1).gather(2, drawn[..., None]).squeeze(2)
            score = score.masked_fill(~where, 1e5)
        return torch.where(pad, -1, ids)

    def _residual(
        self,
        net: ResidualNet,
        name: str,
        ids: Tensor,
        rows: Sequence[int],
        generator: torch.Generator,
    ) -> Tensor:
        text = self.encode_text()
        pad_rows = torch.arange(max(rows)) >= torch.tensor(rows)[:, None]
        pad = pad_rows.repeat_interleave(net.groups, dim=1)
        latest = ids.masked_fill(pad, net.pad_id)
        total: Tensor = torch.zeros(())
        found = [latest]
        for stage in range(1, net.quantizers):
            total = total + net.token_table(stage - 1)[latest]
            c, u = (
                net.classify(
                    net.hidden(
                        self.nets[name](
                            net.input_process(total), net._tokens_before(t, stage), pad_rows
                        )
                    ),
                    stage,
                )
                for t in (text, torch.zeros_like(text))
            )
            logits = u + (c - u) * RESIDUAL_GUIDANCE
            batch, places, classes = logits.shape
            noise = torch.rand(batch, classes, places, generator=generator).transpose(1, 2)
            latest = gumbel_choice(keep_best(logits, THRESHOLD), noise, 1.0)
            latest = latest.masked_fill(pad, net.pad_id)
            found.append(latest)
        every = torch.stack(found, dim=-1)
        every = every.masked_fill(every == net.pad_id, -1)
        if isinstance(net, GridResidualNet) and int(every.max()) == net.mask_id:
            every = every.clamp(0, net.codes - 1)
        return every
