"""Kimodo's denoiser: a root stage, then a body stage that reads the root's prediction.

Attribute names are the tensor names of the released checkpoints. The network predicts the clean
motion (x0), normalised. Constraints enter by the input: known values replace the noisy ones, and
the mask of what is known lies beside them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..mogents.layers import Encoder
from ..mogents.layout import Pack
from .config import MAX_POSITIONS, KimodoConfig
from .statistics import FeatureStats

ROOT_WIDTH, LOCAL_WIDTH = 5, 4
"""Root values: x, y, z, cos, sin; of the body stage: turn, x and z speed, height."""


class TimeEmbedding(nn.Module):
    """Row ``t`` of the position table through a small network."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time_embed = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, rows: Tensor) -> Tensor:
        """``[B, D]`` to the same."""
        out: Tensor = self.time_embed(rows)
        return out


class Stage(nn.Module):
    """One transformer over [text tokens, time, heading, frames]."""

    def __init__(self, config: KimodoConfig, inputs: int, outputs: int) -> None:
        super().__init__()
        c, width = config, config.latent_dim
        self.config = config
        self.embed_text = nn.Linear(c.text_width, width)
        self.embed_timestep = TimeEmbedding(width)
        self.linear_first_heading_angle = nn.Linear(2, width)
        self.input_linear = nn.Linear(inputs, width)
        self.seqTransEncoder = Encoder(c.num_layers, width, c.num_heads, c.ff_size)
        self.output_linear = nn.Linear(width, outputs)
        self.dtype = torch.float32
        """Of the transformer's products; what goes in and comes out is float32."""

    def forward(
        self, frames: Tensor, text: Tensor, t: Tensor, heading: Tensor, pack: Pack | None
    ) -> Tensor:
        """``[B, T, inputs]`` to ``[B, T, outputs]``.

        Args:
            text: ``[B, text_width]``; zeros for no text (the token is then the bias, not absent).
            t: ``[B]`` base steps.
            heading: ``[B]`` heading of the first frame, rad.
            pack: of whole sequences, prefix included; None where nothing is padding.
        """
        c = self.config
        table = _positions(c.latent_dim, frames.device)
        tokens = functional.pad(text[:, None], (0, 0, 0, c.text_tokens - 1))
        direction = torch.stack([heading.cos(), heading.sin()], dim=-1)
        prefix = [
            self.embed_text(tokens),
            self.embed_timestep(table[t])[:, None],
            self.linear_first_heading_angle(direction)[:, None],
        ]
        x = torch.cat([*prefix, self.input_linear(frames)], dim=1)
        x = x + table[: x.shape[1]]
        if self.dtype == torch.float32:
            x = self.seqTransEncoder(x, pack)
        else:
            with torch.autocast(x.device.type, dtype=self.dtype):
                x = self.seqTransEncoder(x, pack).float()
        out: Tensor = self.output_linear(x[:, c.prefix :])
        return out


class KimodoDenoiser(nn.Module):
    """Both stages and the statistics between them; called as ``net(x, timesteps, y)``.

    Args of ``forward``:
        x: ``[B, T, features]`` noisy, normalised.
        timesteps: ``[B]`` base steps.
        y: ``text`` ``[B, text_width]``; ``heading`` ``[B]`` rad; optional ``lengths`` ``[B]``;
            optional ``observed`` ``[B, T, features]`` (normalised) with ``mask``, the same shape,
            1 where a value is known.

    Returns the clean motion ``[B, T, features]``, normalised. Frames past a row's length hold no
    meaning and influence nothing.
    """

    def __init__(self, config: KimodoConfig, stats: FeatureStats) -> None:
        super().__init__()
        self.config = config
        self.stats = stats
        dim = config.features
        self.root_model = Stage(config, 2 * dim, ROOT_WIDTH)
        self.body_model = Stage(config, LOCAL_WIDTH + 2 * dim - ROOT_WIDTH, dim - ROOT_WIDTH)

    def compute_in(self, dtype: torch.dtype) -> None:
        """Let the transformers multiply in ``dtype``; features stay float32."""
        self.root_model.dtype = self.body_model.dtype = dtype

    def forward(self, x: Tensor, timesteps: Tensor, y: dict[str, Tensor]) -> Tensor:
        """See the class."""
        rows, frames, _ = x.shape
        mask = y.get("mask")
        lengths = y.get("lengths")
        if mask is None:
            mask = torch.zeros_like(x)
        else:
            mask = mask.to(x.dtype)
            x = x * (1 - mask) + y["observed"] * mask
        pack, valid = None, torch.full((rows,), frames, device=x.device)
        if lengths is not None and int(lengths.min()) < frames:
            valid = lengths.to(x.device)
            real = torch.arange(frames, device=x.device) < valid[:, None]
            pack = Pack.of(functional.pad(real, (self.config.prefix, 0), value=True))
        condition = (y["text"], timesteps, y["heading"], pack)
        root = self.root_model(torch.cat([x, mask], dim=-1), *condition)
        local = self.local_root(root, valid)
        body_input = torch.cat([local, x[..., ROOT_WIDTH:], mask], dim=-1)
        return torch.cat([root, self.body_model(body_input, *condition)], dim=-1)

    def local_root(self, root: Tensor, valid: Tensor) -> Tensor:
        """Turn, ground speed and height ``[B, T, 4]`` of a predicted root ``[B, T, 5]``.

        Both are normalised. Speeds are to the next frame; the last valid frame repeats the one
        before it.
        """
        x = self.stats.root_back(root)
        angle = torch.atan2(x[..., 4], x[..., 3])
        turn = angle[:, 1:] - angle[:, :-1]
        turn = torch.atan2(turn.sin(), turn.cos())
        steps = x[:, 1:, [0, 2]] - x[:, :-1, [0, 2]]
        speed = torch.cat([turn[..., None], steps], dim=-1) * self.config.fps
        speed = torch.cat([speed, speed.new_zeros(len(x), 1, 3)], dim=1)
        rows = torch.arange(len(x), device=x.device)
        speed[rows, valid - 1] = speed[rows, (valid - 2).clamp(min=0)]
        return self.stats.local_root(torch.cat([speed, x[..., 1:2]], dim=-1))


_TABLES: dict[tuple[int, torch.device], Tensor] = {}


def _positions(width: int, device: torch.device) -> Tensor:
    """``[5000, width]``: sin and cos alternate, frequencies ``1 / 10000 ** (2 i / width)``."""
    key = (width, device)
    if key not in _TABLES:
        place = torch.arange(MAX_POSITIONS, dtype=torch.float32)[:, None]
        rate = 1.0 / torch.pow(10000.0, torch.arange(0, width, 2, dtype=torch.float32) / width)
        table = torch.zeros(MAX_POSITIONS, width)
        table[:, 0::2] = torch.sin(place * rate)
        table[:, 1::2] = torch.cos(place * rate)
        _TABLES[key] = table.to(device)
    return _TABLES[key]
