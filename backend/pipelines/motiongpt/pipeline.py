"""Text to motion, motion to text, and motion to motion with MotionGPT."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from ...diffusion.loop import StepCallback
from ...errors import InvalidRequest
from ...motion import convert
from ...text.motion_prompts import FRAMES_PER_TOKEN, PROMPT_MODES, PromptMode, Task
from ...text.motion_tokens import MAX_TOKENS
from ...wire.messages import Motion, Request
from ..base import FamilyPipeline, Made
from ..calls import Stages, check_one_each, check_texts, drawn_seed, named_settings
from ..editing.continuing import ContinuesBy
from ..humanml3d import output
from . import captioning, continuation
from . import folder as motiongpt_files
from .answers import Answer
from .core import MOTION_LENGTH, TEXT_LENGTH, MotionGPTCore, filled_prompts
from .folder import SPEC, MotionGPTFiles

MAX_FRAMES = (MOTION_LENGTH - 3) * FRAMES_PER_TOKEN
"""What an answer can hold beside its first token, the start and the end of the motion."""
_log = logging.getLogger(__name__)


class MotionGPTPipeline(MotionGPTCore, FamilyPipeline):
    """The networks, the files they come from, and what people ask of them."""

    continues_by: ContinuesBy = "tokens"

    # ------------------------------------------------------------------ files

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        bundle_kwargs: Mapping[str, Any] | None = None,
        device: str | torch.device | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        precision: str | None = None,
        **options: Any,
    ) -> Self:
        """As of every family; also ``bundle_kwargs``, which HFTrainer takes.

        Args:
            bundle_kwargs: ``local_files_only``, ``revision`` and ``device``; other keys raise.
            options: ``prompt_mode``, the default of this pipeline; the model's own when None.
        """
        given = dict(bundle_kwargs or {})
        local_files_only = bool(given.pop("local_files_only", local_files_only))
        revision = given.pop("revision", revision)
        device = given.pop("device", device)
        if given:
            raise InvalidRequest(
                f"Unknown bundle_kwargs: {', '.join(sorted(given))}.",
                "Use local_files_only, revision or device.",
            )
        return super().from_pretrained(
            name_or_path,
            device=device,
            local_files_only=local_files_only,
            revision=revision,
            precision=precision,
            **options,
        )

    @classmethod
    def find(
        cls, name_or_path: str | Path, *, revision: str | None, local_files_only: bool
    ) -> Path:
        """See :class:`FamilyPipeline`."""
        return motiongpt_files.find(
            name_or_path, revision=revision, local_files_only=local_files_only
        )

    @classmethod
    def read(
        cls,
        folder: Path,
        *,
        device: str | torch.device | None = None,
        precision: str = "float32",
        local_files_only: bool = False,
        prompt_mode: PromptMode | None = None,
    ) -> Self:
        """See :class:`FamilyPipeline`; a precision of half runs the language model's products."""
        files = motiongpt_files.read(folder)
        config = files.config
        if prompt_mode is not None:
            config = replace(config, prompt_mode=_checked_mode(prompt_mode))
        return cls(
            config, files.net, files.stats, files.tokenizer, device=device, precision=precision
        )

    def write(self, folder: Path) -> None:
        """See :class:`FamilyPipeline`: safetensors and JSON."""
        files = MotionGPTFiles(self.config, self.net, self.stats, self.tokenizer)
        motiongpt_files.save(folder, files)

    # ------------------------------------------------------------------ text to motion

    def infer_t2m(
        self,
        captions: Sequence[str],
        lengths: Sequence[int | None] | None = None,
        *,
        seed: int | None = None,
        prompt_mode: PromptMode | None = None,
        greedy: bool = False,
        shared_generator: bool = False,
        guidance_scale: float | None = None,
        steps: int | None = None,
        on_step: StepCallback | None = None,
        **options: Any,
    ) -> list[np.ndarray]:
        """One clip per caption: :meth:`answer_captions`, whose warnings are logged.

        Guidance and steps are taken as every family takes them, and left out.

        Returns:
            A list of ``[T, 263]`` float32 arrays at 20 fps, un-normalised, T at most the length.
        """
        if named_settings(guidance_scale, steps, options) != (None, None):
            _log.warning("MotionGPT has no guidance and no steps: left out")
        answers = self.answer_captions(
            captions,
            lengths,
            seed=seed,
            prompt_mode=prompt_mode,
            greedy=greedy,
            shared_generator=shared_generator,
            on_step=on_step,
        )
        for answer in answers:
            for text in answer.warnings:
                _log.warning(text)
        return [answer.features for answer in answers]

    def answer_captions(
        self,
        captions: Sequence[str],
        lengths: Sequence[int | None] | None = None,
        *,
        seed: int | None = None,
        prompt_mode: PromptMode | None = None,
        greedy: bool = False,
        shared_generator: bool = False,
        on_step: StepCallback | None = None,
    ) -> list[Answer]:
        """Ask for a motion per caption.

        The model decides how long a motion is; ``lengths`` cut it, and ``official_len`` also tells
        them to the model.

        Args:
            captions: one action each.
            lengths: frames at 20 fps, any mix; uncut where None.
            seed: caption ``i`` has random numbers of its own from ``seed + i``, whatever it is
                batched with; drawn at random when None.
            prompt_mode: "official_nolen", "official_len" or "direct" (the caption is the prompt).
            greedy: always the likeliest token.
            shared_generator: one stream of random numbers for all, as published batches have.
            on_step: ``on_step(done, total)`` at every token; it may raise ``Cancelled``.

        Raises:
            InvalidRequest: an unknown prompt mode, or a length that the model cannot make.
        """
        mode = _checked_mode(prompt_mode or self.config.prompt_mode)
        targets = _checked_lengths(captions, lengths, needed=mode == "official_len")
        seed = drawn_seed(seed)
        if mode == "direct":
            asked = list(captions)
        else:
            task: Task = "t2m" if mode == "official_nolen" else "t2m_with_len"
            told = [target or 0 for target in targets]
            asked = filled_prompts(task, seed, shared_generator, captions=captions, lengths=told)
        answers = self.answer(
            asked, seed=seed, greedy=greedy, shared_generator=shared_generator, on_step=on_step
        )
        return self.with_features(answers, targets)

    def make(self, request: Request, tell: Stages) -> list[Made]:
        """See :class:`FamilyPipeline`; ``Motion.meta`` also holds the tokens."""
        answers = self.answer_captions(
            [request.prompt] * request.samples,
            [max(1, round(request.seconds * SPEC.fps))] * request.samples,
            seed=request.seed,
            on_step=tell.steps("writing motion tokens"),
        )
        return [Made(a.features, {"tokens": list(a.ids)}, a.warnings) for a in answers]

    def rig(self, features: np.ndarray, request: Request) -> tuple[np.ndarray, dict[str, Any]]:
        """See :class:`FamilyPipeline`."""
        return output.rigged(features, request)

    def used(
        self, guidance_scale: float | None, steps: int | None, sampler: str | None
    ) -> dict[str, Any]:
        """What these settings are for this model: it has none of them."""
        return {"prompt_mode": self.config.prompt_mode}

    # ------------------------------------------------------------------ motion to text

    def describe(
        self,
        motions: Sequence[Motion | np.ndarray],
        *,
        with_length: bool = False,
        on_warning: Callable[[str], None] | None = None,
    ) -> list[str]:
        """Say in words what happens in each motion (greedy, so always the same).

        Args:
            motions: motion_135 at any rate, or ``[T, 263]`` un-normalised features at 20 fps.
            with_length: also tell the model the length (in tokens, as it was evaluated).
            on_warning: receives a sentence where a motion was too long to be read whole.

        Raises:
            FormatError: a motion shorter than one token, or none at all.
        """
        clips = [
            convert.motion135_to_hml263(m.data, m.fps) if isinstance(m, Motion) else m
            for m in motions
        ]
        if not clips:
            return []
        ids = self.encode_motions(clips)
        task: Task = "m2t_with_len" if with_length else "m2t"
        asked = filled_prompts(task, 0, True, motions=ids, lengths=[len(tokens) for tokens in ids])
        texts, truncated = self.write_texts(asked, max_length=TEXT_LENGTH)
        for index, cut in enumerate(truncated):
            if cut:
                text = (
                    f"Motion {index + 1} is longer than the {MAX_TOKENS} tokens that the model "
                    "reads; only its beginning is described."
                )
                _log.warning(text)
                if on_warning is not None:
                    on_warning(text)
        return [text.strip() for text in texts]

    def infer_m2t(
        self,
        motions: Sequence[np.ndarray],
        lengths: Sequence[int] | None = None,
        with_len: bool = False,
        pad_to_batch_max: bool = False,
    ) -> list[str]:
        """Sentences as the published evaluation asks for them: :func:`.captioning.infer_m2t`."""
        return captioning.infer_m2t(
            self, motions, lengths, with_len=with_len, pad_to_batch_max=pad_to_batch_max
        )

    # ------------------------------------------------------------------ motion to motion

    def continue_motions(self, clips: Sequence[np.ndarray], **options: Any) -> list[Answer]:
        """Go on where clips end: :func:`.continuation.continue_motions`."""
        return continuation.continue_motions(self, clips, **options)

    def complete_motions(self, clips: Sequence[np.ndarray], **options: Any) -> list[Answer]:
        """Invent the middle anew: :func:`.continuation.complete_motions`."""
        return continuation.complete_motions(self, clips, **options)


def _checked_mode(mode: str) -> PromptMode:
    for known in PROMPT_MODES:
        if mode == known:
            return known
    raise InvalidRequest(f"Unknown prompt mode {mode!r}.", f"Use {', '.join(PROMPT_MODES)}.")


def _checked_lengths(
    captions: Sequence[str], lengths: Sequence[int | None] | None, *, needed: bool
) -> list[int | None]:
    check_one_each(captions, lengths)
    check_texts(captions)
    targets = [None] * len(captions) if lengths is None else list(lengths)
    if needed and None in targets:
        raise InvalidRequest("The prompt mode official_len needs lengths.", "Give one each.")
    for target in targets:
        if target is not None and not 1 <= target <= MAX_FRAMES:
            raise InvalidRequest(
                f"MotionGPT cannot make {target} frames ({target / SPEC.fps:g} s).",
                f"Choose from 1 to {MAX_FRAMES} frames ({MAX_FRAMES / SPEC.fps:g} s).",
            )
    return [None if target is None else int(target) for target in targets]
