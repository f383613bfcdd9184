"""Token sampling: masked decoding of the first quantizer, then the residual stages.

Guidance is ``u + (c - u) * scale``; the conditional and unconditional pass run as one batch. Heads,
softmax and draws only run where a token is still masked, and everything skips padding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import FormatError, InvalidRequest
from .draws import Draws
from .layout import Layout
from .mask import MaskNet
from .residual import GridResidualNet, ResidualNet
from .vq import NO_CODE

OnStep = Callable[[], None]
_COMMITTED = 1e5
"""Score of tokens that are never masked again: those of earlier steps, and padding."""
_SMALLEST = 1e-20
_COLDEST = 1e-10
_REWORKED = 0.16
"""Share of a whole clip that each step draws again where nothing says which part to edit."""


@dataclass(frozen=True)
class MaskOptions:
    """How the mask networks sample; the defaults are the published setting.

    Attributes:
        timesteps: decoding steps.
        guidance_scale: 1 is the conditional network alone.
        temperature: only has an effect with ``gumbel`` or ``tempered``, as in the released codes.
        threshold: the best ``ceil((1 - threshold) * classes)`` classes are drawn from.
        gumbel: draw by Gumbel noise instead of multinomially.
        unconditional: ignore the text.
        tempered: the temperature divides the logits of a multinomial draw too, as in MoMask.
    """

    timesteps: int = 10
    guidance_scale: float = 4.0
    temperature: float = 1.0
    threshold: float = 0.9
    gumbel: bool = False
    unconditional: bool = False
    tempered: bool = False

    def __post_init__(self) -> None:
        if self.timesteps < 1:
            raise InvalidRequest(f"{self.timesteps} decoding steps.", "Use at least 1.")
        _check_sampling(self.threshold, self.temperature)


@dataclass(frozen=True)
class ResidualOptions:
    """How the residual networks sample; ``layers`` limits the stages (None: all of them)."""

    guidance_scale: float = 5.0
    temperature: float = 1.0
    threshold: float = 0.9
    layers: int | None = None

    def __post_init__(self) -> None:
        if self.layers is not None and self.layers < 1:
            raise InvalidRequest(f"{self.layers} residual layers.", "Use at least 1.")
        _check_sampling(self.threshold, self.temperature)


def _check_sampling(threshold: float, temperature: float) -> None:
    if not 0 <= threshold < 1:
        raise InvalidRequest(f"The threshold is {threshold:g}.", "Use a value from 0 to below 1.")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise InvalidRequest(f"The temperature is {temperature:g}.", "Use 0 or more.")


# ---------------------------------------------------------------- logits


def mask_logits(
    net: MaskNet,
    ids: Tensor,
    text: Tensor,
    layout: Layout,
    *,
    guidance_scale: float = 1.0,
    unconditional: bool = False,
    where: Tensor | None = None,
) -> Tensor:
    """Guided logits of the codes.

    Args:
        ids: ``[B, S]`` with S = rows * groups.
        text: ``[B, 512]``.
        where: ``[N]`` places in the flattened ``B * S``; all of them when None.

    Returns:
        ``[N, n]``, or ``[B, S, n]`` without ``where``.
    """
    if unconditional or guidance_scale == 1:
        single = torch.zeros_like(text) if unconditional else text
        return net.classify(_at(net.features(ids, single, layout), where))
    both = torch.cat([text, torch.zeros_like(text)])
    features = net.features(torch.cat([ids, ids]), both, layout.doubled).chunk(2)
    return _guided(net.classify(torch.stack([_at(f, where) for f in features])), guidance_scale)


def residual_logits(
    net: ResidualNet,
    total: Tensor,
    text: Tensor,
    stage: int,
    layout: Layout,
    *,
    guidance_scale: float = 1.0,
    where: Tensor | None = None,
) -> Tensor:
    """Guided logits of stage ``stage``, shaped as in :func:`mask_logits`; ``total [B, S, C]``."""
    if guidance_scale == 1:
        features = _at(net.features(total, text, stage, layout), where)
        return net.classify(net.hidden(features), stage)
    both = torch.cat([text, torch.zeros_like(text)])
    halves = net.features(torch.cat([total, total]), both, stage, layout.doubled).chunk(2)
    hidden = net.hidden(torch.stack([_at(f, where) for f in halves]))
    return _guided(net.classify(hidden, stage), guidance_scale)


def _at(features: Tensor, where: Tensor | None) -> Tensor:
    return features if where is None else features.flatten(0, 1)[where]


def _guided(logits: Tensor, scale: float) -> Tensor:
    conditional, unconditional = logits.float().unbind()
    return unconditional + (conditional - unconditional) * scale


# ---------------------------------------------------------------- draws


def keep_best(logits: Tensor, threshold: float) -> Tensor:
    """All but the best ``ceil((1 - threshold) * V)`` logits of each row become -inf."""
    count = math.ceil((1 - threshold) * logits.shape[-1])
    values, places = logits.topk(count, dim=-1)
    return torch.full_like(logits, float("-inf")).scatter_(-1, places, values)


def gumbel_choice(filtered: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """``argmax(filtered / temperature + G)`` with Gumbel noise G from ``uniform``."""
    surprise = -torch.log(uniform.clamp(min=_SMALLEST))
    noise = -torch.log(surprise.clamp(min=_SMALLEST))
    return (filtered / max(temperature, _COLDEST) + noise).argmax(dim=-1)


# ---------------------------------------------------------------- loops


@dataclass(frozen=True)
class KeptTokens:
    """The base tokens of a clip that is edited (MoMask's editing in time).

    Attributes:
        ids: ``[B, S]`` of the clip; padding does not matter.
        edited: ``[B, S]`` bool, True where tokens are made anew, at least one a clip. None draws
            the least certain 16 % of the whole clip again at every step.
    """

    ids: Tensor
    edited: Tensor | None = None

    def start(self, net: MaskNet, live: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """First ids, scores, and how many tokens of each clip are open."""
        changed = live if self.edited is None else self.edited.to(live.device) & live
        if self.ids.shape != live.shape or not bool(changed.any(dim=1).all()):
            raise FormatError(
                f"Tokens of shape {list(self.ids.shape)} to edit do not fit, or a clip has none "
                "to make anew.",
                f"Give {list(live.shape)} ids and at least one token of each clip.",
            )
        ids = torch.where(live, self.ids.to(live.device), net.pad_id)
        if self.edited is not None:
            ids = torch.where(changed, net.mask_id, ids)
        return ids, torch.where(changed, 0.0, _COMMITTED), changed.sum(dim=1)


@torch.no_grad()
def sample_masked(
    net: MaskNet,
    text: Tensor,
    layout: Layout,
    draws: Draws,
    options: MaskOptions | None = None,
    on_step: OnStep | None = None,
    kept: KeptTokens | None = None,
) -> Tensor:
    """Base token ids ``[B, T]`` or ``[B, T, 6]``; padding is -1.

    Each step masks the least certain tokens again, fewer each time (cosine), the last step one.

    Args:
        kept: a clip of which only a part is made anew.
    """
    options = options or MaskOptions()
    groups, batch = net.groups, len(layout.lengths)
    tokens = [n * groups for n in layout.lengths]
    live = layout.live.repeat_interleave(groups, dim=1)
    counts = layout.counts * groups
    ids = torch.where(live, net.mask_id, net.pad_id)
    score = torch.where(live, 0.0, _COMMITTED)
    if kept is not None:
        ids, score, counts = kept.start(net, live)
    for tau in torch.linspace(0, 1, options.timesteps):
        share = torch.cos(tau * math.pi * 0.5).to(counts.device)
        if kept is not None and kept.edited is None:
            share = torch.full_like(share, _REWORKED)
        masked = torch.round(share * counts).clamp(min=1)
        rank = score.argsort(dim=1).argsort(dim=1)
        where = (rank < masked[:, None]).flatten().nonzero().squeeze(1)
        ids = ids.flatten().index_fill(0, where, net.mask_id).view(batch, -1)
        logits = mask_logits(
            net,
            ids,
            text,
            layout,
            guidance_scale=options.guidance_scale,
            unconditional=options.unconditional,
            where=where,
        ).float()
        filtered = keep_best(logits, options.threshold)
        if options.gumbel:
            noise = draws.uniform(tokens, net.codes, positions_first=True).to(logits.device)
            chosen = gumbel_choice(filtered, _at(noise, where), options.temperature)
        else:
            noise = draws.exponential(tokens, net.codes).to(logits.device)
            if options.tempered:
                filtered = filtered / max(options.temperature, _COLDEST)
            chosen = (torch.softmax(filtered, dim=-1) / _at(noise, where)).argmax(dim=-1)
        ids = ids.flatten().index_copy(0, where, chosen).view(batch, -1)
        certainty = torch.softmax(logits, dim=-1).gather(1, chosen[:, None]).squeeze(1)
        score = torch.full_like(score, _COMMITTED).flatten().index_copy_(0, where, certainty)
        score = score.view(batch, -1)
        if on_step is not None:
            on_step()
    ids = torch.where(live, ids, NO_CODE)
    return ids if groups == 1 else ids.unflatten(1, (-1, groups))


@torch.no_grad()
def sample_residual(
    net: ResidualNet,
    ids: Tensor,
    text: Tensor,
    layout: Layout,
    draws: Draws,
    options: ResidualOptions | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """All quantizers' ids ``[..., Q']`` from the base ids ``[B, T]`` or ``[B, T, 6]``.

    A drawn padding id means "no code" (-1). In 2-D a drawn mask id makes the released code clip the
    whole array to real codes, padding included; with an independent layout it does so per clip.

    Raises:
        FormatError: the ids do not fit the layout, or lie out of the codebook.
    """
    options = options or ResidualOptions()
    groups, batch = net.groups, len(layout.lengths)
    ids = _checked_base(net, ids, layout)
    tokens = [n * groups for n in layout.lengths]
    live = layout.live.repeat_interleave(groups, dim=1)
    where = live.flatten().nonzero().squeeze(1)
    stages = net.quantizers - 1 if options.layers is None else options.layers
    latest = torch.where(live, ids, net.pad_id)
    total: Tensor = torch.zeros((), device=ids.device)
    found = [latest]
    for stage in range(1, min(stages, net.quantizers - 1) + 1):
        total = total + net.token_table(stage - 1)[latest]
        logits = residual_logits(
            net, total, text, stage, layout, guidance_scale=options.guidance_scale, where=where
        ).float()
        noise = draws.uniform(tokens, net.classes, positions_first=False).to(logits.device)
        filtered = keep_best(logits, options.threshold)
        chosen = gumbel_choice(filtered, _at(noise, where), options.temperature)
        latest = torch.full_like(latest, net.pad_id).flatten().index_copy_(0, where, chosen)
        latest = latest.view(batch, -1)
        found.append(latest)
        if on_step is not None:
            on_step()
    every = torch.stack(found, dim=-1)
    every = torch.where(every == net.pad_id, NO_CODE, every)
    if isinstance(net, GridResidualNet):
        every = _clip_stray_masks(every, net, layout)
    return every if groups == 1 else every.unflatten(1, (-1, groups))


def _checked_base(net: ResidualNet, ids: Tensor, layout: Layout) -> Tensor:
    batch, places = len(layout.lengths), layout.rows * net.groups
    if ids.shape[0] != batch or ids[0].numel() != places:
        raise FormatError(
            f"Base token ids of shape {list(ids.shape)} do not fit {batch} clips of up to "
            f"{layout.rows} rows with {net.groups} columns.",
            "Give the ids that the mask network made for the same lengths.",
        )
    ids = ids.reshape(batch, places)
    real = ids[layout.live.repeat_interleave(net.groups, dim=1)]
    if int(real.min()) < 0 or int(real.max()) >= net.codes:
        raise FormatError(
            f"Base token ids run from {int(real.min())} to {int(real.max())}.",
            f"They must lie between 0 and {net.codes - 1}.",
        )
    return ids


def _clip_stray_masks(every: Tensor, net: GridResidualNet, layout: Layout) -> Tensor:
    stray = (every == net.mask_id).flatten(1).any(dim=1)
    if not layout.independent:
        stray = stray.any().expand(len(every))
    return torch.where(stray[:, None, None], every.clamp(0, net.codes - 1), every)
