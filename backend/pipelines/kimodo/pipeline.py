"""Text and constraints to motion with Kimodo (:mod:`backend.models.kimodo`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...diffusion.loop import StepCallback
from ...errors import InvalidRequest
from ...models.kimodo.network import KimodoDenoiser
from ...motion.representations import kimodo as features_of
from ...motion.representations.kimodo_skeletons import KimodoSkeleton
from ...store import model_folder
from ...store.new_folder import new_folder
from ...text.vectors.source import VectorSource
from ...wire.messages import Motion, Progress, Request
from ...wire.skeleton import MOTION_FPS
from .. import registry
from ..calls import (
    Stages,
    check_frames,
    check_one_each,
    check_texts,
    checked_guidance,
    chunks_of_like_length,
    device_or_best,
    drawn_seed,
    frozen,
    meta_of,
    part_of,
    precision_of,
)
from ..editing.continuing import ContinuesBy
from ..editing.prompt_parts import split_prompt
from . import editing as kimodo_editing
from . import folder as kimodo_files
from . import text as kimodo_text
from .card import OPEN_LICENCE, RESEARCH_LICENCE
from .constraint_file import parse_constraints
from .constraints import Constraint, Observed, nothing, observed
from .output import motion_of, params_of, used_of
from .sampling import KimodoOptions, sample_features
from .segments import plan, remake, sample_sequence, shares

MIN_FRAMES = 12
MAX_SECONDS = 10.0
"""Longest part that the models were trained on; longer motions are several parts."""
CLIPS_AT_ONCE = 8
EDIT_SECONDS = (MIN_FRAMES / MOTION_FPS, MAX_SECONDS)
"""See :class:`backend.pipelines.editing.edit.EditingModel`."""
LICENCES = {"soma30": OPEN_LICENCE, "smplx22": RESEARCH_LICENCE}


class KimodoPipeline:
    """A denoiser with its skeleton and its source of text vectors.

    Attributes:
        options: how to sample unless told otherwise.
    """

    continues_by: ContinuesBy = "editing"
    edit_seconds = EDIT_SECONDS

    def __init__(
        self,
        net: KimodoDenoiser,
        bones: KimodoSkeleton,
        *,
        source: VectorSource | None = None,
        folder: Path | None = None,
        device: str | torch.device | None = None,
        precision: str = "float32",
        local_files_only: bool = False,
    ) -> None:
        self.device = device_or_best(device)
        self.precision = precision
        net.stats = net.stats.to(self.device)
        self.net = frozen(net, self.device)
        self.net.compute_in(precision_of(precision))
        self.bones = bones
        self.name = folder.name if folder else "kimodo"
        self.licence = LICENCES[bones.name]
        self.options = KimodoOptions(steps=50)
        self._source = source
        self._folder = folder
        self._local_files_only = local_files_only

    # ------------------------------------------------------------------ files

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        device: str | torch.device | None = None,
        precision: str | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
    ) -> KimodoPipeline:
        """Load a folder or hub id in the published layout; every file is checked.

        Args:
            precision: "float32", or "bfloat16", which is faster where the processor has it; when
                None, what the folder records, else float32.

        Raises:
            ModelNotFound: nothing there.
            ArtifactError: a file is missing, damaged, or does not fit the others.
        """
        folder = model_folder.resolve(
            registry.bundled_folder(name_or_path),
            (kimodo_files.CONFIG,),
            optional=kimodo_files.file_patterns(),
            revision=revision,
            local_files_only=local_files_only,
        )
        net, bones = kimodo_files.load(folder)
        return cls(
            net,
            bones,
            folder=folder,
            device=device,
            precision=precision or kimodo_files.recorded_precision(folder),
            local_files_only=local_files_only,
        )

    def save_pretrained(self, directory: str | Path, *, overwrite: bool = False) -> Path:
        """Write the model folder in the published layout, whole or not at all, and return it."""
        with new_folder(directory, overwrite=overwrite) as folder:
            self.write(folder)
        return Path(directory)

    def write(self, folder: Path) -> None:
        """Put the files into a folder that is the caller's own."""
        kimodo_files.save(folder, self.net)
        for name in (kimodo_files.TABLE, kimodo_files.MAP):
            if self._folder is not None and (self._folder / name).is_file():
                (folder / name).write_bytes((self._folder / name).read_bytes())
        model_folder.record(
            folder, {"licence": self.licence, "precision": self.precision}, name=kimodo_files.RECORD
        )

    # ------------------------------------------------------------------ atoms

    @property
    def source(self) -> VectorSource:
        """What turns prompts into vectors, found on first use."""
        if self._source is None:
            self._source = kimodo_text.find_source(
                self._folder,
                self.net.config.text_width,
                local_files_only=self._local_files_only,
            )
        return self._source

    def encode_text(self, captions: Sequence[str]) -> Tensor:
        """``[B, text_width]``; an empty caption is zeros, which means no text."""
        return kimodo_text.encode(self.source, captions).to(self.device)

    def read_constraints(self, values: Sequence[Mapping[str, object]]) -> list[Constraint]:
        """Constraints of a request, in the form of :mod:`.constraint_file`."""
        return parse_constraints(list(values), self.bones, "the request") if values else []

    def decode(self, features: np.ndarray) -> features_of.KimodoMotion:
        """Un-normalised features ``[T, dim]`` to rotations, joints and contacts."""
        return features_of.decode(features, self.bones)

    # ------------------------------------------------------------------ inference

    def infer_t2m(
        self,
        captions: Sequence[str],
        lengths: Sequence[int],
        *,
        seed: int | None = None,
        constraints: Sequence[Sequence[Constraint]] | None = None,
        headings: Sequence[float] | None = None,
        guidance_scale: float | None = None,
        constraint_scale: float | None = None,
        steps: int | None = None,
        sampler: str | None = None,
        on_step: StepCallback | None = None,
    ) -> list[np.ndarray]:
        """One clip per caption in Kimodo's features.

        Args:
            lengths: frames at 30 fps, any mix.
            seed: caption ``i`` uses ``seed + i``; drawn at random when None.
            constraints: of each clip; none when None.
            headings: wanted heading of each first frame, rad, 0 faces +Z; 0 when None.
            guidance_scale, constraint_scale, steps, sampler: the pipeline's when None.

        Returns:
            A list of ``[length, 12 J + 9]`` float32 arrays, un-normalised.

        Raises:
            InvalidRequest: a length or setting that the model lacks, or a constraint outside.
        """
        check_one_each(captions, lengths)
        check_texts(captions)
        if not captions:
            return []
        known = self._known(lengths, constraints)
        angles = [0.0] * len(captions) if headings is None else [float(h) for h in headings]
        check_one_each(captions, angles)
        options = self._options(guidance_scale, constraint_scale, steps, sampler)
        text = self.encode_text(captions)
        seed = drawn_seed(seed)
        chunks = chunks_of_like_length([int(n) for n in lengths], CLIPS_AT_ONCE)
        clips: dict[int, np.ndarray] = {}
        for index, chunk in enumerate(chunks):
            made = sample_features(
                self.net,
                text[chunk],
                [known[i] for i in chunk],
                [angles[i] for i in chunk],
                [self._noise(seed + i, len(known[i].mask)) for i in chunk],
                options,
                part_of(on_step, index, len(chunks)),
            )
            clips |= zip(chunk, made, strict=True)
        return [clips[i] for i in range(len(captions))]

    def infer_sequence(
        self,
        captions: Sequence[str],
        lengths: Sequence[int],
        *,
        seed: int | None = None,
        constraints: Sequence[Constraint] = (),
        heading: float = 0.0,
        start: np.ndarray | None = None,
        options: KimodoOptions | None = None,
        on_step: StepCallback | None = None,
    ) -> np.ndarray:
        """Several prompts one after the other as one clip ``[sum of lengths, dim]``.

        Args:
            constraints: of the whole clip, in its frames and place.
            start: features ``[T, dim]`` that the first prompt goes on from; they come first in the
                result, and all but their last frames come back as they are.
        """
        check_one_each(captions, lengths)
        check_texts(captions)
        before = 0 if start is None else len(start)
        segments = plan([int(n) for n in lengths], before)
        for segment in segments:
            self._check_length(segment.made)
        total = before + sum(int(n) for n in lengths)
        known = observed(constraints, total, self.bones)
        text, seed = self.encode_text(captions), drawn_seed(seed)

        def sample(number: int, own: Observed, turned: float) -> np.ndarray:
            return self._one(
                text[number],
                own,
                turned,
                seed + number,
                options or self.options,
                part_of(on_step, number, len(segments)),
            )

        return sample_sequence(
            sample, segments, self.bones, known=known, heading=heading, start=start
        )

    def remake(
        self,
        features: np.ndarray,
        part: tuple[int, int],
        caption: str,
        *,
        seed: int | None = None,
        constraints: Sequence[Constraint] = (),
        options: KimodoOptions | None = None,
        on_step: StepCallback | None = None,
    ) -> np.ndarray:
        """A clip with the frames of ``part`` made anew, the rest bit for bit as it was."""
        text, seed = self.encode_text([caption])[0], drawn_seed(seed)
        known = observed(constraints, len(features), self.bones)

        def sample(_: int, own: Observed, turned: float) -> np.ndarray:
            return self._one(text, own, turned, seed, options or self.options, on_step)

        return remake(sample, features, part, self.bones, known=known)

    def generate(
        self,
        request: Request,
        on_step: Callable[[Progress], None] | None = None,
        *,
        constraints: Sequence[Constraint] = (),
    ) -> list[Motion]:
        """The motions of a request in motion_135 at 30 fps, one per sample.

        A prompt that tells a sequence ("..., then ...") becomes one part after the other.

        Raises:
            InvalidRequest: a value out of the model's limits, which the message names.
        """
        request = request.validated()
        constraints = [*constraints, *self.read_constraints(request.constraints)]
        tell = Stages(request, on_step)
        frames = max(1, round(request.seconds * MOTION_FPS))
        parts, lengths, told = _planned(request, frames)
        tell("reading the prompt")
        options = self.settings(request.guidance_scale, request.steps, request.sampler)
        if len(parts) == 1:
            self._check_length(frames)
        self.encode_text(parts)
        motions = []
        for index in range(request.samples):
            seed = request.seed + index
            features = self.infer_sequence(
                parts,
                lengths,
                seed=seed,
                constraints=constraints,
                options=options,
                on_step=part_of(tell.steps(), index, request.samples),
            )
            note = {
                **meta_of(request, seed, params_of(request, options), licence=self.licence),
                **told,
                "parts": list(parts),
                "text_source": self.source.name,
            }
            motions.append(motion_of(features, self.bones, note))
        return motions

    # ------------------------------------------------------------------ editing

    def edit(self, motion: Motion, prompt: str, **options: Any) -> Motion:
        """Make gaps of a motion anew: see :func:`.editing.edit`."""
        return kimodo_editing.edit(self, motion, prompt, **options)

    def settings(
        self, guidance_scale: float | None, steps: int | None, sampler: str | None
    ) -> KimodoOptions:
        """How to sample; the pipeline's own where None."""
        return self._options(guidance_scale, None, steps, sampler)

    def used_of(self, options: KimodoOptions) -> dict[str, object]:
        """Settings by the names that every family has for them."""
        return used_of(options)

    def used(
        self, guidance_scale: float | None, steps: int | None, sampler: str | None
    ) -> dict[str, object]:
        """What these settings are for this model, its own ones filled in."""
        return used_of(self.settings(guidance_scale, steps, sampler))

    # ------------------------------------------------------------------ inside

    def _one(
        self,
        text: Tensor,
        known: Observed,
        heading: float,
        seed: int,
        options: KimodoOptions,
        on_step: StepCallback | None,
    ) -> np.ndarray:
        noise = self._noise(seed, len(known.mask))
        (made,) = sample_features(
            self.net, text[None], [known], [heading], [noise], options, on_step
        )
        return made

    def _noise(self, seed: int, frames: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(frames, self.net.config.features, generator=generator)

    def _known(
        self, lengths: Sequence[int], constraints: Sequence[Sequence[Constraint]] | None
    ) -> list[Observed]:
        for length in lengths:
            self._check_length(int(length))
        if constraints is None:
            return [nothing(int(n), self.bones) for n in lengths]
        check_one_each(constraints, lengths, "lists of constraints")
        return [
            observed(own, int(n), self.bones) for own, n in zip(constraints, lengths, strict=True)
        ]

    def _check_length(self, frames: int) -> None:
        longest = min(round(MAX_SECONDS * MOTION_FPS), self.net.config.max_frames)
        check_frames(frames, MIN_FRAMES, longest, fps=MOTION_FPS, model=self.name)

    def _options(
        self,
        guidance_scale: float | None,
        constraint_scale: float | None,
        steps: int | None,
        sampler: str | None,
    ) -> KimodoOptions:
        options = self.options
        if guidance_scale is not None:
            options = replace(options, text=checked_guidance(guidance_scale))
        if constraint_scale is not None:
            options = replace(options, constraint=checked_guidance(constraint_scale))
        if steps is not None:
            if not 1 <= steps <= self.net.config.base_steps:
                raise InvalidRequest(
                    f"The number of sampling steps is {steps}.",
                    f"Choose a whole number from 1 to {self.net.config.base_steps}.",
                )
            options = replace(options, steps=int(steps))
        return options if sampler is None else replace(options, sampler=sampler)


def _planned(request: Request, frames: int) -> tuple[list[str], list[int], dict[str, object]]:
    """Prompts in turn with their frames, and what is told of segments."""
    if not request.segments:
        parts = split_prompt(request.prompt)
        return parts, shares(frames, len(parts)), {}
    edges = [round(s.start * MOTION_FPS) for s in request.segments] + [frames]
    told = [
        {"prompt": s.prompt, "frames": [a, b], "transition": s.transition}
        for s, (a, b) in zip(request.segments, pairwise(edges), strict=True)
    ]
    lengths = [b - a for a, b in pairwise(edges)]
    return [s.prompt.strip() for s in request.segments], lengths, {"segments": told}
