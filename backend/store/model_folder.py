"""Model files: from a directory or hub id to verified tensors, and back to disk.

A model folder holds ``config.json``, ``model.safetensors`` and ``stats.safetensors`` (``mean`` and
``std`` ``[D]`` of the representation). Nothing here unpickles. Every failure is a
:class:`~backend.errors.KinetypeError` that names the file and says what to do.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ..errors import ArtifactError, ModelNotFound
from ..motion.io.atomic import atomic_path
from .config_files import CHECKSUMS_KEY, COPY_HINT, refuse_file
from .config_files import config_from_dict as config_from_dict
from .config_files import local_folder as local_folder
from .config_files import read_json as read_json

_Network = TypeVar("_Network", bound=nn.Module)

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
STATS = "stats.safetensors"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][\w./+-]*")
"""Branches, tags and commits: the cache keeps files of these names, so none may lead out of it."""
_HALF_LIMIT = torch.finfo(torch.float16).max


@dataclass(frozen=True)
class Stats:
    """``mean`` and ``std`` of a representation, ``[D]`` float32: x = normalised * std + mean."""

    mean: Tensor
    std: Tensor

    def normalise(self, x: Tensor) -> Tensor:
        """``[..., D]`` to zero mean and unit scale."""
        return (x - self.mean.to(x)) / self.std.to(x)

    def denormalise(self, x: Tensor) -> Tensor:
        """The inverse of :meth:`normalise`."""
        return x * self.std.to(x) + self.mean.to(x)


# ---------------------------------------------------------------- where the files are


def resolve(
    name_or_path: str | Path,
    files: Sequence[str] = (CONFIG, WEIGHTS, STATS),
    *,
    optional: Sequence[str] = (),
    revision: str | None = None,
    local_files_only: bool = False,
) -> Path:
    """The local folder of a model, with every file of ``files`` in it.

    Args:
        name_or_path: a directory, or a hub id "owner/name" (fetched into the Hugging Face cache),
            which "owner/name@revision" pins.
        optional: files that are fetched when the model has them.
        revision: branch, tag or commit of a hub model; what stands after an @ when None.
        local_files_only: never use the network; so does the environment's ``HF_HUB_OFFLINE``.

    Raises:
        ModelNotFound: neither such a directory nor such a hub model.
        ArtifactError: a file is missing, or leads out of the model's folder.
    """
    local = local_folder(name_or_path)
    repo, _, pinned = str(name_or_path).partition("@")
    if local is None:
        refuse_file(name_or_path)
    if local is not None:
        folder = local
    elif _HUB_ID.fullmatch(repo):
        wanted = [*files, *optional]
        folder = _from_hub(repo, wanted, revision or pinned or None, local_files_only)
    else:
        raise ModelNotFound(
            f"There is no model {str(name_or_path)!r}.",
            "Give a model directory, a hub id (owner/name), or a name of `kinetype models`.",
        )
    missing = [name for name in files if not inside(folder, name).is_file()]
    if missing:
        raise ArtifactError(f"The model in {folder} lacks {', '.join(missing)}.", COPY_HINT)
    for name in optional:
        inside(folder, name)
    return folder


def inside(folder: Path, name: str) -> Path:
    """``folder / name``, or :class:`ArtifactError` if that leads out of the model.

    Links are followed: only a folder of the Hugging Face cache may hold links to its own blobs.
    """
    relative = PurePosixPath(name)
    plain = bool(name) and not set(name) & set("\\:\0")
    if not plain or relative.is_absolute() or ".." in relative.parts:
        raise ArtifactError(f"{name!r} is not a file name inside a model.", COPY_HINT)
    root = folder.resolve()
    if root.parent.name == "snapshots" and root.parent.parent.name.startswith("models--"):
        root = root.parent.parent
    if not (folder / relative).resolve().is_relative_to(root):
        raise ArtifactError(
            f"{folder / relative} is a link that leads out of the model's folder.",
            "Put the file itself there.",
        )
    return folder / relative


def _from_hub(
    repo: str, files: Sequence[str], revision: str | None, local_files_only: bool
) -> Path:
    if revision is not None and not _REVISION.fullmatch(revision):
        raise ModelNotFound(
            f"{revision[:60]!r} is no revision of a hub model.",
            "Give a branch, a tag or a commit, or leave it out.",
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        folder = snapshot_download(
            repo, revision=revision, allow_patterns=list(files), local_files_only=local_files_only
        )
    except GatedRepoError as error:
        raise ModelNotFound(
            f"The hub model {repo!r} asks for an agreement first.",
            f"Accept it at https://huggingface.co/{repo} and log in with `hf auth login`.",
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        at = f" at revision {revision!r}" if revision else ""
        raise ModelNotFound(
            f"There is no hub model {repo!r}{at}.", "Check the spelling, or give a directory."
        ) from error
    except LocalEntryNotFoundError as error:
        at = f" at revision {revision!r}" if revision else ""
        raise ModelNotFound(
            f"The model {repo!r}{at} is not on this computer and could not be downloaded.",
            "Go online once (or unset HF_HUB_OFFLINE), or give the directory of a copy."
            + _other_revisions(repo),
            str(error),
        ) from error
    except Exception as error:  # each version of the hub client has its own network errors
        raise ArtifactError(
            f"The model {repo!r} could not be downloaded.",
            "Check the network and the free disk space, then try again.",
            str(error),
        ) from error
    return Path(folder)


def _other_revisions(repo: str) -> str:
    """A sentence about the revisions of a hub model that are on this computer, if there are any."""
    from huggingface_hub import constants

    snapshots = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "snapshots"
    found = sorted(p.name for p in snapshots.iterdir()) if snapshots.is_dir() else []
    if not found:
        return ""
    return f" This computer has the revision {' and '.join(found)}: use {repo}@{found[-1]}."


# ---------------------------------------------------------------- tensors


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file on the CPU, floats as float32.

    Raises:
        ArtifactError: missing, truncated or corrupt, or a tensor holds NaN or infinity.
    """
    if not path.is_file():
        raise ArtifactError(f"{path} is missing.", COPY_HINT)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactError(
            f"{path} is truncated or corrupt ({path.stat().st_size} bytes).", COPY_HINT, str(error)
        ) from error
    for name, value in tensors.items():
        if value.is_floating_point():
            tensors[name] = value.float()
            if not torch.isfinite(tensors[name]).all():
                raise ArtifactError(f"{path}: {name} holds NaN or infinite values.", COPY_HINT)
    return tensors


