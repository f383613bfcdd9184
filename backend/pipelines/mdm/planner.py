"""Prefix completion with MDM: DiP, the diffusion planner (Tevet et al., CLoSD, ICLR 2025).

The network sees the last ``context_len`` frames of a motion and makes the next ``pred_len``. Longer
motions are made window after window: each begins where the one before ended, and runs the whole
sampling loop on noise of its own.

The released code takes the first prefix from its data set. Here it comes from whoever asks; without
one the motion starts from :func:`standing`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...diffusion.exact import ReleasedProcess, sample_exact
from ...diffusion.guidance import Denoiser
from ...diffusion.loop import StepCallback, sample, seeded_generators
from ...errors import FormatError, InvalidRequest
from ...models.mdm.network import MDM
from ...motion import convert
from ...motion.representations.spec import RepresentationSpec
from ...store.model_folder import Stats
from ...wire import limits
from ...wire.messages import Motion
from ..calls import (
    check_frames,
    check_one_each,
    check_texts,
    chunks_of_like_length,
    drawn_seed,
    named_settings,
    part_of,
)
from ..humanml3d.lengths import request_length
from ..humanml3d.output import check_skeleton

if TYPE_CHECKING:
    from .pipeline import MDMPipeline

Caption = str | Sequence[str]
"""What happens, or what happens in each window (the last one goes on where there are too few)."""
Prefix = Motion | np.ndarray
"""A motion to go on from: motion_135 at any rate, or un-normalised features ``[T, 263]``."""
TARGET_KEYS = ("target_cond", "target_joint_names", "is_heading")
"""Entries of a network's condition that say where joints should be (see ``MDM.forward``)."""


def is_planner(net: MDM) -> bool:
    """Whether a network completes prefixes instead of making whole motions."""
    return net.config.context_len > 0


def request_frames(pipeline: MDMPipeline, seconds: float) -> int:
    """Frames to sample for a request; a planner makes any length.

    Raises:
        InvalidRequest: a length that the model was not trained for.
    """
    if not is_planner(pipeline.net):
        return request_length(seconds, pipeline.config.name)
    return max(1, math.ceil(round(seconds * pipeline.spec.fps, 6)))


# ------------------------------------------------------------------ windows


def windows(frames: int, pred_len: int) -> int:
    """How many windows make ``frames`` frames."""
    return math.ceil(frames / pred_len)


def chain(
    window: Callable[[Tensor, int], Tensor], prefix: Tensor, frames: int, pred_len: int, axis: int
) -> Tensor:
    """Window after window, cut to ``frames`` along ``axis`` (time).

    Args:
        window: ``(prefix, index)`` to the next ``pred_len`` frames.
        prefix: what the first window goes on from.
    """
    parts: list[Tensor] = []
    for index in range(windows(frames, pred_len)):
        parts.append(window(prefix, index))
        context = prefix.shape[axis]
        seen = torch.cat([prefix, parts[-1]], axis)
        prefix = seen.narrow(axis, seen.shape[axis] - context, context)
    return torch.cat(parts, axis).narrow(axis, 0, frames)


def rollout_exact(
    net: MDM,
    prefix: Tensor,
    frames: int,
    *,
    process: ReleasedProcess,
    condition: Callable[[int], Mapping[str, object]],
    guidance: float,
    generator: torch.Generator,
    sampler: str = "ddpm",
    on_step: StepCallback | None = None,
) -> Tensor:
    """The released autoregressive loop on one batch, normalised ``[B, J, C, frames]``.

    Args:
        prefix: normalised ``[B, J, C, context_len]``.
        condition: the condition of each window by its number; ``mask`` and ``prefix`` are added.
        generator: one stream of random numbers for all windows.
    """
    c, device = net.config, prefix.device
    count = windows(frames, c.pred_len)
    shape = (len(prefix), c.joints, c.channels, c.pred_len)
    mask = torch.ones(len(prefix), 1, 1, c.pred_len, dtype=torch.bool, device=device)

    def window(before: Tensor, index: int) -> Tensor:
        return sample_exact(
            net,
            shape,
            process=process,
            y={**condition(index), "mask": mask, "prefix": before},
            guidance=guidance,
            sampler=sampler,
            generator=generator,
            on_step=part_of(on_step, index, count),
            device=device,
        )

    return chain(window, prefix, frames, c.pred_len, axis=-1)


def after(denoise: Denoiser, prefix: Tensor) -> Denoiser:
    """A network of whole clips as one of what follows ``prefix`` ``[B, context_len, D]``."""

    def completed(x: Tensor, timesteps: Tensor, y: dict[str, object]) -> Tensor:
        return denoise(torch.cat([prefix, x], 1), timesteps, y)[:, prefix.shape[1] :]

    return completed


# ------------------------------------------------------------------ the first prefix


