"""The folder of an MDM model: ``mdm_config.json``, weights, statistics and text encoder.

``mdm_config.json``, ``model.safetensors``, ``Mean.npy`` and ``Std.npy`` are those of the published
artifact (``ZeyuLing/hftrainer-mdm-humanml3d``), so that each program reads the other's folders.
Theirs may hold ``model.pt`` in place of ``model.safetensors``; it is read where that one is not
there. The text encoder inside is ours: ``clip.safetensors`` and its vocabulary, or the folder
``distilbert``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import ArtifactError
from ...models.mdm import release as mdm_checkpoint
from ...models.mdm.network import MDM, TABLES, MDMConfig
from ...models.mdm.release import config_from_args
from ...store import model_folder
from ...store.model_folder import CHECKSUMS_KEY, WEIGHTS, Stats
from ...store.weights import filled
from ...text import clip, distilbert
from ...wire import limits
from ..humanml3d import statistics as hml_statistics
from ..humanml3d.statistics import MEAN, STD

CONFIG = "mdm_config.json"
FORMAT = "kinetype-mdm-v1"
PICKLED_WEIGHTS = "model.pt"
"""What other programs write in place of ``model.safetensors``."""
FILES = (CONFIG,)
OPTIONAL = (WEIGHTS, MEAN, STD, *clip.FILES, *distilbert.FILES)
"""Statistics are no option, but a folder without them has a better explanation to give."""
RELEASED_GUIDANCE = 2.5
PLANNER_SAMPLING: dict[str, object] = {"guidance_param": 7.5, "sampler": "ddpm"}
"""How prefix-completion models (DiP) are sampled as released: their few steps, all of them."""


@dataclass(frozen=True)
class MDMPipelineConfig:
    """``mdm_config.json``: the network as a release's ``args.json`` tells it, and defaults.

    ``config`` holds the entries of ``args.json`` that say what the network is. ``network`` is only
    there for a network that they cannot describe. ``guidance_param``, ``sampler`` and ``steps`` are
    the defaults of sampling. ``text_encoder`` is the hub id of the encoder that reads captions.
    ``name``, ``licence`` and ``description`` are shown to people.
    """

    config: dict[str, Any]
    model_type: str = "mdm"
    format: str = FORMAT
    network: MDMConfig | None = None
    guidance_param: float = RELEASED_GUIDANCE
    sampler: str = "ddim"
    steps: int = 25
    text_encoder: str = ""
    name: str = "mdm"
    licence: str = ""
    description: str = ""
    sha256: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.model_type != "mdm":
            raise ValueError(f"model_type is {self.model_type!r}, not 'mdm'")
        if self.sampler not in limits.DIFFUSION_SAMPLERS:
            raise ValueError(f"unknown sampler {self.sampler!r}")
        if not limits.MIN_GUIDANCE <= self.guidance_param <= limits.MAX_GUIDANCE:
            raise ValueError(f"guidance_param {self.guidance_param}")
        if self.steps < 1:
            raise ValueError(f"{self.steps} steps")

    @classmethod
    def of(cls, network: MDMConfig, **options: Any) -> MDMPipelineConfig:
        """The configuration of a folder for a network."""
        args = args_of(network)
        told = network == config_from_args(args)
        planner = PLANNER_SAMPLING | {"steps": network.diffusion_steps}
        if not network.context_len:
            planner = {}
        return cls(args, network=None if told else network, **{**planner, **options})

    def network_config(self, where: str = CONFIG) -> MDMConfig:
        """The network's configuration; :class:`ArtifactError` when the entries make none."""
        return self.network or config_from_args(self.config, f"{where}: config")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = asdict(self)
        if self.network is None:
            del values["network"]
        return values


def args_of(network: MDMConfig) -> dict[str, object]:
    """The entries of ``args.json`` that describe a network (inverse of ``config_from_args``)."""
    return {
        "dataset": network.dataset,
        "arch": network.arch,
        "text_encoder_type": network.text_encoder,
        "emb_trans_dec": network.emb_trans_dec,
        "layers": network.layers,
        "latent_dim": network.width,
        "cond_mask_prob": network.cond_mask_prob,
        "mask_frames": network.mask_frames,
        "unconstrained": network.condition == "none",
        "pos_embed_max_len": network.max_positions,
        "multi_target_cond": network.target_cond,
        "multi_encoder_type": network.target_encoder,
        "target_enc_layers": network.target_layers,
        "context_len": network.context_len,
        "pred_len": network.pred_len,
        "noise_schedule": network.noise_schedule,
        "diffusion_steps": network.diffusion_steps,
        "sigma_small": network.sigma_small,
        "emb_policy": "add",
        "lambda_vel": 0.0,
        "lambda_rcxyz": 0.0,
        "lambda_fc": 0.0,
    }