def load_network(make: Callable[[], _Network], path: Path, *, config: str = CONFIG) -> _Network:
    """A network with the weights of a file, built only once its shapes are seen to fit.

    A damaged configuration may ask for more memory than there is.

    Args:
        make: builds the network that the configuration describes.
        config: name of the configuration's file, for messages.

    Raises:
        ArtifactError: as :func:`load_weights`.
    """
    tensors = load_tensors(path)
    with torch.device("meta"):
        expected = {name: value.shape for name, value in make().state_dict().items()}
    _check_weights(tensors, expected, path, config)
    network = make()
    network.load_state_dict(tensors)
    return network


def _check_weights(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Sequence[int]], path: Path, config: str
) -> None:
    hint = "The two files must come from the same model. " + COPY_HINT
    check_fit(tensors, expected, f"{path} does not fit {config}", hint)


def load_weights(
    module: nn.Module, path: Path, *, config: str = CONFIG, recomputed: Sequence[str] = ()
) -> None:
    """Fill ``module`` from a safetensors file; names and shapes must match exactly.

    Args:
        config: name of the file that described ``module``, for messages.
        recomputed: endings of the names of buffers that the module computes itself; the file's own
            are ignored.

    Raises:
        ArtifactError: as :func:`load_tensors`, or a mismatch, listing both sides.
    """
    ignored = tuple(recomputed)
    tensors = {k: v for k, v in load_tensors(path).items() if not k.endswith(ignored)}
    state = module.state_dict()
    expected = {name: value.shape for name, value in state.items() if not name.endswith(ignored)}
    _check_weights(tensors, expected, path, config)
    module.load_state_dict(tensors, strict=not ignored)


def check_fit(
    tensors: Mapping[str, Tensor],
    expected: Mapping[str, Sequence[int]],
    complaint: str,
    hint: str,
    *,
    finite: bool = False,
) -> None:
    """Raise :class:`ArtifactError` unless names and shapes are those of a network.

    Args:
        expected: shape of each tensor of the network.
        complaint: beginning of the message; what does not fit follows, all of it in the detail.
        finite: complain of NaN and infinite values too.
    """
    problems = [f"missing {name}" for name in expected if name not in tensors]
    problems += [f"unexpected {name}" for name in tensors if name not in expected]
    for name, shape in expected.items():
        if name in tensors and tuple(tensors[name].shape) != tuple(shape):
            given = list(tensors[name].shape)
            problems.append(f"{name} is {given} in the file, {list(shape)} in the configuration")
        elif name in tensors and finite and not torch.isfinite(tensors[name]).all():
            problems.append(f"{name} holds NaN or infinite values")
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        text = f"{complaint}: {'; '.join(problems[:5])}{more}."
        raise ArtifactError(text, hint, "\n".join(problems))


