"""Released MoGenTS training folders (``logs`` and ``checkpoints``) to networks and statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ArtifactError
from ...models.mogents.config import (
    LengthConfig,
    MaskConfig,
    MoGenTSConfig,
    ResidualConfig,
    VQConfig,
)
from ...models.mogents.networks import Networks
from ...motion.io.bounds import MAX_CONFIG_BYTES
from ...store.checkpoint_file import load_checkpoint
from ...store.model_folder import COPY_HINT, Stats, config_from_dict
from . import folder as mogents_files

OPTIONS = "opt.txt"
BEST = "net_best_fid.tar"
LENGTH_FILE = Path("length_estimator/model/finest.tar")
KEYS: dict[str, tuple[str, ...]] = {
    "vq": ("vq_model", "net"),
    "mask_aux": ("t2m_transformer_aux", "mask_transformer_aux"),
    "mask_ts": ("t2m_transformer_ts", "mask_transformer_ts"),
    "res_aux": ("res_transformer_aux",),
    "res_ts": ("res_transformer_ts",),
    "length_est": ("estimator",),
}
"""Entries that may hold each network: of the published files, then of the training script's."""


@dataclass(frozen=True)
class ReleaseNames:
    """Folder names under ``logs/<dataset>``; the released ones end in ``_kit`` for KIT-ML."""

    dataset: str = "humanml3d"
    vq: str = "pretrain_vq"
    mask: str = "pretrain_mtrans"
    residual: str = "pretrain_rtrans"

    @classmethod
    def of(cls, dataset: str) -> ReleaseNames:
        """The released names of a data set."""
        end = "_kit" if dataset == "kit" else ""
        return cls(dataset, cls.vq + end, cls.mask + end, cls.residual + end)


def read_release(
    weights_root: Path, length_root: Path | None, names: ReleaseNames | None = None
) -> tuple[Networks, Stats]:
    """Every network of a release, on the CPU.

    Args:
        weights_root: the folder ``logs``.
        length_root: the folder ``checkpoints`` with the length estimator; None leaves it out.

    Raises:
        ArtifactError: a file or an entry of one is missing or does not fit its ``opt.txt``.
    """
    names = names or ReleaseNames()
    root = weights_root / names.dataset
    folders = {"vq": root / names.vq, "mask": root / names.mask, "res": root / names.residual}
    files = {name: folder / "model" / BEST for name, folder in folders.items()}
    files["length"] = (length_root or Path()) / names.dataset / LENGTH_FILE
    needed = [folder / OPTIONS for folder in folders.values()] + list(files.values())
    if length_root is None:
        needed.pop()
    missing = [str(path) for path in needed if not path.is_file()]
    if missing:
        raise ArtifactError(
            f"The release lacks {', '.join(missing)}.",
            "Unpack all of its archives, and give logs as --weights-root and checkpoints as "
            "--length-root.",
        )
    networks = Networks.build(_config(folders, length_root is not None))
    opened = {name: load_checkpoint(path) for name, path in files.items() if path in needed}
    for part, module in networks.parts():
        source = part.partition("_")[0]
        mogents_files.fill(module, _entry(opened[source], KEYS[part], files[source]), files[source])
    meta = folders["vq"] / "meta"
    dim = networks.config.vq.dim
    return networks, mogents_files.read_statistics(meta / "mean.npy", meta / "std.npy", dim)


def _config(folders: Mapping[str, Path], with_length: bool) -> MoGenTSConfig:
    sections: dict[str, Any] = {}
    for name, cls in (("vq", VQConfig), ("mask", MaskConfig), ("res", ResidualConfig)):
        path = folders[name] / OPTIONS
        values = read_options(path)
        # an option file also holds the training's options
        known = {f.name for f in dataclasses.fields(cls)}
        values = {k: None if v == "None" else v for k, v in values.items() if k in known}
        sections[name] = config_from_dict(cls, values, str(path))
    return MoGenTSConfig(**sections, length=LengthConfig() if with_length else None)


def _entry(checkpoint: object, keys: Sequence[str], path: Path) -> object:
    for key in keys:
        if isinstance(checkpoint, Mapping) and key in checkpoint:
            return checkpoint[key]
    raise ArtifactError(f"{path} has no entry {' or '.join(keys)}.", COPY_HINT)


def read_options(path: Path) -> dict[str, object]:
    """``opt.txt`` of the released training scripts: ``key: value`` lines between dashed ones.

    True, False, whole numbers and decimals with a point are typed; the rest stays text, "None" and
    "2e-05" too, as the released reader does.

    Raises:
        ArtifactError: it cannot be read as text, or holds no option.
    """
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ValueError("it is far too large")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.", COPY_HINT) from error
    pairs = [line.split(": ", 1) for line in lines if ": " in line and not line.startswith("---")]
    if not pairs:
        raise ArtifactError(f"{path} holds no options.", COPY_HINT)
    return {key.strip(): _typed(value.strip()) for key, value in pairs}


_DIGITS = 19
"""Fewer than these are a number of 64 bits."""


def _typed(text: str) -> object:
    if text in ("True", "False"):
        return text == "True"
    digits = text.lstrip("-")
    if digits.isdecimal() and len(digits) < _DIGITS:
        return int(text)
    whole, point, rest = digits.partition(".")
    if point and (whole + rest).isdecimal():
        return float(text)
    return text
