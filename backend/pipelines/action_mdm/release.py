"""Checkpoints of the released from-scratch action code: ``mdm_*.pth`` and ``norm_stats.pt``.

Both are loaded with ``weights_only=True``: a file that names anything but tensors is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import ArtifactError
from ...models.action_mdm import MAX_POSITIONS, ActionMDM, ActionMDMConfig
from ...motion.io import torch_file
from ...store import statistics
from ...store.statistics import Stats
from ...store.weights import check_fit, outline
from .card import FINAL
from .names import HUMANACT12

STATS = "norm_stats.pt"
_HINT = f"Give the .pth file of the released training code, with {STATS} beside it."
_LAYER = re.compile(r"transformer\.layers\.(\d+)\.")


def action_names(count: int) -> tuple[str, ...]:
    """Names of the classes of a checkpoint that does not say them."""
    if count == len(HUMANACT12):
        return HUMANACT12
    return tuple(f"action {i}" for i in range(count))


def find(path: str | Path) -> Path | None:
    """The ``.pth`` file that ``path`` names or holds, or None."""
    path = Path(path).expanduser()
    if path.suffix == ".pth":
        return path
    return path / FINAL if (path / FINAL).is_file() else None


def load(path: Path) -> tuple[dict[str, Tensor], Stats, ActionMDMConfig]:
    """Weights, statistics and the sizes that the weights tell.

    Raises:
        ArtifactError: a file is missing or damaged, would run code, or is not of this network.
    """
    weights = _tensors(path)
    config = _sizes(weights, path)
    expected = outline(lambda: ActionMDM(config))
    check_fit(weights, expected, f"{path} is not the action model", _HINT, finite=True)
    stats = path.with_name(STATS)
    found = statistics.checked(_tensors(stats), config.input_dim, stats, scalars=True, hint=_HINT)
    return weights, found, config


def _tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ArtifactError(f"{path} is missing.", _HINT)
    try:
        values: Any = torch_file.load(path)
    except Exception as error:  # what a damaged file raises depends on where the damage is
        raise ArtifactError(
            f"{path} is damaged, or holds more than tensors; nothing of it was run.",
            _HINT,
            str(error),
        ) from error
    if not isinstance(values, dict) or not all(isinstance(v, Tensor) for v in values.values()):
        raise ArtifactError(f"{path} holds no tensors by name.", _HINT)
    return values


def _sizes(weights: Mapping[str, Tensor], path: Path) -> ActionMDMConfig:
    layers = {int(m[1]) for name in weights if (m := _LAYER.match(name))}
    try:
        width = weights["pose.weight"].shape[1]
        if width % 3 or weights["seq_pos_enc.pe"].shape[0] != MAX_POSITIONS:
            raise ValueError("the frame width or the table of positions differs")
        return ActionMDMConfig(
            num_actions=weights["action_embedding.weight"].shape[0],
            num_joints=width // 3,
            latent_dim=weights["pose.weight"].shape[0],
            num_layers=len(layers),
            ff_dim=weights["transformer.layers.0.linear1.weight"].shape[0],
        )
    except (KeyError, IndexError, ValueError) as error:
        raise ArtifactError(f"{path} is not the action model ({error}).", _HINT) from error
