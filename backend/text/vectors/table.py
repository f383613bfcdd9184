"""A file of text features made once where the encoder runs, and read anywhere.

One safetensors file: for each feature its rows of all texts one after the other (float16) and how
many belong to each text; the texts themselves stand in the header. 5,000 prompts of one 4,096-wide
vector take 40 MB.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ...errors import ArtifactError, InvalidRequest
from ...motion.io.atomic import atomic_path

FORMAT = "kinetype-text-table-1"
COUNTS = ".rows"
"""Ending of the name of the tensor that counts the rows of a feature."""
NEAREST = 3
_HINT = "Make it again with kinetype text-vectors table."


@dataclass(frozen=True)
class TextTable:
    """Features of known texts.

    Attributes:
        texts: as they were typed; encoder: what made the features.
        features: name to its rows ``[sum of counts, width]`` and counts ``[N]``.
    """

    texts: tuple[str, ...]
    encoder: str
    features: Mapping[str, tuple[Tensor, Tensor]]
    _places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {key_of(text): index for index, text in enumerate(self.texts)}
        object.__setattr__(self, "_places", places)

    @classmethod
    def make(
        cls, texts: Sequence[str], encoder: str, encode: Callable[[str], Mapping[str, Tensor]]
    ) -> TextTable:
        """The table of ``texts``; ``encode`` gives each feature's rows ``[n, width]`` of one."""
        unique = list({key_of(text): text for text in texts if key_of(text)}.values())
        if not unique:
            raise InvalidRequest("There is no text to encode.", "Give one prompt a line.")
        made = [encode(text) for text in unique]
        features = {
            name: (
                torch.cat([one[name] for one in made]).half(),
                torch.tensor([len(one[name]) for one in made], dtype=torch.int32),
            )
            for name in made[0]
        }
        return cls(tuple(unique), encoder, features)

    def __getitem__(self, text: str) -> dict[str, Tensor]:
        """Rows of each feature of a text, float32.

        Raises:
            InvalidRequest: it is not in the table; the message offers the nearest entries.
        """
        place = self._places.get(key_of(text))
        if place is None:
            near = "; ".join(repr(each) for each in self.nearest(text))
            raise InvalidRequest(
                f"The table of text vectors does not hold {text[:80]!r}.",
                f"The nearest of its {len(self.texts)} prompts: {near}. Use one of them, or add "
                "yours where the encoder runs (kinetype text-vectors table).",
            )
        out = {}
        for name, (rows, counts) in self.features.items():
            start = int(counts[:place].sum())
            out[name] = rows[start : start + int(counts[place])].float()
        return out

    def nearest(self, text: str, count: int = NEAREST) -> list[str]:
        """The entries that read most like a text, best first."""
        wanted = set(key_of(text).split())

        def likeness(entry: str) -> float:
            words = set(key_of(entry).split())
            shared = len(wanted & words) / max(1, len(wanted | words))
            spelt = difflib.SequenceMatcher(None, key_of(text), key_of(entry)).ratio()
            return shared + 0.5 * spelt

        return sorted(self.texts, key=likeness, reverse=True)[:count]

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        tensors = {}
        for name, (rows, counts) in self.features.items():
            tensors[name], tensors[name + COUNTS] = rows.contiguous(), counts
        header = {"format": FORMAT, "encoder": self.encoder, "texts": json.dumps(self.texts)}
        with atomic_path(path) as temporary:
            temporary.write_bytes(save(tensors, metadata=header))

    @classmethod
    def load(cls, path: Path) -> TextTable:
        """Read a file of :meth:`save`.

        Raises:
            ArtifactError: missing, damaged, or none of ours.
        """
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            texts = json.loads(header.get("texts", "null"))
        except (SafetensorError, OSError, ValueError, RecursionError) as error:
            raise ArtifactError(f"{path} is no table of text vectors: {error}.", _HINT) from error
        names = [name for name in tensors if not name.endswith(COUNTS)]
        good = header.get("format") == FORMAT and isinstance(texts, list) and bool(names)
        features = {}
        for name in names if good else ():
            rows, counts = tensors[name], tensors.get(name + COUNTS)
            good = good and counts is not None and counts.shape == (len(texts),)
            if good and counts is not None:
                good = rows.dim() == 2 and int(counts.min()) >= 0 and int(counts.sum()) == len(rows)
                features[name] = (rows, counts)
        if not good or not all(isinstance(text, str) for text in texts):
            raise ArtifactError(f"{path} is no table of text vectors.", _HINT)
        return cls(tuple(texts), str(header.get("encoder", "")), features)


def key_of(text: str) -> str:
    """What two spellings of one prompt have in common: letters' case, spaces and the last stop."""
    return " ".join(text.casefold().split()).rstrip(" .!?")


class TableSource:
    """A :class:`.source.VectorSource` of one feature with a single row a text."""

    name = "table"

    def __init__(self, table: TextTable, feature: str, width: int) -> None:
        rows = table.features.get(feature)
        if rows is None or rows[0].shape[1] != width:
            raise ArtifactError(
                f"The table of text vectors holds no {feature!r} of {width} numbers.", _HINT
            )
        self.table, self.feature, self.width = table, feature, width

    def encode(self, texts: Sequence[str]) -> Tensor:
        """See :class:`.source.VectorSource`."""
        return torch.stack([self.table[text][self.feature][0] for text in texts])