def standing(stats: Stats, spec: RepresentationSpec, frames: int) -> np.ndarray:
    """``[frames, D]`` un-normalised: the mean pose of the training data, standing still.

    Speeds and turns are zero and both feet are on the ground, so that the first window starts from
    rest.
    """
    pose = stats.mean.float().cpu().numpy().copy()
    for block in ("yaw_velocity", "root_velocity", "velocities"):
        pose[spec.columns(block)] = 0.0
    pose[spec.columns("contacts")] = 1.0
    return np.tile(pose, (frames, 1))


def prefix_features(pipeline: MDMPipeline, prefix: Prefix | None) -> np.ndarray:
    """The last ``context_len`` frames of a prefix, ``[context_len, D]`` un-normalised.

    Raises:
        FormatError: not such features, not finite, or fewer frames.
    """
    context = pipeline.net.config.context_len
    if prefix is None:
        return standing(pipeline.stats, pipeline.spec, context)
    if isinstance(prefix, Motion):
        check_skeleton(pipeline.spec.dim, pipeline.config.name)
        clip = convert.motion135_to_hml263(prefix.data, prefix.fps)
    else:
        clip = np.asarray(prefix, np.float32)
    if clip.ndim != 2 or clip.shape[1] != pipeline.spec.dim or len(clip) < context:
        raise FormatError(
            f"The model {pipeline.config.name!r} cannot go on from features of the shape "
            f"{list(clip.shape)}.",
            f"Give {context} frames at {pipeline.spec.fps:g} fps or more "
            f"({(context + 1) / pipeline.spec.fps:g} s of motion), each of {pipeline.spec.dim}.",
        )
    if not np.isfinite(clip).all():
        raise FormatError("The motion to go on from is not finite.", "Repair it first.")
    return clip[-context:]


# ------------------------------------------------------------------ the pipeline's side


def complete(
    pipeline: MDMPipeline,
    captions: Sequence[Caption],
    lengths: Sequence[int],
    *,
    prefixes: Prefix | Sequence[Prefix | None] | None = None,
    seed: int | None = None,
    guidance_scale: float | None = None,
    sampler: str | None = None,
    steps: int | None = None,
    exact: bool = False,
    target: Mapping[str, Any] | None = None,
    on_step: StepCallback | None = None,
    **options: Any,
) -> list[np.ndarray]:
    """What follows prefixes, as captions tell, in un-normalised features.

    Args:
        captions: one for each motion, or a list with one for each window of it.
        lengths: new frames at 20 fps, taken as they are.
        prefixes: one for all, or one for each; :func:`standing` where None.
        seed: motion ``i`` uses ``seed + i`` and does not depend on its batch; drawn when None.
        guidance_scale, sampler, steps: the model's defaults when None.
        exact: the released loop: one batch, one generator of ``seed``, every step.
        target: :data:`TARGET_KEYS` as the network reads them, a row for each motion, in the
            coordinates it was trained with; for models with target conditioning.
        on_step: ``on_step(done, total)`` over all windows; it may raise ``Cancelled``.
        options: settings by the names that others give them (``guidance_param``).

    Returns:
        ``[length, D]`` float32 each, without the prefix.

    Raises:
        InvalidRequest: no planner, a bad length or sampling setting, or a target that does not fit.
        FormatError: see :func:`prefix_features`.
    """
    check_one_each(captions, lengths)
    guidance_scale, steps = named_settings(guidance_scale, steps, options)
    name, fps = pipeline.config.name, pipeline.spec.fps
    if not is_planner(pipeline.net):
        raise InvalidRequest(
            f"The model {name!r} makes whole motions; it cannot go on from one.",
            "Use a prefix-completion model (DiP), or MotionGPT.",
        )
    frames = [int(n) for n in lengths]
    for n in frames:
        check_frames(n, 1, round(limits.MAX_SECONDS * fps), fps=fps, model=name)
    _check_target(pipeline.net, target, len(captions), exact, name)
    if not frames:
        return []
    given: list[Prefix | None]
    if prefixes is None or isinstance(prefixes, Motion | np.ndarray):
        given = [prefixes] * len(captions)
    else:
        given = list(prefixes)
    check_one_each(given, lengths, "prefixes")
    first = torch.from_numpy(np.stack([prefix_features(pipeline, p) for p in given])).float()
    how = _Sampling(
        pipeline.sampling.guidance(guidance_scale),
        sampler or ("ddpm" if exact else pipeline.config.sampler),
        steps,
        drawn_seed(seed),
        on_step,
    )
    prefix = pipeline.stats.normalise(first).to(pipeline.device)
    asked = _Asked(pipeline, [_by_window(c) for c in captions], dict(target or {}))
    make = _exact if exact else _in_chunks
    rows = make(pipeline, asked, prefix, frames, how)
    return [pipeline.denormalise(row[:n]) for row, n in zip(rows, frames, strict=True)]


