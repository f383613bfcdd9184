"""DistilBERT's token states (Sanh et al. 2019): what the decoder releases of MDM read.

In a model's folder its files lie in the sub-folder ``distilbert``; otherwise they are found by name
in the Hugging Face cache, or on the hub where the network may be used.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..errors import Cancelled, KinetypeError, MissingDependency, ModelAbsent
from ..store import hub
from ..store.config_files import read_json
from .bert import CONFIG, WEIGHTS, BertEncoder, encoder_of, load_encoder
from .wordpiece import FILE, PAD, PLAIN, SETTINGS, WordPiece, cut

HUB_ID = "distilbert/distilbert-base-uncased"
FOLDER = "distilbert"
_HUB_FILES = (CONFIG, WEIGHTS, FILE, SETTINGS, PLAIN)
FILES = tuple(f"{FOLDER}/{name}" for name in _HUB_FILES)
"""What a model folder may carry of the encoder."""
_log = logging.getLogger(__name__)


class DistilBertEncoder:
    """Frozen encoder of token states. Build it with :meth:`load`."""

    def __init__(self, net: BertEncoder, words: WordPiece, place: Path) -> None:
        self._net = net
        self._words = words
        self._place = place

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
        place = _inside(folder) or _from_hub(name, local_files_only)
        return cls._of(load_encoder(place), place, device)

    @classmethod
    def from_tensors(
        cls,
        tensors: Mapping[str, Tensor],
        folder: Path,
        *,
        device: str | torch.device | None = None,
    ) -> DistilBertEncoder:
        """The encoder from its tensors, with ``config.json`` and the tokenizer of a folder.

        Raises:
            ArtifactError: they are no DistilBERT, or a file is missing or damaged.
        """
        net = encoder_of(tensors, read_json(folder / CONFIG), str(folder))
        return cls._of(net, folder, device)

    @classmethod
    def _of(
        cls, net: BertEncoder, folder: Path, device: str | torch.device | None
    ) -> DistilBertEncoder:
        words = WordPiece.load(folder)
        words.check_fits(net.size.vocabulary, folder)
        return cls(net.to(device or "cpu"), words, folder)

    @torch.no_grad()
    def encode(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """States of all tokens, as MDM takes them in ``y["text_embed"]``.

        Returns:
            ``[N, B, 768]`` float32 and ``[B, N]`` bool, True on padding.
        """
        if isinstance(captions, str):
            raise TypeError("encode takes a list of captions, not one caption")
        rows = [cut(ids, self._net.size.positions) for ids in self._words.encode(captions)]
        longest = max((len(ids) for ids in rows), default=0)
        pad, device = self._words.vocabulary[PAD], self._net.norm.weight.device
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        real = torch.arange(longest, device=device) < lengths[:, None]
        return self._net(ids, real).permute(1, 0, 2).contiguous(), ~real

    def truncated(self, captions: Sequence[str], context: int | None = None) -> list[bool]:
        """For each caption, whether it is longer than what is read of it."""
        return [len(ids) > self._net.size.positions for ids in self._words.encode(captions)]

    def save(self, folder: str | Path) -> list[str]:
        """Copy the files into the sub-folder ``distilbert``; returns their names."""
        (Path(folder) / FOLDER).mkdir(parents=True, exist_ok=True)
        names = [name for name in _HUB_FILES if (self._place / name).is_file()]
        for name in names:
            shutil.copyfile(self._place / name, Path(folder) / FOLDER / name)
        return [f"{FOLDER}/{name}" for name in names]


def has_weights(folder: Path) -> bool:
    """Whether a folder holds DistilBERT."""
    return _inside(folder) is not None


def _inside(folder: str | Path | None) -> Path | None:
    if folder is None:
        return None
    root = Path(folder).expanduser()
    for place in (root / FOLDER, root):
        weights, config = place / WEIGHTS, place / CONFIG
        if weights.is_file() and config.is_file() and "distilbert" in config.read_text("utf-8"):
            return place
    return None


def _from_hub(name: str, local_files_only: bool) -> Path:
    problem = ""
    try:
        folder = hub.resolve(name, (), optional=_HUB_FILES, local_files_only=local_files_only)
        if (folder / WEIGHTS).is_file():
            return folder
    except (Cancelled, ModelAbsent):
        raise
    except KinetypeError as error:
        problem = error.message
        _log.info("%s is not available from the hub: %s", name, error)
    raise MissingDependency(
        f"This model needs the text encoder {name}, which is not on this computer. {problem}",
        f"Go online once to let it download {name}, or copy that model's folder into the model's "
        f"folder as {FOLDER!r}.",
    )
