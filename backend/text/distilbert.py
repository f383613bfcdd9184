"""DistilBERT's token states (Sanh et al. 2019): what the decoder releases of MDM read.

In a model's folder its files lie in the sub-folder ``distilbert``; otherwise they are found by name
in the Hugging Face cache, or on the hub where the network may be used.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ArtifactError, MissingDependency
from ..store.model_folder import sha256_of
from .panics import panics_are_errors

HUB_ID = "distilbert/distilbert-base-uncased"
FOLDER = "distilbert"
_HUB_FILES = ("config.json", "model.safetensors", "tokenizer*.json", "vocab.txt")
FILES = tuple(f"{FOLDER}/{name}" for name in _HUB_FILES)
"""Patterns of what a model folder may carry of the encoder."""
_log = logging.getLogger(__name__)


class DistilBertEncoder:
    """Frozen encoder of token states. Build it with :meth:`load`."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model.float().eval().requires_grad_(False)
        self._tokenizer = tokenizer

    @classmethod
    def load(
        cls,
        folder: str | Path | None = None,
        *,
        name: str = HUB_ID,
        device: str | torch.device | None = None,
        local_files_only: bool = False,
    ) -> DistilBertEncoder:
        """Load from a model's folder, else by name.

        Args:
            folder: a model folder with the sub-folder ``distilbert``, that sub-folder, or None.

        Raises:
            MissingDependency: the files are nowhere on this computer and may not be fetched.
            ArtifactError: they are there but damaged.
        """
        try:
            from transformers import AutoTokenizer, DistilBertModel
        except ImportError as error:
            raise MissingDependency(
                "DistilBERT needs the package transformers.",
                "Install it with: python -m pip install transformers",
            ) from error
        place = _inside(folder)
        if place is None:
            place = _from_hub(name, local_files_only)
        try:
            with panics_are_errors():
                tokenizer = AutoTokenizer.from_pretrained(
                    place, local_files_only=True, trust_remote_code=False
                )
            with _quiet():
                model, told = DistilBertModel.from_pretrained(
                    place,
                    local_files_only=True,
                    dtype=torch.float32,
                    use_safetensors=True,
                    output_loading_info=True,
                )
        except Exception as error:  # transformers raises many kinds for a damaged folder
            raise ArtifactError(
                f"The DistilBERT in {place} cannot be loaded.",
                "Copy or download it again.",
                str(error),
            ) from error
        _check_weights(model, told, place)
        return cls(model.to(device or "cpu"), tokenizer)

    @torch.no_grad()
    def encode(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """States of all tokens, as MDM takes them in ``y["text_embed"]``.

        Returns:
            ``[N, B, 768]`` float32 and ``[B, N]`` bool, True on padding.
        """
        if isinstance(captions, str):
            raise TypeError("encode takes a list of captions, not one caption")
        tokens = self._tokenizer(list(captions), return_tensors="pt", padding=True, truncation=True)
        device = self._model.device
        ids, mask = tokens["input_ids"].to(device), tokens["attention_mask"].to(device)
        states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        return states.permute(1, 0, 2).contiguous(), ~mask.bool()

    def truncated(self, captions: Sequence[str], context: int | None = None) -> list[bool]:
        """For each caption, whether it is longer than what is read of it."""
        limit = self._model.config.max_position_embeddings
        return [len(ids) > limit for ids in self._tokenizer(list(captions))["input_ids"]]

    def save(self, folder: str | Path) -> dict[str, str]:
        """Write the sub-folder ``distilbert``; returns the sha256 of every file by name."""
        place = Path(folder) / FOLDER
        with _quiet():
            self._model.save_pretrained(place)
            self._tokenizer.save_pretrained(place)
        for path in place.iterdir():  # weights are written for their owner only
            path.chmod((place / "config.json").stat().st_mode)
        return {f"{FOLDER}/{path.name}": sha256_of(path) for path in sorted(place.iterdir())}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's bars, and its report on the language head that is left out here."""
    from transformers.utils import logging as told

    level, bars = told.get_verbosity(), told.is_progress_bar_enabled()
    told.set_verbosity_error()
    told.disable_progress_bar()
    try:
        yield
    finally:
        told.set_verbosity(level)
        if bars:
            told.enable_progress_bar()


def _check_weights(model: Any, told: Mapping[str, Any], place: Path) -> None:
    """:class:`ArtifactError` where weights are missing (random ones stand in) or not finite."""
    problems = [f"missing {name}" for name in sorted(told["missing_keys"])]
    problems += [f"{entry[0]} has another shape" for entry in told.get("mismatched_keys") or ()]
    problems += [
        f"{name} holds NaN or infinite values"
        for name, value in model.state_dict().items()
        if not torch.isfinite(value).all()
    ]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ArtifactError(
            f"The DistilBERT in {place} cannot be used: {'; '.join(problems[:5])}{more}.",
            f"Take the files of {HUB_ID}.",
        )


def has_weights(folder: Path) -> bool:
    """Whether a folder holds DistilBERT."""
    return _inside(folder) is not None


def _inside(folder: str | Path | None) -> Path | None:
    if folder is None:
        return None
    root = Path(folder).expanduser()
    for place in (root / FOLDER, root):
        weights, config = place / "model.safetensors", place / "config.json"
        if weights.is_file() and config.is_file() and "distilbert" in config.read_text("utf-8"):
            return place
    return None


def _from_hub(name: str, local_files_only: bool) -> Path:
    problem = ""
    try:
        from huggingface_hub import snapshot_download

        folder = snapshot_download(
            name, allow_patterns=list(_HUB_FILES), local_files_only=local_files_only
        )
        if (Path(folder) / "model.safetensors").is_file():
            return Path(folder)
    except Exception as error:  # each version of the hub client has its own errors
        problem = str(error)
        _log.info("%s is not available from the hub: %s", name, error)
    raise MissingDependency(
        f"This model needs the text encoder {name}, which is not on this computer.",
        f"Go online once to let it download {name}, or copy that model's folder into the model's "
        f"folder as {FOLDER!r}.",
        problem,
    )
