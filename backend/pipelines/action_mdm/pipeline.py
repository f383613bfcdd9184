"""Action to motion with the from-scratch action model (:mod:`backend.models.action_mdm`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from ...diffusion.float32_ddpm import Float32DDPM
from ...diffusion.loop import StepCallback, sample, seeded_generators
from ...diffusion.schedule import Schedule
from ...errors import ArtifactError, InvalidRequest
from ...models.action_mdm import ActionMDM, ActionMDMConfig
from ...motion import convert
from ...motion.representations import joints as joints_representation
from ...motion.representations import motion135
from ...motion.resample import resample_motion135
from ...store import model_folder
from ...store.model_folder import Stats
from ...wire import limits
from ...wire.messages import Request
from ...wire.skeleton import MOTION_FPS, NUM_JOINTS, SOLE_HEIGHT
from ..base import FamilyPipeline, Made
from ..calls import (
    Stages,
    check_frames,
    check_one_each,
    chunks_of_like_length,
    device_or_best,
    drawn_seed,
    frames_at_once,
    frozen,
    named_settings,
    part_of,
)
from . import release
from .coordinates import COORDINATES, Coordinates, to_joints
from .names import closest_action

CONFIG = "action_mdm_config.json"
_log = logging.getLogger(__name__)
EXACT = "exact"
"""Sampler that repeats the released sampling script number by number (all steps, float32)."""


@dataclass(frozen=True)
class ActionMDMPipelineConfig:
    """``action_mdm_config.json``: the network, its actions, and defaults.

    ``num_frames`` is the length that the model was trained on, and the longest that it makes.
    """

    network: ActionMDMConfig
    actions: tuple[str, ...]
    schedule: Schedule = field(default_factory=lambda: Schedule("linear", 1000))
    name: str = "action-mdm"
    licence: str = ""
    description: str = ""
    pipeline: Literal["action_mdm"] = "action_mdm"
    representation: Literal["joints"] = "joints"
    coordinates: Coordinates = "world"
    fps: float = 20.0
    min_frames: int = 2
    num_frames: int = 60
    sampler: str = "ddim"
    steps: int = 50
    sha256: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # JSON has lists only
        object.__setattr__(self, "actions", tuple(self.actions))
        if len(self.actions) != self.network.num_actions:
            raise ValueError(
                f"{len(self.actions)} action names for {self.network.num_actions} classes"
            )
        if not all(isinstance(a, str) and a.strip() for a in self.actions):
            raise ValueError("an action name is no text")
        if len(set(self.actions)) != len(self.actions):
            raise ValueError("two actions have the same name")
        if self.network.num_joints != NUM_JOINTS:
            raise ValueError(f"the network has {self.network.num_joints} joints, not {NUM_JOINTS}")
        if self.coordinates not in COORDINATES:
            raise ValueError(f"unknown coordinates {self.coordinates!r}")
        if not 2 <= self.min_frames <= self.num_frames or not self.fps > 0:
            raise ValueError("min_frames, num_frames or fps are out of range")
        known = self.sampler in limits.DIFFUSION_SAMPLERS
        if not known or not 1 <= self.steps <= self.schedule.steps:
            raise ValueError(f"sampler {self.sampler!r} with {self.steps} steps")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


class ActionMDMPipeline(FamilyPipeline):
    """A network with its statistics and the names of its actions."""

    def __init__(
        self,
        config: ActionMDMPipelineConfig,
        net: ActionMDM,
        stats: Stats,
        *,
        device: str | torch.device | None = None,
        precision: str = "float32",
    ) -> None:
        self.config = config
        self.device = device_or_best(device)
        self.precision = precision
        self.net = frozen(net, self.device)
        self.stats = stats

    # ------------------------------------------------------------------ files

    @classmethod
    def find(
        cls, name_or_path: str | Path, *, revision: str | None, local_files_only: bool
    ) -> Path:
        """See :class:`FamilyPipeline`; a run folder or a released checkpoint will do, too.

        A released checkpoint is a ``.pth`` file with ``norm_stats.pt`` beside it, or a folder that
        holds ``mdm_final.pth``; its sizes are read from its tensors.
        """
        return release.find(name_or_path) or model_folder.resolve(
            name_or_path,
            (CONFIG, model_folder.WEIGHTS, model_folder.STATS),
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
        """See :class:`FamilyPipeline`; ``folder`` may be the file of a release."""
        if folder.is_file():
            tensors, stats, network = release.load(folder)
            names = release.action_names(network.num_actions)
            net = ActionMDM(network)
            net.load_state_dict(tensors)
            config = ActionMDMPipelineConfig(network, names)
            return cls(config, net, stats, device=device, precision=precision)
        values = model_folder.read_json(folder / CONFIG)
        config = model_folder.config_from_dict(
            ActionMDMPipelineConfig, values, str(folder / CONFIG)
        )
        path = folder / model_folder.WEIGHTS
        net = model_folder.load_network(lambda: ActionMDM(config.network), path, config=CONFIG)
        dim = config.network.input_dim
        stats = model_folder.load_stats(folder / model_folder.STATS, dim, scalars=True)
        model_folder.verify_checksums(folder, values)
        return cls(config, net, stats, device=device, precision=precision)

    def write(self, folder: Path) -> None:
        """See :class:`FamilyPipeline`; a run is such a folder, too."""
        config, weights = self.config.to_dict(), self.net.state_dict()
        model_folder.save_model(folder, config, weights, self.stats, name=CONFIG)

    # ------------------------------------------------------------------ inference

    def infer(
        self,
        actions: Sequence[str | int],
        lengths: Sequence[int] | None = None,
        *,
        seed: int | None = None,
        sampler: str | None = None,
        steps: int | None = None,
        on_step: StepCallback | None = None,
    ) -> list[np.ndarray]:
        """One clip per action.

        Args:
            actions: names (the closest one is taken) or class numbers.
            lengths: frames at the model's rate, at most ``config.num_frames``; that many each when
                None. The model always makes whole clips; shorter ones are their beginnings.
            seed: clip ``i`` uses ``seed + i``; drawn at random when None. The ``"exact"`` sampler
                draws the whole batch from ``seed``, as released.
            sampler: "ddim", "ddpm", "dpmpp" or "exact"; the model's own when None.
            steps: how many; the model's own when None. "exact" takes all of them.
            on_step: ``on_step(done, total)``; it may raise ``Cancelled``.

        Returns:
            Joint positions, ``[length, 22, 3]`` float32 each, in metres, Y-up.

        Raises:
            InvalidRequest: an unknown action, a length that the model cannot make, or a bad
                sampling setting.
        """
        c = self.config
        check_one_each(actions, lengths, "actions")
        wanted = [c.num_frames] * len(actions) if lengths is None else [int(n) for n in lengths]
        for frames in wanted:
            self._check_length(frames)
        if not actions:
            return []
        classes = torch.tensor([self._class(a) for a in actions], device=self.device)
        x = self._sample(classes, drawn_seed(seed), sampler or c.sampler, steps, on_step)
        clips = to_joints(self.stats.denormalise(x).float().cpu(), c.coordinates).numpy()
        return [clip[:frames] for clip, frames in zip(clips, wanted, strict=True)]

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
        **options: Any,
    ) -> list[np.ndarray]:
        """:meth:`infer` under the name that every pipeline has; captions name actions.

        A guidance is taken as every family takes it, and left out: the model has none.

        Returns:
            Joint positions, ``[length, 22, 3]`` float32 each, in metres, Y-up.
        """
        guidance_scale, steps = named_settings(guidance_scale, steps, options)
        if guidance_scale is not None:
            _log.warning("an action model has no guidance: left out")
        how = {"sampler": sampler, "steps": steps, "on_step": on_step}
        return self.infer(captions, lengths, seed=seed, **how)  # type: ignore[arg-type]

    def make(self, request: Request, tell: Stages) -> list[Made]:
        """See :class:`FamilyPipeline`; the prompt names an action."""
        c = self.config
        frames = max(1, round(request.seconds * c.fps))
        self._check_length(frames)
        name = closest_action(request.prompt, c.actions)
        clips = self.infer(
            [name] * request.samples,
            [frames] * request.samples,
            seed=request.seed,
            sampler=request.sampler,
            steps=request.steps,
            on_step=tell.steps(),
        )
        tell("fitting the skeleton")
        return [Made(clip, {"action": name}) for clip in clips]

    def rig(self, features: np.ndarray, request: Request) -> tuple[np.ndarray, dict[str, Any]]:
        """See :class:`FamilyPipeline`: by inverse kinematics."""
        frames = max(1, round(request.seconds * MOTION_FPS))
        data, error = to_motion135(features, self.config.fps, frames, request.ik)
        return data, {"ik_error_mm": error, "ik": request.ik}

    # ------------------------------------------------------------------ inside

    def _class(self, action: str | int) -> int:
        if isinstance(action, str):
            return self.config.actions.index(closest_action(action, self.config.actions))
        if not 0 <= action < len(self.config.actions):
            raise InvalidRequest(
                f"There is no action {action}.", f"Choose from 0 to {len(self.config.actions) - 1}."
            )
        return int(action)

    def _check_length(self, frames: int) -> None:
        c = self.config
        check_frames(frames, c.min_frames, c.num_frames, fps=c.fps, model=c.name)

    def _sample(
        self,
        classes: Tensor,
        seed: int,
        sampler: str,
        steps: int | None,
        on_step: StepCallback | None,
    ) -> Tensor:
        with self.autocast():
            return self._drawn(classes, seed, sampler, steps, on_step)

    def _drawn(
        self,
        classes: Tensor,
        seed: int,
        sampler: str,
        steps: int | None,
        on_step: StepCallback | None,
    ) -> Tensor:
        c = self.config
        shape = (len(classes), c.num_frames, c.network.input_dim)
        y = {"action": classes}
        if sampler == EXACT:
            process = Float32DDPM(c.schedule.steps, self.device)
            generator = torch.Generator().manual_seed(seed)
            return process.sample(self.net, shape, y, generator, on_step)
        lengths = [c.num_frames] * len(classes)
        chunks = chunks_of_like_length(lengths, frames=frames_at_once(self.device))
        made = [
            sample(
                self.net,
                (len(chunk), *shape[1:]),
                schedule=c.schedule,
                sampler=sampler,
                steps=c.steps if steps is None else steps,
                y={"action": classes[chunk]},
                generator=[seeded_generators(seed + i, 1)[0] for i in chunk],
                on_step=part_of(on_step, number, len(chunks)),
                device=self.device,
            )
            for number, chunk in enumerate(chunks)
        ]
        return torch.cat(made)  # of equal length, so in order

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of its classes."""
        return self.config.actions

    @property
    def fps(self) -> float:
        """Rate of what :meth:`infer` returns."""
        return self.config.fps

    def joints_of(self, clip: np.ndarray) -> np.ndarray:
        """Joint positions ``[T, 22, 3]`` of a clip of :meth:`infer`: it is that already."""
        return clip

    def rigged(self, clip: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        """A clip of :meth:`infer` as motion_135, and what was lost."""
        data, error = to_motion135(clip, self.fps)
        return data, {"ik_error_mm": error}

    def used(
        self, guidance_scale: float | None, steps: int | None, sampler: str | None
    ) -> dict[str, Any]:
        """What these settings are for this model, its own ones filled in; it has no guidance."""
        sampler, c = sampler or self.config.sampler, self.config
        if sampler == EXACT:
            return {"sampler": sampler, "steps": c.schedule.steps}
        return {"sampler": sampler, "steps": c.steps if steps is None else steps}


def to_motion135(
    clip: np.ndarray, fps: float, frames: int | None = None, ik: str = limits.IK_PRESETS[0]
) -> tuple[np.ndarray, float]:
    """Joints ``[T, 22, 3]`` to motion_135 at 30 fps, standing on the ground.

    Args:
        fps: rate of ``clip``.
        frames: exact number of output frames; by default the duration decides.
        ik: a name of :data:`backend.motion.convert.IK_PRESETS`.

    Returns:
        motion_135 ``[T', 135]`` float32 and the mean distance of its joints from the clip's, mm.

    Raises:
        ArtifactError: the clip is not finite.
    """
    if not np.isfinite(clip).all():
        raise ArtifactError(
            "The model made a motion that is not finite.", "Train it longer, or with a lower rate."
        )
    points = joints_representation.as_joints(clip)
    same_rate = replace(convert.IkOptions.of_features(ik), target_fps=fps)
    fitted, error = convert.joints_to_motion135(points, fps, fps, same_rate)
    data = resample_motion135(fitted, fps, MOTION_FPS, frames)
    data[:, motion135.SPEC.columns("root_translation")] += (0.0, SOLE_HEIGHT, 0.0)
    return data.astype(np.float32), float(np.mean(error))