@dataclass(frozen=True)
class _Sampling:
    guidance: float
    sampler: str
    steps: int | None
    seed: int
    on_step: StepCallback | None


@dataclass(frozen=True)
class _Asked:
    """What motions are asked for: a caption for each window, and targets."""

    pipeline: MDMPipeline
    captions: Sequence[Sequence[str]]
    target: dict[str, Any]

    def of(self, rows: Sequence[int]) -> Callable[[int], dict[str, Any]]:
        """The condition of some motions by the number of the window; texts are read once."""
        target = {
            key: value[list(rows)] if isinstance(value, Tensor) else [value[i] for i in rows]
            for key, value in self.target.items()
        }
        read: dict[tuple[str, ...], Any] = {}

        def condition(index: int) -> dict[str, Any]:
            texts = tuple(self.captions[i][min(index, len(self.captions[i]) - 1)] for i in rows)
            if texts not in read:
                read[texts] = self.pipeline.encode_text(texts)
            return {"text_embed": read[texts], **target}

        return condition


def _exact(
    pipeline: MDMPipeline, asked: _Asked, prefix: Tensor, lengths: list[int], how: _Sampling
) -> list[Tensor]:
    """All motions in one batch, normalised ``[longest, D]`` each."""
    c = pipeline.net.config
    x = rollout_exact(
        pipeline.net,
        prefix.unflatten(-1, (c.joints, c.channels)).permute(0, 2, 3, 1),
        max(lengths),
        process=pipeline.sampling.released_process(how.sampler, how.steps),
        condition=asked.of(range(len(lengths))),
        guidance=how.guidance,
        generator=torch.Generator(pipeline.device).manual_seed(how.seed),
        sampler=how.sampler,
        on_step=how.on_step,
    )
    return list(x.permute(0, 3, 1, 2).flatten(2))


def _in_chunks(
    pipeline: MDMPipeline, asked: _Asked, prefix: Tensor, lengths: list[int], how: _Sampling
) -> list[Tensor]:
    """Each motion with random numbers of its own, normalised ``[length, D]``."""
    ahead = pipeline.net.config.pred_len
    chunks = chunks_of_like_length(lengths, pipeline.sampling.clips_at_once)
    counts = [windows(max(lengths[i] for i in chunk), ahead) for chunk in chunks]
    rows: dict[int, Tensor] = {}
    for number, chunk in enumerate(chunks):
        window = _window_of(
            pipeline,
            asked.of(chunk),
            how,
            [seeded_generators(how.seed + i, 1)[0] for i in chunk],
            (sum(counts[:number]), sum(counts)),
        )
        x = chain(window, prefix[chunk], counts[number] * ahead, ahead, axis=1)
        rows |= {i: x[row, : lengths[i]] for row, i in enumerate(chunk)}
    return [rows[i] for i in range(len(rows))]


def _window_of(
    pipeline: MDMPipeline,
    condition: Callable[[int], dict[str, object]],
    how: _Sampling,
    generators: list[torch.Generator],
    place: tuple[int, int],
) -> Callable[[Tensor, int], Tensor]:
    """What makes a window of a chunk; ``place``: windows before this chunk, and of all chunks."""
    denoise = pipeline.sampling.guided(how.guidance)
    before, total = place

    def window(prefix: Tensor, index: int) -> Tensor:
        return sample(
            after(denoise, prefix),
            (len(prefix), pipeline.net.config.pred_len, prefix.shape[-1]),
            schedule=pipeline.schedule,
            sampler=how.sampler,
            steps=pipeline.sampling.steps(how.steps),
            y=condition(index),
            generator=generators,
            on_step=part_of(how.on_step, before + index, total),
            device=pipeline.device,
        )

    return window


def _by_window(caption: Caption) -> list[str]:
    texts = [caption] if isinstance(caption, str) else list(caption)
    if not texts:
        raise InvalidRequest("A motion has no caption.", "Give a text, or one for each window.")
    check_texts(texts)
    return texts


def _check_target(
    net: MDM, target: Mapping[str, Any] | None, count: int, exact: bool, name: str
) -> None:
    if target is None:
        return
    if not net.config.target_cond:
        raise InvalidRequest(
            f"The model {name!r} was trained without targets.",
            "Leave the target out, or use a DiP with target conditioning.",
        )
    if net.config.arch == "trans_enc" and not exact:
        raise InvalidRequest(
            "Targets of encoder networks are only known to the exact mode.", "Use exact=True."
        )
    wrong = set(target) ^ set(TARGET_KEYS)
    if wrong or any(len(value) != count for value in target.values()):
        raise InvalidRequest(
            "The target does not fit the motions.",
            f"Give {', '.join(TARGET_KEYS)}, each with {count} rows.",
        )