def load_stats(path: Path, dim: int) -> Stats:
    """``mean`` and ``std`` of a representation of width ``dim``.

    Raises:
        ArtifactError: as :func:`load_tensors`, wrong names or shapes, or a std not above zero.
    """
    tensors = load_tensors(path)
    shapes = {name: list(value.shape) for name, value in sorted(tensors.items())}
    if shapes != {"mean": [dim], "std": [dim]}:
        raise ArtifactError(
            f"{path} holds {shapes}, but the model needs mean [{dim}] and std [{dim}].",
            "The statistics must come from the same model. " + COPY_HINT,
        )
    if not (tensors["std"] > 0).all():
        raise ArtifactError(f"{path}: std must be positive everywhere.", COPY_HINT)
    return Stats(tensors["mean"], tensors["std"])


def verify_checksums(
    folder: Path, config: Mapping[str, Any], *, where: str = CONFIG, skip: Sequence[str] = ()
) -> None:
    """Compare files with the sha256 that ``config.json`` records; files without one pass.

    Args:
        where: name of the configuration file, for messages.
        skip: files to leave alone; one that is used later is better checked then.

    Raises:
        ArtifactError: a file was changed or damaged after it was saved.
    """
    for name, expected in dict(config.get(CHECKSUMS_KEY) or {}).items():
        path = inside(folder, name)
        if name not in skip and (not path.is_file() or sha256_of(path) != expected):
            raise ArtifactError(f"{path} is not the file that {where} was saved with.", COPY_HINT)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# ---------------------------------------------------------------- saving


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], *, dtype: torch.dtype = torch.float32
) -> None:
    """Write a safetensors file whole or not at all, floats as ``dtype``.

    Raises:
        ArtifactError: a value is not finite, or too large for float16.
        OutputError: the file cannot be written.
    """
    ready = {}
    for name, value in tensors.items():
        value = value.detach().cpu().contiguous()
        if value.is_floating_point():
            limit = _HALF_LIMIT if dtype == torch.float16 else float("inf")
            if not (value.abs() < limit).all():
                raise ArtifactError(
                    f"{name} holds NaN, infinite or too large values and was not saved.",
                    "The training diverged; take an earlier state.",
                )
            value = value.to(dtype)
        ready[name] = value.clone()
    with atomic_path(path) as temporary:
        # save_file would make the file readable for its owner only
        temporary.write_bytes(save(ready, metadata={"format": "pt"}))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(
            json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def save_model(
    folder: Path,
    config: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    stats: Stats | None = None,
    *,
    half: bool = False,
    name: str = CONFIG,
    beside: Sequence[str] = (),
) -> Path:
    """Write a model into a folder: weights, statistics, and at last the configuration.

    A folder of a person's choice is made with :func:`.new_folder.new_folder`.

    Args:
        config: plain JSON values.
        weights: state dict.
        half: store the weights as float16 (they are loaded as float32 again).
        name: of the configuration's file.
        beside: further files of the model, which are there already.
    """
    save_tensors(folder / WEIGHTS, weights, dtype=torch.float16 if half else torch.float32)
    files = [WEIGHTS, *beside]
    if stats is not None:
        save_tensors(folder / STATS, {"mean": stats.mean, "std": stats.std})
        files.append(STATS)
    record(folder, config, files, name=name)
    return folder


def record(
    folder: Path,
    config: Mapping[str, Any],
    files: Iterable[str] | None = None,
    *,
    name: str = CONFIG,
) -> None:
    """Write the configuration of a model, last of all, with the sha256 of its other files.

    Args:
        files: their names; whatever is in the folder when None.
    """
    if files is None:
        found = (path for path in folder.rglob("*") if path.is_file())
        files = sorted(path.relative_to(folder).as_posix() for path in found)
    checksums = {file: sha256_of(folder / file) for file in files if file != name}
    write_json(folder / name, {**config, CHECKSUMS_KEY: checksums})
