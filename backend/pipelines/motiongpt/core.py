"""MotionGPT's networks at work: clips to tokens, prompts to answers, answers to clips."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ...diffusion.loop import StepCallback
from ...errors import FormatError, InvalidRequest
from ...models.motiongpt.network import MotionGPT
from ...store.model_folder import Stats
from ...text import motion_prompts as prompts
from ...text.motion_prompts import CODES, FRAMES_PER_TOKEN, Task
from ...text.motion_tokens import MotionTextTokenizer
from ..calls import cut_warning, device_or_best, drawn_seed, frozen, part_of, precision_name
from .answers import Answer, read_answer
from .decoding import TOP_K, generate_tokens
from .folder import SPEC, MotionGPTConfig

MOTION_LENGTH, TEXT_LENGTH = 128, 40
"""Longest answers in tokens, as published."""
PROMPTS_AT_ONCE = 32
"""Prompts of one batch: each takes about 20 MB of cached keys and values at true size."""
CLIPS_AT_ONCE = 32


class MotionGPTCore:
    """The two networks with their statistics and tokenizer."""

    def __init__(
        self,
        config: MotionGPTConfig,
        net: MotionGPT,
        stats: Stats,
        tokenizer: MotionTextTokenizer,
        *,
        device: str | torch.device | None = None,
        precision: str = "float32",
    ) -> None:
        self.config, self.stats, self.tokenizer = config, stats, tokenizer
        self.device = device_or_best(device)
        self.net = frozen(net, self.device)
        self.precision = precision_name(precision)
        if self.precision == "bfloat16":
            for module in self.net.language_model.modules():
                if isinstance(module, nn.Linear):
                    module.to(torch.bfloat16)

    def encode_motions(self, clips: Sequence[np.ndarray]) -> list[list[int]]:
        """Motion tokens of ``[T >= 4, 263]`` un-normalised clips; a remainder of T / 4 is lost.

        Raises:
            FormatError: not such a clip, or not finite.
        """
        checked = [_checked_clip(clip) for clip in clips]
        ids: list[list[int]] = [[] for _ in checked]
        for rows in _equal_lengths([len(clip) for clip in checked]):
            x = torch.from_numpy(np.stack([checked[row] for row in rows])).to(self.device)
            with torch.inference_mode():
                found = self.net.vae.encode(self.stats.normalise(x))
            for row, tokens in zip(rows, found.tolist(), strict=True):
                ids[row] = tokens
        return ids

    def decode_motions(self, ids: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Clips ``[4 N, 263]`` float32 un-normalised of N >= 1 motion tokens each.

        Raises:
            InvalidRequest: no tokens, or one that is no code.
        """
        for tokens in ids:
            wrong = [i for i in tokens if not 0 <= i < CODES]
            if wrong or not len(tokens):
                what = f"{wrong[0]} is no motion token" if wrong else "there are no motion tokens"
                raise InvalidRequest(
                    f"A motion cannot be made: {what}.", f"Tokens are 0 to {CODES - 1}."
                )
        clips: list[np.ndarray] = [np.empty(0)] * len(ids)
        for rows in _equal_lengths([len(tokens) for tokens in ids]):
            table = torch.tensor([list(ids[row]) for row in rows], device=self.device)
            with torch.inference_mode():
                x = self.stats.denormalise(self.net.vae.decode(table)).float().cpu().numpy()
            for row, clip in zip(rows, x, strict=True):
                clips[row] = clip
        return clips

    def write_texts(
        self,
        asked: Sequence[str],
        *,
        max_length: int,
        generators: Sequence[torch.Generator] | None = None,
        top_k: int = TOP_K,
        on_step: StepCallback | None = None,
    ) -> tuple[list[str], tuple[bool, ...]]:
        """The language model's answers to prompts, and which prompts were cut to its limit.

        Many prompts are worked off in chunks; those that share one generator are one batch.
        """
        shared = generators is not None and len(generators) < len(asked)
        size = len(asked) if shared else PROMPTS_AT_ONCE
        starts = range(0, len(asked), size)
        texts: list[str] = []
        truncated: list[bool] = []
        for index, start in enumerate(starts):
            rows = slice(start, start + size)
            encoded = self.tokenizer.encode(asked[rows])
            with self._autocast():
                ids = generate_tokens(
                    self.net.language_model,
                    encoded.ids.to(self.device),
                    encoded.mask.to(self.device),
                    max_length=max_length,
                    generators=generators if shared or generators is None else generators[rows],
                    top_k=top_k,
                    on_step=part_of(on_step, index, len(starts)),
                )
            texts += [self.tokenizer.decode(row) for row in ids.tolist()]
            truncated += encoded.truncated
        return texts, tuple(truncated)

    def _autocast(self) -> AbstractContextManager[object]:
        enabled = self.precision == "bfloat16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled)

    def answer(
        self,
        asked: Sequence[str],
        *,
        seed: int | None = None,
        greedy: bool = False,
        shared_generator: bool = False,
        on_step: StepCallback | None = None,
    ) -> list[Answer]:
        """Motions that the model writes for prompts, as tokens; their features are missing yet.

        Args:
            seed: row ``i`` draws from ``seed + i``; at random when None.
            greedy: always the likeliest token.
            shared_generator: one stream of random numbers for all, as published batches have.
        """
        if not asked:
            return []
        seed = drawn_seed(seed)
        texts, truncated = self.write_texts(
            asked,
            max_length=MOTION_LENGTH,
            generators=None if greedy else _generators(seed, len(asked), shared_generator),
            on_step=on_step,
        )
        answers = [read_answer(text, prompt) for text, prompt in zip(texts, asked, strict=True)]
        return [
            answer.warned(cut_warning(answer.prompt)) if cut else answer
            for answer, cut in zip(answers, truncated, strict=True)
        ]

    def with_features(
        self, answers: Sequence[Answer], targets: Sequence[int | None]
    ) -> list[Answer]:
        """Decode answers; one without a motion gets the mean pose for the length asked."""
        found = [i for i, answer in enumerate(answers) if not answer.fallback]
        clips = self.decode_motions([answers[i].ids for i in found])
        features: dict[int, np.ndarray] = dict(zip(found, clips, strict=True))
        ready = []
        for i, (answer, target) in enumerate(zip(answers, targets, strict=True)):
            if answer.fallback:
                frames = max(1, target or FRAMES_PER_TOKEN)
                clip = np.tile(self.stats.mean.float().cpu().numpy(), (frames, 1))
            else:
                clip = features[i] if target is None else features[i][: max(1, target)]
            ready.append(replace(answer, features=clip))
        return ready


