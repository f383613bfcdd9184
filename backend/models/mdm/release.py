"""Released MDM checkpoints: ``args.json`` and ``model*.pt``, read without running anything."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import ArtifactError
from ...store.checkpoint_file import load_checkpoint, unwrapped
from ...store.weights import check_fit, outline, undrawn
from .network import MDM, TABLES, Condition, MDMConfig

FRAME_SHAPES = {"humanml": (263, 1), "kit": (251, 1), "humanact12": (25, 6), "uestc": (25, 6)}
"""Shape of a frame for each value of ``dataset`` in ``args.json``: joints x channels."""

ACTIONS = {"humanact12": 12, "uestc": 40}
TARGET_JOINTS = ["pelvis", "left_foot", "right_foot", "left_wrist", "right_wrist", "head"]
ARGS = "args.json"
MAX_ARGS_BYTES = 1_000_000
_SHOWN_CHARS = 60
_LEFT_OUT = "clip_model."

_COPY_HINT = "Copy the folder again; it needs args.json and model*.pt of one MDM release."
_ENTRY_HINT = "Copy the file again: it must be the one that came with the weights."

DEFAULTS: dict[str, object] = {
    "arch": "trans_enc",
    "text_encoder_type": "clip",
    "emb_trans_dec": False,
    "layers": 8,
    "latent_dim": 512,
    "cond_mask_prob": 0.1,
    "mask_frames": False,
    "lambda_target_loc": 0.0,
    "unconstrained": False,
    "pos_embed_max_len": 5000,
    "use_ema": False,
    "multi_target_cond": False,
    "multi_encoder_type": "single",
    "target_enc_layers": 1,
    "context_len": 0,
    "pred_len": 0,
    "noise_schedule": "cosine",
    "diffusion_steps": 1000,
    "sigma_small": True,
}
"""What the released parser assumes for entries that an older ``args.json`` lacks."""


def read_args(path: Path) -> dict[str, Any]:
    """The object of an ``args.json``; :class:`ArtifactError` when it cannot be read."""
    try:
        if path.stat().st_size > MAX_ARGS_BYTES:
            raise ValueError("it is far too large")
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{path} is missing.",
            "A released MDM checkpoint comes with the args.json it was trained with; copy it too.",
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.", _COPY_HINT) from error
    if not isinstance(values, dict):
        raise ArtifactError(f"{path} must hold a JSON object.", _COPY_HINT)
    return values


def config_from_args(args: Mapping[str, Any], where: str = ARGS) -> MDMConfig:
    """The configuration that a release's training arguments describe.

    Entries that older releases lack take the released defaults; those that only concern training
    are ignored.

    Raises:
        ArtifactError: no or an unknown ``dataset``, an entry of the wrong type, or values that make
            no network.
    """
    dataset = args.get("dataset")
    if not isinstance(dataset, str) or dataset not in FRAME_SHAPES:
        raise ArtifactError(
            f"{where}: dataset is {dataset!r}; an MDM release names one of "
            f"{', '.join(FRAME_SHAPES)}.",
            "Take the args.json that belongs to the checkpoint.",
        )
    value = {name: _entry(args, name, where) for name in DEFAULTS}
    joints, channels = FRAME_SHAPES[dataset]
    free = value["unconstrained"] or args.get("cond_mode") == "no_cond"
    condition: Condition = "none" if free else "action" if dataset in ACTIONS else "text"
    pred_len = value["pred_len"] or value["context_len"]
    target = value["multi_target_cond"] or value["lambda_target_loc"] > 0
    try:
        return MDMConfig(
            joints=joints,
            channels=channels,
            arch=value["arch"],
            condition=condition,
            text_encoder=value["text_encoder_type"],
            actions=ACTIONS.get(dataset, 1),
            width=value["latent_dim"],
            layers=value["layers"],
            cond_mask_prob=value["cond_mask_prob"],
            mask_frames=value["mask_frames"],
            emb_trans_dec=value["emb_trans_dec"],
            max_positions=value["pos_embed_max_len"],
            context_len=value["context_len"],
            pred_len=pred_len,
            target_cond=target,
            target_encoder=value["multi_encoder_type"],
            target_layers=value["target_enc_layers"],
            target_joints=TARGET_JOINTS if target else [],
            dataset=dataset,
            noise_schedule=value["noise_schedule"],
            diffusion_steps=value["diffusion_steps"],
            sigma_small=value["sigma_small"],
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise ArtifactError(f"{where}: {error}.", _ENTRY_HINT) from error


def _entry(args: Mapping[str, Any], name: str, where: str) -> Any:
    """An entry of the training arguments as the type of its default.

    Nothing is guessed: "false" is no false, and 2.7 layers are not 2.
    """
    default, given = DEFAULTS[name], args.get(name)
    if given is None:
        # entries that the parser of their time knew but did not set are null
        return default
    kind = type(default)
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if kind is bool and (isinstance(given, bool) or (number and given in (0, 1))):
        return bool(given)
    if kind is int and number and math.isfinite(given) and given == int(given):
        return int(given)
    if kind is float and number and math.isfinite(given):
        return float(given)
    if kind is str and isinstance(given, str):
        return given
    wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}[kind]
    shown = repr(given) if len(repr(given)) <= _SHOWN_CHARS else f"{repr(given)[:_SHOWN_CHARS]}…"
    raise ArtifactError(f"{where}: {name} is {shown}, not {wanted}.", _ENTRY_HINT)


def find_checkpoint(folder: Path) -> Path:
    """The ``model<step>.pt`` of the highest step in ``folder``, or the file itself."""
    if folder.is_file():
        return folder
    if not folder.is_dir():
        raise ArtifactError(f"{folder} does not exist.", "Check the path of the checkpoint.")
    found = {
        int(match[1]): path
        for path in folder.iterdir()
        if (match := re.fullmatch(r"model(\d+)\.pt", path.name))
    }
    if not found:
        raise ArtifactError(f"{folder} holds no model*.pt.", _COPY_HINT)
    return found[max(found)]


def read_state(path: Path, use_ema: bool) -> dict[str, Tensor]:
    """Float32 tensors of a ``model*.pt``, without CLIP and positional buffers.

    A prefix that multi-GPU training put before all names is taken off.

    Raises:
        ArtifactError: damaged, no dictionary of tensors, names code to run, or NaN in a tensor.
    """
    content = _load(path)
    if isinstance(content.get("model_avg" if use_ema else "model"), Mapping):
        content = content["model_avg" if use_ema else "model"]
    elif isinstance(content.get("model"), Mapping):
        raise ArtifactError(
            f"{path} has no EMA weights (model_avg), but {ARGS} says use_ema.",
            "Set use_ema to false in args.json to take the plain weights.",
        )
    return {
        name: _weights(value, f"{path}: {name}")
        for name, value in unwrapped(content).items()
        if not (isinstance(name, str) and name.startswith(_LEFT_OUT))
        and not (isinstance(name, str) and name.endswith("sequence_pos_encoder.pe"))
    }


def _weights(value: object, what: str) -> Tensor:
    """A tensor of real numbers as float32; anything else raises :class:`ArtifactError`."""
    if not isinstance(value, Tensor):
        raise ArtifactError(f"{what} is no tensor.", _COPY_HINT)
    if not value.is_floating_point():
        raise ArtifactError(f"{what} is {value.dtype}, no real weights.", _COPY_HINT)
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        found = "no numbers" if value.is_meta else f"a tensor of the layout {value.layout}"
        raise ArtifactError(
            f"{what} holds {found}; plain (dense) weights are read.",
            "Save the checkpoint again with dense tensors (value.to_dense()).",
        )
    weights = value.detach().float().contiguous()
    if not torch.isfinite(weights).all():
        raise ArtifactError(f"{what} holds NaN or infinite values.", _COPY_HINT)
    return weights


def _load(path: Path) -> Mapping[str, Any]:
    content = load_checkpoint(path)
    if not isinstance(content, Mapping):
        raise ArtifactError(f"{path} holds no dictionary of tensors.", _COPY_HINT)
    return content


def read_checkpoint(folder: Path) -> tuple[MDMConfig, dict[str, Tensor]]:
    """Configuration and tensors of a released checkpoint (see ``mdm.load_upstream``)."""
    path = find_checkpoint(folder)
    args = read_args(path.parent / ARGS)
    config = config_from_args(args, str(path.parent / ARGS))
    state = read_state(path, _entry(args, "use_ema", str(path.parent / ARGS)))
    expected = {k: v for k, v in outline(lambda: MDM(config)).items() if not k.endswith(TABLES)}
    hint = f"Take the {ARGS} that belongs to the checkpoint."
    check_fit(state, expected, f"{path} does not fit its {ARGS}", hint)
    return config, state


def load_upstream(folder: str | Path) -> MDM:
    """The network of a released checkpoint: a folder with ``model*.pt`` and ``args.json``.

    Of several checkpoints the one with the highest step is taken; a path of a single ``.pt`` file
    is taken as it is, with the ``args.json`` beside it. EMA weights are used where ``args.json``
    says so. Nothing of the files is run.

    Raises:
        ArtifactError: a file is missing or damaged, ``args.json`` does not fit, tensors are missing
            or left over (all are listed), or a tensor holds NaN.
    """
    config, tensors = read_checkpoint(Path(folder))
    net = undrawn(lambda: MDM(config))
    net.load_state_dict(tensors, strict=False)  # read_checkpoint has compared all names
    return net.eval()
