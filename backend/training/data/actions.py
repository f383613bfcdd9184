"""Clips with an action each, as joint positions, for the action model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ...errors import FormatError, InvalidRequest
from ...motion.representations import smplrifke205
from ...pipelines.action_mdm.coordinates import to_features
from ...store.options import option
from ...wire.skeleton import NUM_JOINTS, SOLE_HEIGHT
from . import humanact12
from .dataset import Item, MotionDataset

_MIN_STD = 1e-6
_STATISTICS_WINDOWS = 4096
_LIVELY_OF = 4


@dataclass(frozen=True)
class ActionClips:
    """Joint positions ``[T, 22, 3]`` float32 (metres, Y-up) at ``fps``, and a class of each."""

    clips: tuple[np.ndarray, ...]
    labels: np.ndarray
    actions: tuple[str, ...]
    fps: float


def load(
    path: str | Path,
    *,
    actions: Sequence[str] | None = None,
    min_clips: int = 1,
    max_clips: int | None = None,
) -> ActionClips:
    """A Kinetype dataset folder, or HumanAct12 (its pickle, or the folder that holds it).

    The options are for dataset folders; HumanAct12 is always taken whole.

    Args:
        actions: only these, in this order.
        min_clips: actions with fewer training clips are left out, unless named.
        max_clips: of an action with more, this many are taken, evenly spread.

    Raises:
        FormatError: neither of the two, or nothing is left.
        InvalidRequest: the data has no such action.
    """
    path = Path(path).expanduser()
    if path.suffix == ".pkl" or (path / humanact12.FILE_NAME).is_file():
        return from_humanact12(humanact12.read(path))
    return from_dataset(MotionDataset.load(path), actions, min_clips, max_clips)


def from_humanact12(data: humanact12.HumanAct12) -> ActionClips:
    """The first 22 joints as they are; classes above the known twelve are named by number."""
    count = max(len(humanact12.ACTIONS), int(data.labels.max()) + 1)
    extra = [f"action {i}" for i in range(len(humanact12.ACTIONS), count)]
    clips = tuple(points[:, :NUM_JOINTS].astype(np.float32) for points in data.joints)
    return ActionClips(clips, data.labels, (*humanact12.ACTIONS, *extra), humanact12.FPS)


def from_dataset(
    dataset: MotionDataset,
    actions: Sequence[str] | None = None,
    min_clips: int = 1,
    max_clips: int | None = None,
) -> ActionClips:
    """Training items of a smplrifke205 dataset; their ``content`` is the action."""
    if dataset.representation != smplrifke205.SPEC.name:
        raise FormatError(
            f"The dataset holds {dataset.representation}, not {smplrifke205.SPEC.name}.",
            "Make it again: kinetype train data.",
        )
    by_action: dict[str, list[Item]] = defaultdict(list)
    for item in dataset.items:
        if item.split == "train" and item.content:
            by_action[item.content].append(item)
    if actions is None:
        actions = sorted(name for name, items in by_action.items() if len(items) >= min_clips)
    unknown = sorted(set(actions) - set(by_action))
    if unknown:
        raise InvalidRequest(
            f"The dataset has no action {', '.join(unknown)}.",
            f"It has: {', '.join(sorted(by_action))}.",
        )
    if not actions:
        raise FormatError(
            f"No action of the dataset has {min_clips} training clips.", "Lower --min-clips."
        )
    clips, labels = [], []
    for label, name in enumerate(actions):
        items = by_action[name]
        if max_clips is not None and len(items) > max_clips:
            spread = np.linspace(0, len(items) - 1, max_clips).round().astype(int)
            items = [items[i] for i in spread]
        for item in items:
            _, _, joints = smplrifke205.decode(dataset.item_features(item))
            points = joints[:, :NUM_JOINTS] @ smplrifke205.Z_UP_FROM_Y_UP
            points[..., 1] += SOLE_HEIGHT
            clips.append(points.astype(np.float32))
            labels.append(label)
    return ActionClips(tuple(clips), np.array(labels), tuple(actions), dataset.fps)


@dataclass(frozen=True)
class WindowConfig:
    """How clips become windows of ``num_frames``.

    Attributes:
        stride: every how many-th frame is kept; 2 halves the frame rate.
        start: "first" takes the beginning of every clip, as released; "random" any part; "lively"
            the one of four random parts in which the joints move most, because long recordings of
            an action hold moments before and after it.
        short: a clip that is too short is left out ("drop", as released), keeps its last pose
            ("hold"), or keeps it but is not counted in the loss there ("mask").
        coordinates: of :mod:`backend.pipelines.action_mdm.coordinates`.
        statistics: one mean and deviation for everything ("scalar", as released), or for each
            column.
        balance: 0 draws every clip equally often, as released; 1 every action.
    """

    num_frames: int = option(60, "frames of a clip", low=2, high=10_000)
    stride: int = option(1, "keep every how many-th frame", low=1, high=1000)
    start: Literal["first", "random", "lively"] = option("first", "which part of a clip")
    short: Literal["drop", "hold", "mask"] = option(
        "drop", "what becomes of clips that are too short"
    )
    coordinates: Literal["world", "local"] = option(
        "world", "joints in the world (released), or about the body, with its steps"
    )
    statistics: Literal["scalar", "columns"] = option(
        "scalar", "normalise by one mean and deviation, or by one for each column"
    )
    balance: float = option(0.0, "0 draws clips, 1 actions equally often", low=0, high=1)

    def __post_init__(self) -> None:
        if self.num_frames < 2 or self.stride < 1:
            raise ValueError(f"num_frames {self.num_frames} or stride {self.stride} is too small")
        if not 0 <= self.balance <= 1:
            raise ValueError(f"balance {self.balance} is not between 0 and 1")


@dataclass(frozen=True)
class WindowBatch:
    """Normalised ``x`` ``[B, F, 66]``, ``actions`` ``[B]``, and ``mask`` ``[B, F]`` or None."""

    x: Tensor
    actions: Tensor
    mask: Tensor | None


class ActionWindows:
    """Normalised windows of :class:`ActionClips`, drawn with a generator of their own."""

    def __init__(self, data: ActionClips, config: WindowConfig, seed: int = 0) -> None:
        self.config, self.actions = config, data.actions
        self.fps = data.fps / config.stride
        self.span = (config.num_frames - 1) * config.stride + 1
        shortest = self.span if config.short == "drop" else 1
        kept = [i for i, clip in enumerate(data.clips) if len(clip) >= shortest]
        if not kept:
            raise FormatError(
                f"No clip has {self.span} frames.", "Choose fewer frames, or hold poses."
            )
        self.clips = [data.clips[i] for i in kept]
        self.labels = torch.from_numpy(data.labels[kept])
        self.generator = torch.Generator().manual_seed(seed)
        counts = torch.bincount(self.labels, minlength=len(self.actions)).clamp(min=1)
        self.weights = counts[self.labels].double() ** -config.balance
        lively = config.start == "lively"
        self._moved = [_movement(clip) for clip in self.clips] if lively else []
        self.mean, self.std = self._statistics()

    def __len__(self) -> int:
        return len(self.clips)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and unbiased deviation, () or ``[66]``, over windows of the clips."""
        chosen = list(range(len(self)))
        if self.config.start != "first" and len(chosen) > _STATISTICS_WINDOWS:
            chosen = torch.randperm(len(self), generator=self.generator).tolist()
            chosen = chosen[:_STATISTICS_WINDOWS]
        features, mask = self._windows(chosen)
        real = features if mask is None else features[mask]
        if self.config.statistics == "scalar":
            return real.mean(), real.std().clamp(min=_MIN_STD)
        flat = real.reshape(-1, real.shape[-1])
        return flat.mean(0), flat.std(0).clamp(min=_MIN_STD)

    def _windows(self, indices: Sequence[int]) -> tuple[Tensor, Tensor | None]:
        """Un-normalised features ``[B, F, 66]`` and the mask of their real frames."""
        count = self.config.num_frames
        windows = np.empty((len(indices), count, NUM_JOINTS, 3), dtype=np.float32)
        mask = torch.ones(len(indices), count, dtype=torch.bool)
        for row, index in enumerate(indices):
            clip = self.clips[index]
            chosen = self._start(index) + self.config.stride * np.arange(count)
            windows[row] = clip[np.minimum(chosen, len(clip) - 1)]
            mask[row] = torch.from_numpy(chosen < len(clip))
        features = to_features(torch.from_numpy(windows), self.config.coordinates)
        return features, mask if self.config.short == "mask" else None

    def _start(self, index: int) -> int:
        """First frame of a window of a clip."""
        slack = len(self.clips[index]) - self.span
        if slack <= 0 or self.config.start == "first":
            return 0
        if self.config.start == "random":
            return int(torch.randint(slack + 1, (), generator=self.generator))
        starts = torch.randint(slack + 1, (_LIVELY_OF,), generator=self.generator).numpy()
        moved = self._moved[index]
        return int(starts[np.argmax(moved[starts + self.span - 1] - moved[starts])])

    def batch(self, indices: Sequence[int]) -> WindowBatch:
        """The clips ``indices``, normalised; random starts are drawn anew."""
        features, mask = self._windows(indices)
        return WindowBatch(
            (features - self.mean) / self.std, self.labels[torch.as_tensor(indices)], mask
        )

    def epoch(self, batch_size: int) -> list[list[int]]:
        """Clip numbers of the batches of one epoch, the last one as short as it comes."""
        if self.config.balance:
            order = torch.multinomial(self.weights, len(self), True, generator=self.generator)
        else:
            order = torch.randperm(len(self), generator=self.generator)
        return [part.tolist() for part in torch.split(order, batch_size)]


def _movement(clip: np.ndarray) -> np.ndarray:
    """How far the joints have moved about the pelvis up to each frame, summed, metres ``[T]``."""
    about = clip - clip[:, :1]
    way = np.linalg.norm(np.diff(about, axis=0), axis=-1).sum(axis=1)
    return np.concatenate([np.zeros(1), np.cumsum(way, dtype=np.float64)])
