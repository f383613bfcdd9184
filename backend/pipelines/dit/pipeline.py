"""Text to motion with the diffusion transformer (:mod:`backend.models.dit`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ...diffusion.guidance import Denoiser, guided
from ...diffusion.inpaint import Inpainting, sample_masked
from ...diffusion.loop import StepCallback, sample, seeded_generators
from ...diffusion.schedule import power_spaced
from ...models.dit import DiT
from ...store import model_folder
from ...store.model_folder import Stats
from ...text import minilm
from ...text.actions import named_actions
from ...text.prompts.action_words import WORDS_FILES, ActionWords
from ...text.prompts.reader import PromptReader
from ...text.sides import named_sides
from ...wire import limits
from ...wire.messages import Motion, Progress, Request
from ..base import FamilyPipeline
from ..calls import (
    check_frames,
    check_one_each,
    check_texts,
    checked_guidance,
    chunks_of_like_length,
    device_or_best,
    drawn_seed,
    frames_at_once,
    frozen,
    named_settings,
    part_of,
)
from ..editing import edit as editing
from ..editing.continuing import ContinuesBy
from ..editing.edit import EditSampling
from ..editing.spaces import EditSpace, Smplrifke205Space
from .compose import OVERLAP_FRAMES, Window, WindowedDenoiser, plan_windows, shares_of
from .config import SPEC, DiTPipelineConfig
from .generating import generate
from .judge import JUDGE_FILES, Judge
from .knowledge import KNOWLEDGE_FILES, Knowledge
from .script import usual_seconds
from .vocabulary import FILE as VOCABULARY
from .vocabulary import Vocabulary, Wish, Wished, WishReader, fitting, wish_rows


class DiTPipeline(FamilyPipeline):
    """A network with its statistics, text encoder and knowledge of what it was trained on."""

    edit_space: EditSpace = Smplrifke205Space()
    continues_by: ContinuesBy = "editing"
    overlap = OVERLAP_FRAMES

    def __init__(
        self,
        config: DiTPipelineConfig,
        net: DiT,
        stats: Stats,
        *,
        knowledge: Knowledge | None = None,
        vocabulary: Vocabulary | None = None,
        reader: WishReader | None = None,
        words: ActionWords | None = None,
        judge: Judge | None = None,
        encoder: Any = None,
        device: str | torch.device | None = None,
        precision: str = "float32",
        local_files_only: bool = False,
    ) -> None:
        self.config = config
        self.device = device_or_best(device)
        self.precision = precision
        self.net = frozen(net, self.device)
        self.stats = stats
        self.knowledge = knowledge
        self.vocabulary = fitting(vocabulary, config.network)
        self.words = words
        self.judge = judge
        self._reader = reader
        self._encoder = encoder
        self._local_files_only = local_files_only

    # ------------------------------------------------------------------ files

    @classmethod
    def find(
        cls, name_or_path: str | Path, *, revision: str | None, local_files_only: bool
    ) -> Path:
        """See :class:`FamilyPipeline`."""
        return model_folder.resolve(
            name_or_path,
            optional=(*KNOWLEDGE_FILES, VOCABULARY, *WORDS_FILES, *JUDGE_FILES),
            revision=revision,
            local_files_only=local_files_only,
        )

    @classmethod
    def read(
        cls,
        folder: Path,
        *,
        device: str | torch.device | None = None,
        precision: str = "float32",
        local_files_only: bool = False,
    ) -> Self:
        """See :class:`FamilyPipeline`."""
        values = model_folder.read_json(folder / model_folder.CONFIG)
        config = model_folder.config_from_dict(
            DiTPipelineConfig, values, str(folder / model_folder.CONFIG)
        )
        weights = folder / model_folder.WEIGHTS
        net = model_folder.load_network(lambda: DiT(config.network), weights)
        stats = model_folder.load_stats(folder / model_folder.STATS, SPEC.dim)
        model_folder.verify_checksums(folder, values)
        has_knowledge = any((folder / name).is_file() for name in KNOWLEDGE_FILES)
        has_words = any((folder / name).is_file() for name in WORDS_FILES)
        has_judge = any((folder / name).is_file() for name in JUDGE_FILES)
        return cls(
            config,
            net,
            stats,
            knowledge=Knowledge.load(folder) if has_knowledge else None,
            vocabulary=Vocabulary.load(folder) if (folder / VOCABULARY).is_file() else None,
            words=ActionWords.load(folder) if has_words else None,
            judge=Judge.load(folder) if has_judge else None,
            device=device,
            precision=precision,
            local_files_only=local_files_only,
        )

    def write(self, folder: Path, *, half: bool = False) -> None:
        """Write the model's files into a folder that is the caller's own."""
        if self.knowledge is not None:
            self.knowledge.save(folder)
        beside = () if self.knowledge is None else KNOWLEDGE_FILES
        if self.vocabulary is not None:
            self.vocabulary.save(folder)
            beside = (*beside, VOCABULARY)
        if self.words is not None:
            self.words.save(folder)
            beside = (*beside, *WORDS_FILES)
        if self.judge is not None:
            self.judge.save(folder)
            beside = (*beside, *JUDGE_FILES)
        model_folder.save_model(
            folder,
            self.config.to_dict(),
            self.net.state_dict(),
            self.stats,
            half=half,
            beside=beside,
        )

    # ------------------------------------------------------------------ atoms

    @property
    def encoder(self) -> Any:
        """The text encoder, loaded on first use."""
        if self._encoder is None:
            self._encoder = minilm.shared(
                local_files_only=self._local_files_only, device=self.device
            )
        return self._encoder

    @property
    def reader(self) -> WishReader | None:
        """Reads what parts of a prompt ask for; None for models without words of their own."""
        if self._reader is None and self.words is not None:
            self._reader = PromptReader(self.words, self.encoder)
        return self._reader

    @reader.setter
    def reader(self, reader: WishReader | None) -> None:
        self._reader = reader

    def encode_text(
        self, captions: Sequence[str], wishes: Sequence[Wished] | None = None
    ) -> dict[str, Tensor]:
        """The network's condition except lengths, one row per caption.

        Args:
            wishes: what each caption asks for; None asks the pipeline's ``reader``.
        """
        embedding = self.encoder.encode(list(captions))
        y = {"sentence": embedding.sentence.to(self.device)}
        network = self.config.network
        if network.side_words:
            y["sides"] = named_sides(captions).to(self.device)
        if network.action_words:
            y["actions"] = named_actions(captions).to(self.device)
        if network.reads_tokens:
            y["tokens"] = embedding.tokens.to(self.device)
            y["token_mask"] = embedding.mask.to(self.device)
        if self.vocabulary is not None:
            if wishes is None and self.reader is not None:
                wishes = [self.reader.read_part(caption) for caption in captions]
            rows = wish_rows(self.vocabulary, wishes or [Wish()] * len(captions))
            y |= {name: torch.from_numpy(row).to(self.device) for name, row in rows.items()}
        return y

    def decode(self, x: Tensor) -> np.ndarray:
        """Network output ``[T, 205]`` to un-normalised features, float32."""
        return self.stats.denormalise(x).float().cpu().numpy()

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
        wishes: Sequence[Wished] | None = None,
        on_step: StepCallback | None = None,
        **options: Any,
    ) -> list[np.ndarray]:
        """One clip per caption, as it stands, in the native representation.

        Args:
            captions: one action each; they are not split into parts.
            lengths: frames at the native 20 fps, any mix; beyond the model's window a clip is made
                of several overlapping ones.
            seed: caption ``i`` uses ``seed + i``; drawn at random when None.
            guidance_scale, steps, sampler: the model's defaults when None.
            wishes: the action, manner and numbers of each caption, where the caller knows them;
                read from the captions when None. Only for clips of one window.
            on_step: ``on_step(done, total)``; it may raise ``Cancelled``.
            options: settings by the names that others give them (``cond_scale``, ``time_steps``).

        Returns:
            A list of ``[length, 205]`` float32 smplrifke205 arrays, un-normalised.

        Raises:
            InvalidRequest: a length that the model cannot make, or a bad sampling setting.
        """
        guidance_scale, steps = named_settings(guidance_scale, steps, options)
        check_one_each(captions, lengths)
        check_texts(captions)
        plans = [self.plan([c], int(n)) for c, n in zip(captions, lengths, strict=True)]
        first = drawn_seed(seed)
        return self.sample_canvases(
            plans,
            [int(n) for n in lengths],
            [first + i for i in range(len(plans))],
            guidance_scale=guidance_scale,
            steps=steps,
            sampler=sampler,
            wishes=wishes,
            on_step=on_step,
        )

    def generate(
        self, request: Request, on_step: Callable[[Progress], None] | None = None
    ) -> list[Motion]:
        """As of every family, planned in time as the prompt tells: see :mod:`.generating`.

        A prompt of lines ``text # start # end # legs # ...`` is a timeline (:mod:`.timeline`).
        ``Motion.meta`` also holds parts, and with a reader ``asked`` and ``notices``
        (:mod:`.notices`).
        """
        return generate(self, request, on_step)

    # ------------------------------------------------------------------ editing

    def edit(self, motion: Motion, prompt: str, **options: Any) -> Motion:
        """Make part of a motion anew: see :func:`backend.pipelines.editing.edit`."""
        return editing.edit(self, motion, prompt, **options)

    @property
    def edit_seconds(self) -> tuple[float, float]:
        """See :class:`backend.pipelines.editing.edit.EditingModel`."""
        return self.config.min_frames / self.config.fps, limits.MAX_SECONDS

    def seconds_needed(self, parts: Sequence[str]) -> list[float]:
        """How long single actions usually take; 0 where the model does not read prompts."""
        reader = self.reader
        if not isinstance(reader, PromptReader):
            return [0.0] * len(parts)
        read = [reader.read(part).parts for part in parts]
        return [sum(usual_seconds(p, self.vocabulary) for p in found) for found in read]

    def sample_edit(
        self, parts: Sequence[str], frames: int, known: Inpainting, how: EditSampling
    ) -> tuple[Tensor, Tensor]:
        """See :class:`backend.pipelines.editing.edit.EditingModel`."""
        c = self.config
        plan = self.plan(parts, frames, shares_of(frames, how.shares))
        net, y = self._denoiser([plan], [frames], how.guidance_scale)
        sampler = how.sampler or c.sampler
        return sample_masked(
            net,
            (1, frames, SPEC.dim),
            known,
            schedule=c.schedule,
            sampler=sampler,
            steps=self._timesteps(sampler, c.steps if how.steps is None else how.steps),
            y=y,
            generator=seeded_generators(how.seed, 1),
            on_step=how.on_step,
            prediction=c.prediction,
            device=self.device,
        )

    # ------------------------------------------------------------------ inside

    def plan(
        self,
        parts: Sequence[str],
        frames: int,
        shares: Sequence[int] | None = None,
        wishes: Sequence[Wished] | None = None,
        overlaps: Sequence[int] | None = None,
    ) -> list[Window]:
        """Windows of a canvas: see :func:`.compose.plan_windows`.

        Raises:
            InvalidRequest: a length that the model cannot make.
        """
        c = self.config
        longest = round(limits.MAX_SECONDS * c.fps)
        check_frames(frames, c.min_frames, longest, fps=c.fps, model=c.name)
        return plan_windows(
            parts,
            frames,
            min_frames=c.min_frames,
            max_frames=c.max_frames,
            shares=shares,
            wishes=wishes,
            overlaps=overlaps,
        )

    def sample_canvases(
        self,
        plans: Sequence[Sequence[Window]],
        lengths: Sequence[int],
        seeds: Sequence[int],
        *,
        guidance_scale: float | None,
        steps: int | None,
        sampler: str | None,
        on_step: StepCallback | None,
        wishes: Sequence[Wished] | None = None,
    ) -> list[np.ndarray]:
        """Sample every canvas with its own seed, whatever it is batched with.

        Returns:
            ``[length, 205]`` float32 smplrifke205 of each, un-normalised.
        """
        c = self.config
        chunks = chunks_of_like_length(lengths, frames=frames_at_once(self.device))
        windows = np.cumsum([0, *map(len, plans)])
        timesteps = self._timesteps(sampler or c.sampler, c.steps if steps is None else steps)
        clips: dict[int, np.ndarray] = {}
        for number, chunk in enumerate(map(sorted, chunks)):
            own = [lengths[i] for i in chunk]
            wished = None
            if wishes is not None:
                wished = [wishes[w] for i in chunk for w in range(windows[i], windows[i + 1])]
            net, y = self._denoiser([plans[i] for i in chunk], own, guidance_scale, wished)
            with self.autocast():
                x = sample(
                    net,
                    (len(chunk), max(own), SPEC.dim),
                    schedule=c.schedule,
                    sampler=sampler or c.sampler,
                    steps=timesteps,
                    y=y,
                    generator=[seeded_generators(seeds[i], 1)[0] for i in chunk],
                    lengths=own,
                    on_step=part_of(on_step, number, len(chunks)),
                    prediction=c.prediction,
                    device=self.device,
                )
            clips |= {i: self.decode(x[row, : lengths[i]]) for row, i in enumerate(chunk)}
        return [clips[i] for i in range(len(plans))]

    def _denoiser(
        self,
        plans: Sequence[Sequence[Window]],
        lengths: Sequence[int],
        guidance_scale: float | None,
        wishes: Sequence[Wished] | None = None,
    ) -> tuple[Denoiser, dict[str, Any]]:
        """The guided network of whole canvases, and its condition."""
        windows = [window for plan in plans for window in plan]
        if wishes is None and windows and all(w.wish is not None for w in windows):
            wishes = [w.wish for w in windows]
        y: dict[str, Any] = self.encode_text([w.text for w in windows], wishes)
        y["lengths"] = torch.tensor([w.length for w in windows], device=self.device)
        scale = self.config.guidance_scale if guidance_scale is None else guidance_scale
        net = guided(self.net, checked_guidance(scale))
        if len(windows) > len(plans):
            net = WindowedDenoiser(net, plans, lengths, y)
        return net, y

    def _timesteps(self, sampler: str, steps: int) -> int | tuple[int, ...]:
        """What the loop gets as ``steps``: DPM-Solver++ has a spacing of its own."""
        if sampler == "dpmpp" or self.config.step_power == 1.0:
            return steps
        return power_spaced(self.config.schedule.steps, steps, self.config.step_power)

    def used(
        self, guidance_scale: float | None, steps: int | None, sampler: str | None
    ) -> dict[str, Any]:
        """What these settings are for this model, its own ones filled in."""
        c = self.config
        return {
            "sampler": sampler or c.sampler,
            "steps": c.steps if steps is None else steps,
            "guidance_scale": c.guidance_scale if guidance_scale is None else guidance_scale,
        }
