"""Released MoMask training folders to networks and statistics.

``checkpoints/t2m`` (or ``kit``) holds one folder a network: ``opt.txt`` and ``model/*.tar``, the
tokenizer's also ``meta/mean.npy`` and ``std.npy``. A network is known by the entry of its file, so
that folders may have any name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from ...errors import ArtifactError
from ...models.mogents.config import LengthConfig, MaskConfig, ResidualConfig, plain_options
from ...models.momask.config import MoMaskConfig, RVQConfig
from ...models.momask.networks import Networks
from ...store.checkpoint_file import load_checkpoint
from ...store.model_folder import COPY_HINT, Stats, config_from_dict
from ..mogents import folder as token_files
from ..mogents.release import LENGTH_FILE, read_options
from .layout import OPTIONS, networks_in, role_by_name, root_of

Config = TypeVar("Config", RVQConfig, MaskConfig, ResidualConfig)
Transformer = TypeVar("Transformer", bound=MaskConfig)

_ENTRIES = {
    "vq": ("vq_model", "net"),
    "mask": ("t2m_transformer", "trans"),
    "res": ("res_transformer",),
}
"""Entries of a file that hold each network."""
_FILES = {
    "vq": ("net_best_fid.tar",),
    "mask": ("latest.tar", "net_best_fid.tar"),
    "res": ("net_best_fid.tar", "latest.tar"),
}
_ROLES = {"vq": "tokenizer", "mask": "masked transformer", "res": "residual transformer"}


@dataclass(frozen=True)
class ReleaseNames:
    """Folders to take where there are several of a kind; found by themselves when None."""

    vq: str | None = None
    mask: str | None = None
    res: str | None = None


def read_release(folder: Path, names: ReleaseNames | None = None) -> tuple[Networks, Stats]:
    """Every network of a release, on the CPU.

    Raises:
        ArtifactError: a network is missing, or there are several of a kind, or one does not fit its
            ``opt.txt``.
    """
    root = root_of(folder)
    if root is None:
        raise ArtifactError(
            f"{folder} holds no MoMask release.",
            "Give the folder that holds the tokenizer's and both transformers' folders"
            " (checkpoints/t2m).",
        )
    homes = _homes(root, names or ReleaseNames())
    length_file = root / LENGTH_FILE
    opened = {name: _opened(name, home) for name, home in homes.items()}
    length = None
    if length_file.is_file():
        opened["length_est"] = _entry(load_checkpoint(length_file), ("estimator",), length_file)
        length = _length_config(opened["length_est"])
    config = MoMaskConfig(
        _section(RVQConfig, homes["vq"]),
        _with_text_width(_section(MaskConfig, homes["mask"]), opened["mask"]),
        _with_text_width(_section(ResidualConfig, homes["res"]), opened["res"]),
        length,
    )
    networks = Networks.build(config)
    for name, module in networks.parts():
        token_files.fill(module, opened[name], homes.get(name, length_file))
    meta = homes["vq"] / "meta"
    stats = token_files.read_statistics(meta / "mean.npy", meta / "std.npy", config.vq.dim)
    return networks, stats


def _length_config(weights: Mapping[str, Tensor]) -> LengthConfig:
    try:
        first, last = weights["output.0.weight"], weights["output.11.weight"]
    except KeyError as error:
        raise ArtifactError(f"The length estimator lacks {error}.", COPY_HINT) from error
    return LengthConfig(first.shape[1], last.shape[0])


def _homes(root: Path, names: ReleaseNames) -> dict[str, Path]:
    found: dict[str, list[Path]] = {name: [] for name in _ENTRIES}
    for home in networks_in(root):
        role = role_by_name(home) or _role_of(home)
        if role is not None:
            found[role].append(home)
    homes = {}
    for role, candidates in found.items():
        wanted = getattr(names, role)
        chosen = [p for p in candidates if wanted is None or p.name == wanted]
        if len(chosen) != 1:
            listed = ", ".join(p.name for p in candidates) or "none"
            raise ArtifactError(
                f"{root} should hold one {_ROLES[role]}; it holds {listed}.",
                f"Name one with --{role}-name, or unpack all archives of the release there.",
            )
        homes[role] = chosen[0]
    return homes


def _role_of(home: Path) -> str | None:
    """What a folder's file holds, where its name does not say."""
    for path in sorted((home / "model").glob("*.tar")):
        values = load_checkpoint(path)
        for role, keys in _ENTRIES.items():
            if isinstance(values, Mapping) and any(key in values for key in keys):
                return role
    return None


def _section(cls: type[Config], home: Path) -> Config:
    known = {field.name for field in dataclasses.fields(cls)}
    path = home / OPTIONS
    values = {k: v for k, v in plain_options(read_options(path)).items() if k in known}
    return config_from_dict(cls, values, str(path))


def _with_text_width(config: Transformer, weights: Mapping[str, Tensor]) -> Transformer:
    """The option files do not say how wide the text features are."""
    weight = weights.get("cond_emb.weight")
    return config if weight is None else dataclasses.replace(config, clip_dim=weight.shape[1])


def _opened(role: str, home: Path) -> Mapping[str, Tensor]:
    paths = [home / "model" / name for name in _FILES[role]]
    path = next((p for p in paths if p.is_file()), None)
    if path is None:
        raise ArtifactError(f"{home} lacks model/{_FILES[role][0]}.", COPY_HINT)
    return _entry(load_checkpoint(path), _ENTRIES[role], path)


def _entry(checkpoint: object, keys: tuple[str, ...], path: Path) -> Mapping[str, Tensor]:
    for key in keys:
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(key), Mapping):
            return checkpoint[key]
    raise ArtifactError(f"{path} has no entry {' or '.join(keys)}.", COPY_HINT)
