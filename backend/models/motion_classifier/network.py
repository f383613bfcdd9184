"""A small convolutional classifier of motion, its weights on disk and its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import ArtifactError
from ...store.model_folder import COPY_HINT, load_network, read_json, save_tensors, write_json
from .inputs import INPUT_DIM, expand

WIDTH = 96
FEATURES = 64
DILATIONS = (1, 2, 4, 8)
MAX_LABELS = 10_000


class _Block(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        # per frame: a norm over time would make the answer depend on the padding of the batch
        self.norm = nn.LayerNorm(width)
        self.first = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        normal = self.norm(x.transpose(1, 2)).transpose(1, 2)
        hidden = self.first(normal * mask)
        return (x + self.second(nn.functional.gelu(hidden))) * mask


class MotionClassifier(nn.Module):
    """``[B, T, 142]`` normalised and a mask ``[B, T]`` -> features ``[B, 64]``, logits ``[B, C]``.

    Pooling is the mean and the maximum over the frames of the clip, so that a short event (a kick)
    and a lasting posture both count.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.stem = nn.Conv1d(INPUT_DIM, WIDTH, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(_Block(WIDTH, d) for d in DILATIONS)
        self.feature = nn.Linear(2 * WIDTH, FEATURES)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(FEATURES, len(self.labels))
        self.register_buffer("mean", torch.zeros(INPUT_DIM))
        self.register_buffer("scale", torch.ones(INPUT_DIM))

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        frames = mask[:, None]
        hidden = self.stem(((x - self.mean) / self.scale).transpose(1, 2) * frames)
        frames = frames[:, :, ::2]
        hidden = hidden * frames
        for block in self.blocks:
            hidden = block(hidden, frames)
        mean = hidden.sum(-1) / frames.sum(-1)
        top = (hidden - 1e4 * (1 - frames)).amax(-1)
        features = nn.functional.gelu(self.feature(torch.cat([mean, top], -1)))
        return features, self.head(self.drop(features))


def collate(clips: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Bases ``[T_i, 73]`` -> padded input ``[B, T, 142]`` and mask ``[B, T]``."""
    longest = max(map(len, clips))
    x = np.zeros((len(clips), longest, INPUT_DIM), np.float32)
    mask = np.zeros((len(clips), longest), np.float32)
    for row, clip in enumerate(clips):
        x[row, : len(clip)] = expand(clip)
        mask[row, : len(clip)] = 1
    return torch.from_numpy(x), torch.from_numpy(mask)


@dataclass(frozen=True)
class Prediction:
    """``features [N, 64]`` and softmax ``probabilities [N, C]`` of N clips, C labels."""

    labels: tuple[str, ...]
    probabilities: np.ndarray
    features: np.ndarray

    @property
    def names(self) -> list[str]:
        """The most likely label of each clip."""
        return [self.labels[i] for i in self.probabilities.argmax(1)]


@torch.inference_mode()
def predict(net: MotionClassifier, clips: Sequence[np.ndarray], batch: int = 64) -> Prediction:
    """Classify bases ``[T_i, 73]``; the order of the clips is kept."""
    net.eval()
    order = sorted(range(len(clips)), key=lambda i: len(clips[i]))
    features = np.zeros((len(clips), FEATURES), np.float32)
    shares = np.zeros((len(clips), len(net.labels)), np.float32)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        feature, logits = net(*collate([clips[i] for i in rows]))
        features[rows] = feature.numpy()
        shares[rows] = logits.softmax(-1).numpy()
    return Prediction(net.labels, shares, features)


def save(net: MotionClassifier, path: Path, *, half: bool = False) -> None:
    """Write ``<path>.safetensors``, as float16 if ``half``, and ``<path>.json`` (the labels)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dtype = torch.float16 if half else torch.float32
    save_tensors(path.with_suffix(".safetensors"), net.state_dict(), dtype=dtype)
    write_json(path.with_suffix(".json"), {"labels": list(net.labels)})


def load(path: Path) -> MotionClassifier:
    """Read what :func:`save` wrote.

    Raises:
        ArtifactError: a file is missing or damaged, or they do not fit each other.
    """
    labels = read_json(path.with_suffix(".json")).get("labels")
    if not isinstance(labels, list) or not 0 < len(labels) <= MAX_LABELS:
        raise ArtifactError(f"{path.with_suffix('.json')} lists no labels.", COPY_HINT)
    names = [str(label) for label in labels]
    net: MotionClassifier = load_network(
        lambda: MotionClassifier(names), path.with_suffix(".safetensors")
    )
    return net.eval()