def read_config(folder: Path) -> MDMPipelineConfig:
    """``mdm_config.json``, checked; an artifact of another program may hold more entries.

    Raises:
        ArtifactError: missing, no JSON object, or entries that make no MDM.
    """
    path = folder / CONFIG
    values = model_folder.read_json(path)
    if not isinstance(values.get("config"), Mapping):
        raise ArtifactError(
            f"{path} lacks the entry 'config' with the training arguments.",
            "Convert the released checkpoint again: kinetype convert-checkpoint mdm.",
        )
    known = {f.name for f in dataclasses.fields(MDMPipelineConfig)}
    if values.get("format") != FORMAT:
        values = {key: value for key, value in values.items() if key in known - {"format"}}
    return model_folder.config_from_dict(MDMPipelineConfig, values, str(path))


def resolve(
    name_or_path: str | Path, *, revision: str | None = None, local_files_only: bool = False
) -> Path:
    """The local folder of a model, with its configuration and weights in it.

    Raises:
        ModelNotFound: neither such a directory nor such a hub model.
        ArtifactError: a file is missing.
    """
    options: dict[str, Any] = {"revision": revision, "local_files_only": local_files_only}
    folder = model_folder.resolve(name_or_path, FILES, optional=OPTIONAL, **options)
    if not (folder / WEIGHTS).is_file():
        # asked for alone: a hub model that has both is not downloaded twice
        folder = model_folder.resolve(name_or_path, FILES, optional=(PICKLED_WEIGHTS,), **options)
    _weights_in(folder)
    return folder


def _weights_in(folder: Path) -> Path:
    for name in (WEIGHTS, PICKLED_WEIGHTS):
        if (folder / name).is_file():
            return folder / name
    raise ArtifactError(
        f"The model in {folder} lacks {WEIGHTS} (or {PICKLED_WEIGHTS}).", model_folder.COPY_HINT
    )


def load(folder: Path) -> tuple[MDMPipelineConfig, MDM, Stats]:
    """Everything of a folder but the text encoder; each file is checked.

    Raises:
        ArtifactError: a file is missing, damaged, does not fit the others, or the statistics are
            the evaluator's.
    """
    config = read_config(folder)
    net = load_network(folder, config)
    stats = hml_statistics.read(folder / MEAN, folder / STD, net.config.features)
    model_folder.verify_checksums(folder, {CHECKSUMS_KEY: config.sha256}, where=CONFIG)
    return config, net, stats


def load_network(folder: Path, config: MDMPipelineConfig) -> MDM:
    """The network of a folder; :class:`ArtifactError` unless it is a text-to-motion one."""
    where = str(folder / CONFIG)
    network = config.network_config(where)
    check_text_to_motion(network, where)
    path = _weights_in(folder)
    if path.suffix == ".pt":
        tensors = mdm_checkpoint.read_state(path, use_ema=False)
    else:
        tensors = model_folder.load_tensors(path)
    complaint = f"{path} does not fit {CONFIG}"
    return filled(lambda: MDM(network), tensors, complaint, recomputed=TABLES).eval()


def find_text_encoder(folder: Path) -> None:
    """Make sure that a model's text encoder is on this computer: in the folder, or fetched by name.

    Raises:
        MissingDependency: it is not here and cannot be fetched.
    """
    config = read_config(folder)
    kind = config.network_config(str(folder / CONFIG)).text_encoder
    name: dict[str, Any] = {"name": config.text_encoder} if config.text_encoder else {}
    if kind == "bert":
        distilbert.DistilBertEncoder.load(folder, **name)
    elif kind == "clip":
        clip.ClipTextEncoder.load(folder, **name)


def check_text_to_motion(network: MDMConfig, where: str) -> None:
    """Raise :class:`ArtifactError` unless a network makes HumanML3D or KIT-ML features from text.

    Args:
        where: file that describes the network, for the message.
    """
    if network.features not in hml_statistics.SPECS or network.channels != 1:
        raise ArtifactError(
            f"{where}: the network makes frames of {network.joints} x {network.channels} for the "
            f"data set {network.dataset!r}; text models make 263 (humanml) or 251 (kit) features.",
            "Models of actions are sampled with `kinetype sample`.",
        )
    if network.condition != "text":
        raise ArtifactError(
            f"{where}: this network was trained without text.", "Take a text-to-motion model."
        )


def save(
    folder: Path,
    config: MDMPipelineConfig,
    weights: Mapping[str, Tensor],
    stats: Stats | None,
    encoder: Any = None,
    *,
    half: bool = False,
) -> Path:
    """Write a folder; ``mdm_config.json`` comes last and records the other files' sha256.

    Args:
        weights: state of the network; positional tables are left out.
        stats: training statistics; without them the folder cannot make motions yet.
        encoder: a text encoder whose ``save(folder)`` writes its files, or None.
        half: store the weights as float16.
    """
    kept = {name: value for name, value in weights.items() if not name.endswith(TABLES)}
    dtype = torch.float16 if half else torch.float32
    model_folder.save_tensors(folder / WEIGHTS, kept, dtype=dtype)
    if stats is not None:
        hml_statistics.write(folder, stats)
    if encoder is not None:
        encoder.save(folder)
    model_folder.record(folder, dataclasses.replace(config, format=FORMAT).to_dict(), name=CONFIG)
    return folder