def filled_prompts(task: Task, seed: int, shared: bool, **values: Any) -> list[str]:
    """Fill prompts, with one stream of random numbers or with one for each (``seed + i``)."""
    if shared:
        return prompts.conditional_prompts(task, random.Random(seed), **values)
    return [
        prompts.conditional_prompts(
            task, random.Random(seed + i), **{name: [v[i]] for name, v in values.items()}
        )[0]
        for i in range(len(values["lengths"]))
    ]


def _generators(seed: int, count: int, shared: bool) -> list[torch.Generator]:
    # on the CPU, so that a seed gives the same tokens on every device
    return [torch.Generator().manual_seed(seed + i) for i in range(1 if shared else count)]


def _equal_lengths(lengths: Sequence[int]) -> list[list[int]]:
    """Rows by length, a few at a time: convolutions see where a clip ends, so none is padded."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row, length in enumerate(lengths):
        groups[length].append(row)
    size = CLIPS_AT_ONCE
    return [g[k : k + size] for g in groups.values() for k in range(0, len(g), size)]


def _checked_clip(clip: np.ndarray) -> np.ndarray:
    clip = np.asarray(clip, dtype=np.float32)
    if clip.ndim != 2 or clip.shape[1] != SPEC.dim or len(clip) < FRAMES_PER_TOKEN:
        raise FormatError(
            f"A clip of shape {list(clip.shape)} cannot be read as motion tokens.",
            f"It must be [T, {SPEC.dim}] at {SPEC.fps:g} fps with {FRAMES_PER_TOKEN} or more "
            "frames.",
        )
    if not np.isfinite(clip).all():
        raise FormatError("The clip holds NaN or infinite values.", "Repair it first.")
    return clip
