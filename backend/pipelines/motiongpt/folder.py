"""MotionGPT's files: the published artifact and our own all-safetensors folder.

Published: ``model_index.json``, ``motiongpt_s3_h3d.tar`` (a torch checkpoint),
``assets/meta/{mean,std}.npy``, ``deps/flan-t5-base/{config.json, tokenizer.json}``.
Ours: ``config.json``, ``model.safetensors``, ``stats.safetensors``, ``tokenizer.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ...errors import ArtifactError
from ...models.motiongpt.network import (
    EMBEDDING,
    EMBEDDING_COPIES,
    LM_PREFIX,
    VAE_PREFIX,
    MotionGPT,
    vae_config_of,
)
from ...models.motiongpt.t5 import T5Config
from ...models.motiongpt.vqvae import VQVAEConfig
from ...motion.representations import hml263
from ...store import model_folder
from ...store.checkpoint_file import load_checkpoint, unwrapped
from ...store.model_folder import COPY_HINT
from ...store.statistics import Stats, read_pair
from ...store.weights import filled
from ...text.motion_prompts import CODES, FRAMES_PER_TOKEN, PROMPT_MODES, PromptMode
from ...text.motion_tokens import TOKENIZER, MotionTextTokenizer

SPEC = hml263.SPEC
INDEX = "model_index.json"
CHECKPOINT = "motiongpt_s3_h3d.tar"
MEAN, STD = "assets/meta/mean.npy", "assets/meta/std.npy"
T5_FOLDER = "deps/flan-t5-base"
T5_CONFIG, T5_TOKENIZER = f"{T5_FOLDER}/{model_folder.CONFIG}", f"{T5_FOLDER}/{TOKENIZER}"
PUBLISHED_FILES = (CHECKPOINT, MEAN, STD, T5_CONFIG, T5_TOKENIZER)
OWN_FILES = (model_folder.CONFIG, model_folder.WEIGHTS, model_folder.STATS, TOKENIZER)
MIN_STD = 1e-8
"""Smallest divisor when features are normalised."""
_T5_SIZES = (
    "d_model",
    "d_kv",
    "d_ff",
    "num_heads",
    "num_layers",
    "num_decoder_layers",
    "relative_attention_num_buckets",
    "relative_attention_max_distance",
    "layer_norm_epsilon",
)


@dataclass(frozen=True)
class MotionGPTConfig:
    """``config.json`` of our own folder: both networks and what people are told."""

    vae: VQVAEConfig
    t5: T5Config
    name: str = "motiongpt"
    licence: str = "research use (trained on HumanML3D/AMASS)"
    description: str = "Motion tokens and a language model; also describes motions in words."
    pipeline: Literal["motiongpt"] = "motiongpt"
    representation: Literal["hml263"] = "hml263"
    fps: float = SPEC.fps
    prompt_mode: PromptMode = "official_nolen"
    sha256: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.vae.features != SPEC.dim:
            raise ValueError(f"the tokenizer is {self.vae.features} wide, not {SPEC.dim}")
        if (self.vae.codes, self.vae.frames_per_token) != (CODES, FRAMES_PER_TOKEN):
            raise ValueError(
                f"the tokenizer has {self.vae.codes} codes of {self.vae.frames_per_token} frames; "
                f"the prompts are made for {CODES} of {FRAMES_PER_TOKEN}"
            )


@dataclass(frozen=True)
class MotionGPTFiles:
    """A model read from a folder, on the CPU in float32."""

    config: MotionGPTConfig
    net: MotionGPT
    stats: Stats
    tokenizer: MotionTextTokenizer


def find(
    name_or_path: str | Path, *, revision: str | None = None, local_files_only: bool = False
) -> Path:
    """The local folder of a model of either layout, complete.

    Raises:
        ModelNotFound: nothing there.
        ArtifactError: files of the layout are missing; all are named.
    """
    folder = model_folder.resolve(
        name_or_path,
        (),
        optional=(INDEX, *PUBLISHED_FILES, *OWN_FILES),
        revision=revision,
        local_files_only=local_files_only,
    )
    wanted = OWN_FILES if is_own(folder) else PUBLISHED_FILES
    missing = [name for name in wanted if not model_folder.inside(folder, name).is_file()]
    if missing:
        raise ArtifactError(f"The model in {folder} lacks {', '.join(missing)}.", COPY_HINT)
    return folder


def is_own(folder: Path) -> bool:
    """Whether a folder has our layout."""
    return (folder / model_folder.CONFIG).is_file() and not (folder / CHECKPOINT).is_file()


def read(folder: Path) -> MotionGPTFiles:
    """Read a folder that :func:`find` has found complete.

    Raises:
        ArtifactError: a file is damaged, does not fit the others, or is of another model.
    """
    return _read_own(folder) if is_own(folder) else _read_published(folder)


def save(folder: Path, model: MotionGPTFiles) -> None:
    """Write our own layout."""
    model.tokenizer.save(folder / TOKENIZER)
    model_folder.save_model(
        folder, asdict(model.config), model.net.state_dict(), model.stats, beside=(TOKENIZER,)
    )


# ---------------------------------------------------------------- our own layout


def _read_own(folder: Path) -> MotionGPTFiles:
    where = folder / model_folder.CONFIG
    values = model_folder.read_json(where)
    config = model_folder.config_from_dict(MotionGPTConfig, values, str(where))
    if config.prompt_mode not in PROMPT_MODES:
        raise ArtifactError(f"{where}: unknown prompt_mode {config.prompt_mode!r}.", COPY_HINT)
    tokenizer = MotionTextTokenizer.load(folder / TOKENIZER)
    _check_vocabulary(tokenizer, config.t5.vocab_size, folder)
    path = folder / model_folder.WEIGHTS
    net = _filled(config.vae, config.t5, model_folder.load_tensors(path), path)
    stats = model_folder.load_stats(folder / model_folder.STATS, SPEC.dim)
    model_folder.verify_checksums(folder, values)
    return MotionGPTFiles(config, net, stats, tokenizer)


def _filled(vae: VQVAEConfig, t5: T5Config, state: Mapping[str, Tensor], where: Path) -> MotionGPT:
    """The networks with a state dict in them; every name and shape must fit."""
    complaint = f"{where} does not fit its configuration"
    net = filled(lambda: MotionGPT(vae, t5), state, complaint)
    return net.eval().requires_grad_(False)


def _check_vocabulary(tokenizer: MotionTextTokenizer, rows: int, folder: Path) -> None:
    if len(tokenizer) != rows:
        raise ArtifactError(
            f"{folder}: the tokenizer and the motion tokens make {len(tokenizer)} words, but the "
            f"language model has {rows}.",
            "The tokenizer must be the one of the model. " + COPY_HINT,
        )


# ---------------------------------------------------------------- the published layout


def _read_published(folder: Path) -> MotionGPTFiles:
    tokenizer = MotionTextTokenizer.load(model_folder.inside(folder, T5_TOKENIZER))
    t5 = read_t5_config(model_folder.inside(folder, T5_CONFIG), len(tokenizer))
    path = model_folder.inside(folder, CHECKPOINT)
    state = read_checkpoint(path)
    _check_vocabulary(tokenizer, len(state[EMBEDDING]), folder)
    try:
        vae = vae_config_of(state)
        config = MotionGPTConfig(vae, t5)
    except (KeyError, ValueError) as error:
        raise ArtifactError(
            f"{path} holds no such motion tokenizer: {error}.", COPY_HINT
        ) from error
    mean, std = (model_folder.inside(folder, name) for name in (MEAN, STD))
    stats = read_pair(mean, std, SPEC.dim, smallest=MIN_STD)
    net = _filled(vae, t5, state, path)
    return MotionGPTFiles(config, net, stats, tokenizer)


def read_t5_config(path: Path, vocab_size: int) -> T5Config:
    """Sizes from the ``config.json`` of a FLAN-T5; its own vocabulary size says nothing here.

    Raises:
        ArtifactError: unreadable, or of a T5 with other feed-forward layers.
    """
    values = model_folder.read_json(path)
    projection = values.get("feed_forward_proj", "relu")
    if projection != "gated-gelu":
        raise ArtifactError(
            f"{path} describes an ordinary T5 (feed_forward_proj {projection!r}, d_ff "
            f"{values.get('d_ff')}); MotionGPT's language model is a FLAN-T5 (gated-gelu, d_ff "
            f"{T5Config.d_ff} at base size).",
            "Put the config.json of google/flan-t5-base there, not the one of t5-base.",
        )
    sizes = {name: values[name] for name in _T5_SIZES if values.get(name) is not None}
    if "num_decoder_layers" not in sizes and "num_layers" in sizes:
        sizes["num_decoder_layers"] = sizes["num_layers"]
    return model_folder.config_from_dict(T5Config, {**sizes, "vocab_size": vocab_size}, str(path))


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The networks' tensors, float32, the input embedding once.

    Raises:
        ArtifactError: damaged, without these networks, not finite, or with an input embedding that
            encoder and decoder do not share.
    """
    content = load_checkpoint(path, stand_ins=True)
    state = content.get("state_dict") if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        raise ArtifactError(f"{path} has no state_dict.", COPY_HINT)
    tensors: dict[str, Tensor] = {}
    for name, value in unwrapped(state).items():
        if not str(name).startswith((VAE_PREFIX, LM_PREFIX.split(".")[0] + ".")):
            continue  # losses, metrics and whatever else training left there
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise ArtifactError(f"{path}: {name!r} is no tensor of numbers.", COPY_HINT)
        tensors[name] = value.detach().float().contiguous()
        if not torch.isfinite(tensors[name]).all():
            raise ArtifactError(f"{path}: {name} holds NaN or infinite values.", COPY_HINT)
    for prefix, part in ((VAE_PREFIX, "motion tokenizer"), (LM_PREFIX, "language model")):
        if not any(name.startswith(prefix) for name in tensors):
            raise ArtifactError(f"{path} holds no {part} ({prefix}*).", COPY_HINT)
    if EMBEDDING not in tensors:
        raise ArtifactError(f"{path} lacks {EMBEDDING}.", COPY_HINT)
    for name in EMBEDDING_COPIES:
        if name in tensors and not torch.equal(tensors[name], tensors[EMBEDDING]):
            raise ArtifactError(
                f"{path}: {name} differs from {EMBEDDING}; MotionGPT shares them.", COPY_HINT
            )
    return {name: value for name, value in tensors.items() if name not in EMBEDDING_COPIES}
