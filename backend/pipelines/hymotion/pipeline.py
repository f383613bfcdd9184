"""Text to motion with HY-Motion-1.0 (:mod:`backend.models.hymotion`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ...diffusion.loop import StepCallback
from ...errors import ArtifactError, InvalidRequest
from ...motion.representations import motion135
from ...store import model_folder
from ...store.new_folder import new_folder
from ...text.vectors.table import TextTable
from ...wire import limits
from ...wire.messages import Motion, Progress, Request
from ...wire.skeleton import MOTION_FPS, SOLE_HEIGHT
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
from . import folder as hy_files
from .card import LICENCE
from .folder import Released
from .sampling import TextFeatures, denormalised, sample_flow, to_motion135

MIN_FRAMES = 20
STEPS, GUIDANCE = 50, 5.0
CLIPS_AT_ONCE = 4


class PromptFeatures(Protocol):
    """A prompt to ``tokens`` ``[M, text_width]`` and ``pooled`` ``[1, pooled_width]``."""

    def __getitem__(self, text: str) -> Mapping[str, Tensor]:
        """Raises :class:`InvalidRequest` for a prompt that it cannot answer."""


class HYMotionPipeline:
    """A network with its statistics and the source of its text features."""

    def __init__(
        self,
        model: Released,
        *,
        prompts: PromptFeatures | None = None,
        folder: Path | None = None,
        device: str | torch.device | None = None,
        precision: str = "float32",
        local_files_only: bool = False,
    ) -> None:
        self.device = device_or_best(device)
        self.precision = precision
        self.model = model
        self.net = frozen(model.net.to(precision_of(precision)), self.device)
        self.name = folder.name if folder else "hymotion"
        self.licence = LICENCE
        self._prompts = prompts
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
    ) -> HYMotionPipeline:
        """Load a folder or hub id in the published layout; every file is checked.

        Args:
            precision: "float32", or "bfloat16", which is faster where the processor has it; when
                None, what the folder records, else float32.

        Raises:
            ModelNotFound: nothing there.
            ArtifactError: a file is missing or damaged, or lacks a tensor of the network.
        """
        folder = model_folder.resolve(
            registry.bundled_folder(name_or_path),
            (hy_files.CONFIG,),
            optional=hy_files.FILES,
            revision=revision,
            local_files_only=local_files_only,
        )
        model = hy_files.load(folder)
        return cls(
            model,
            folder=folder,
            device=device,
            precision=precision or hy_files.recorded_precision(folder),
            local_files_only=local_files_only,
        )

    def save_pretrained(self, directory: str | Path, *, overwrite: bool = False) -> Path:
        """Write the model folder, whole or not at all, and return it."""
        with new_folder(directory, overwrite=overwrite) as folder:
            self.write(folder)
        return Path(directory)

    def write(self, folder: Path) -> None:
        """Put the files into a folder that is the caller's own."""
        hy_files.save(folder, dataclasses.replace(self.model, net=self.net))
        if self._folder is not None and (self._folder / hy_files.TABLE).is_file():
            table = (self._folder / hy_files.TABLE).read_bytes()
            (folder / hy_files.TABLE).write_bytes(table)
        model_folder.record(
            folder, {"licence": self.licence, "precision": self.precision}, name=hy_files.RECORD
        )

    # ------------------------------------------------------------------ atoms

    @property
    def prompts(self) -> PromptFeatures:
        """The source of text features, found on first use: the folder's table, else the encoders.

        Raises:
            InvalidRequest: the encoders take more memory than there is; the message says how much.
        """
        if self._prompts is None:
            table = None if self._folder is None else self._folder / hy_files.TABLE
            if table is not None and table.is_file():
                self._prompts = TextTable.load(table)
            else:
                self._prompts = _Encoders(self._folder, self._local_files_only)
        return self._prompts

    def encode_text(self, captions: Sequence[str]) -> TextFeatures:
        """What the network reads of captions, tokens padded on the right."""
        c = self.net.config
        found = [self.prompts[caption] for caption in captions]
        for one in found:
            widths = (one["tokens"].shape[1], one["pooled"].numel())
            if widths != (c.text_width, c.pooled_width):
                raise ArtifactError(
                    f"The text features are {widths[0]} and {widths[1]} wide, the model reads "
                    f"{c.text_width} and {c.pooled_width}.",
                    "Make the table with this model's encoders.",
                )
        longest = max(len(one["tokens"]) for one in found)
        tokens = torch.zeros(len(found), longest, c.text_width)
        mask = torch.zeros(len(found), longest, dtype=torch.bool)
        for row, one in enumerate(found):
            tokens[row, : len(one["tokens"])] = one["tokens"]
            mask[row, : len(one["tokens"])] = True
        pooled = torch.stack([one["pooled"].flatten() for one in found])
        return TextFeatures(*(x.to(self.device) for x in (tokens, mask, pooled)))

    # ------------------------------------------------------------------ inference

    def infer_t2m(
        self,
        captions: Sequence[str],
        lengths: Sequence[int],
        *,
        seed: int | None = None,
        guidance_scale: float | None = None,
        steps: int | None = None,
        sampler: str | None = None,
        on_step: StepCallback | None = None,
    ) -> list[np.ndarray]:
        """One clip per caption in the 201 features (translation, rot6d of 22 joints, positions).

        Args:
            lengths: frames at 30 fps, 20 to 360, any mix.
            seed: caption ``i`` uses ``seed + i``; drawn at random when None. Noise is drawn on the
                CPU, so that a seed means the same on every device (the released code's does not).
            guidance_scale, steps, sampler: 5, 50 and "euler" when None.

        Returns:
            A list of ``[length, 201]`` float32 arrays, un-normalised and not smoothed.

        Raises:
            InvalidRequest: a length or setting that the model lacks.
        """
        check_one_each(captions, lengths)
        check_texts(captions)
        if not captions:
            return []
        for length in lengths:
            self._check_length(int(length))
        if steps is not None and not limits.MIN_STEPS <= steps <= limits.MAX_STEPS:
            raise InvalidRequest(
                f"The number of sampling steps is {steps}.",
                f"Choose from {limits.MIN_STEPS} to {limits.MAX_STEPS}.",
            )
        scale = GUIDANCE if guidance_scale is None else checked_guidance(guidance_scale)
        text, seed = self.encode_text(captions), drawn_seed(seed)
        chunks = chunks_of_like_length([int(n) for n in lengths], CLIPS_AT_ONCE)
        clips: dict[int, np.ndarray] = {}
        for index, chunk in enumerate(chunks):
            made = sample_flow(
                self.net,
                TextFeatures(text.tokens[chunk], text.mask[chunk], text.pooled[chunk]),
                self.model.nulls,
                [int(lengths[i]) for i in chunk],
                torch.stack([self._noise(seed + i) for i in chunk]),
                steps=STEPS if steps is None else int(steps),
                guidance=scale,
                sampler=sampler or "euler",
                on_step=part_of(on_step, index, len(chunks)),
            )
            clips |= {
                i: denormalised(x, self.model.stats) for i, x in zip(chunk, made, strict=True)
            }
        return [clips[i] for i in range(len(captions))]

    def generate(
        self, request: Request, on_step: Callable[[Progress], None] | None = None
    ) -> list[Motion]:
        """The motions of a request in motion_135 at 30 fps, smoothed and set on the ground.

        Raises:
            InvalidRequest: a value out of the model's limits, which the message names.
        """
        request = request.validated()
        tell = Stages(request, on_step)
        frames = max(1, round(request.seconds * MOTION_FPS))
        tell("reading the prompt")
        clips = self.infer_t2m(
            [request.prompt] * request.samples,
            [frames] * request.samples,
            seed=request.seed,
            guidance_scale=request.guidance_scale,
            steps=request.steps,
            sampler=request.sampler,
            on_step=tell.steps(),
        )
        params = {
            "seconds": request.seconds,
            "steps": STEPS if request.steps is None else request.steps,
            "sampler": request.sampler or "euler",
            "guidance_scale": GUIDANCE
            if request.guidance_scale is None
            else request.guidance_scale,
        }
        tell("converting")
        return [
            Motion(
                grounded(to_motion135(clip)),
                MOTION_FPS,
                meta_of(request, request.seed + index, params, licence=self.licence),
            )
            for index, clip in enumerate(clips)
        ]

    # ------------------------------------------------------------------ inside

    def _noise(self, seed: int) -> Tensor:
        c = self.net.config
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(c.frames, c.features, generator=generator)

    def _check_length(self, frames: int) -> None:
        longest = self.net.config.frames
        check_frames(frames, MIN_FRAMES, longest, fps=MOTION_FPS, model=self.name)


class _Encoders:
    """Qwen and CLIP as :class:`PromptFeatures`, read when the first prompt comes."""

    def __init__(self, folder: Path | None, local_files_only: bool) -> None:
        from ...text.vectors.qwen import INSTRUCTION, QwenAndClip

        instruction = None if folder is None else folder / "text_instruction.txt"
        written = instruction is not None and instruction.is_file()
        self._encoders = QwenAndClip(
            instruction=instruction.read_text(encoding="utf-8")
            if written and instruction is not None
            else INSTRUCTION,
            local_files_only=local_files_only,
        )

    def __getitem__(self, text: str) -> Mapping[str, Tensor]:
        return self._encoders.features(text)


def grounded(x: np.ndarray) -> np.ndarray:
    """motion_135 with its lowest joint a sole's height above the ground."""
    out = x.astype(np.float32)
    lowest = motion135.joints(x.astype(np.float64))[..., 1].min()
    out[:, motion135.SPEC.columns("root_translation").start + 1] -= lowest - SOLE_HEIGHT
    return out
