"""The configuration of a diffusion transformer and its defaults."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ...diffusion.schedule import Schedule
from ...errors import ArtifactError
from ...models.dit import DiTConfig
from ...motion.representations import smplrifke205
from ...text.actions import ACTION_WORDS
from ...wire import limits

SPEC = smplrifke205.SPEC


@dataclass(frozen=True)
class Preset:
    """Sampling settings that have a name: a quick draft, or the best there is."""

    sampler: str
    steps: int
    guidance_scale: float

    def __post_init__(self) -> None:
        if self.sampler not in limits.DIFFUSION_SAMPLERS:
            raise ValueError(f"unknown sampler {self.sampler!r}")
        if not limits.MIN_STEPS <= self.steps <= limits.MAX_STEPS:
            raise ValueError(f"{self.steps} steps")


@dataclass(frozen=True)
class DiTPipelineConfig:
    """``config.json`` of a model: the network, how it was trained, and its defaults.

    ``min_frames`` and ``max_frames`` bound one window, in frames of ``fps``; longer motions are
    made of several. ``step_power`` above 1 puts more of the DDIM and DDPM steps where it is noisy
    (``diffusion.schedule.power_spaced``). ``draft`` and ``best`` are settings to choose instead of
    the defaults. ``candidates`` clips are made of each one where the model has a judge to choose by
    (:mod:`.candidates`). ``name``, ``licence`` and ``description`` are shown to people.
    """

    network: DiTConfig
    schedule: Schedule
    name: str = "dit"
    licence: str = ""
    description: str = ""
    pipeline: Literal["dit"] = "dit"
    representation: Literal["smplrifke205"] = "smplrifke205"
    fps: float = SPEC.fps
    prediction: Literal["x0", "eps"] = "x0"
    text_encoder: Literal["all-MiniLM-L6-v2"] = "all-MiniLM-L6-v2"
    min_frames: int = 20
    max_frames: int = 196
    sampler: str = "ddim"
    steps: int = 25
    guidance_scale: float = 2.5
    step_power: float = 1.0
    candidates: int = 1
    draft: Preset | None = None
    best: Preset | None = None
    sha256: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.network.input_dim != SPEC.dim:
            raise ValueError(f"the network is {self.network.input_dim} wide, not {SPEC.dim}")
        if self.network.action_words not in (0, len(ACTION_WORDS)):
            raise ValueError(f"{self.network.action_words} action words, not {len(ACTION_WORDS)}")
        if not smplrifke205.MIN_FRAMES <= self.min_frames <= self.max_frames:
            raise ValueError(f"min_frames {self.min_frames}, max_frames {self.max_frames}")
        if self.sampler not in limits.DIFFUSION_SAMPLERS:
            raise ValueError(f"unknown sampler {self.sampler!r}")
        if not 1 <= self.steps <= self.schedule.steps:
            raise ValueError(f"{self.steps} of {self.schedule.steps} steps")
        if not 1 <= self.candidates <= limits.MAX_SAMPLES:
            raise ValueError(f"{self.candidates} candidates")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def config_for(network: DiTConfig, schedule: Schedule, **options: Any) -> DiTPipelineConfig:
    """A checked configuration, for trainers; :class:`ArtifactError` instead of ValueError."""
    try:
        return DiTPipelineConfig(network, schedule, **options)
    except (TypeError, ValueError) as error:
        raise ArtifactError(
            f"The model cannot be configured so: {error}.", "Change that value."
        ) from error
