"""Where a Kimodo model's text vectors come from.

In this order: what the environment variable :data:`VARIABLE` names; the table and the map in the
model's folder (the map answers what the table lacks); the encoder itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...errors import InvalidRequest
from ...text import minilm
from ...text.vectors.linear_map import LinearMap
from ...text.vectors.prompts import clean_prompt
from ...text.vectors.remote import RemoteVectors
from ...text.vectors.source import FirstThatKnows, VectorSource
from ...text.vectors.table import TableSource, TextTable
from . import folder as kimodo_files

VARIABLE = "KINETYPE_TEXT_VECTORS"
FEATURE = "text"
_FORMS = "table:FILE, map:FILE, llm2vec, llm2vec:FOLDER, llm2vec-int8, or remote:COMMAND"


def small_encoder(*, local_files_only: bool = False) -> MiniLMSentences:
    """The small encoder that maps read."""
    return MiniLMSentences(local_files_only)


class MiniLMSentences:
    """MiniLM's sentence vectors ``[B, 384]``."""

    name = "all-MiniLM-L6-v2"

    def __init__(self, local_files_only: bool = False) -> None:
        self._local = local_files_only

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """See the class."""
        encoder = minilm.shared(local_files_only=self._local)
        return encoder.encode(list(texts)).sentence.cpu()


def find_source(folder: Path | None, width: int, *, local_files_only: bool = False) -> VectorSource:
    """The source of a model's text vectors of ``width`` numbers.

    Raises:
        InvalidRequest: the variable names no source.
        ArtifactError: a file is damaged, or makes vectors of another width.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if named:
        return checked(open_source(named, width, local_files_only=local_files_only), width)
    found: list[VectorSource] = []
    if folder is not None and (folder / kimodo_files.TABLE).is_file():
        found.append(TableSource(TextTable.load(folder / kimodo_files.TABLE), FEATURE, width))
    if folder is not None and (folder / kimodo_files.MAP).is_file():
        found.append(LinearMap.load(folder / kimodo_files.MAP, small_encoder()))
    if not found:
        return checked(open_source("llm2vec", width, local_files_only=local_files_only), width)
    return checked(found[0] if len(found) == 1 else FirstThatKnows(found), width)


def open_source(named: str, width: int, *, local_files_only: bool = False) -> VectorSource:
    """A source by its name: one of table:FILE, map:FILE, llm2vec[:FOLDER], remote:COMMAND."""
    kind, _, rest = named.partition(":")
    if kind == "table" and rest:
        return TableSource(TextTable.load(Path(rest).expanduser()), FEATURE, width)
    if kind == "map" and rest:
        embed = small_encoder(local_files_only=local_files_only)
        return LinearMap.load(Path(rest).expanduser(), embed)
    if kind == "remote" and rest:
        return RemoteVectors(rest)
    if kind in ("llm2vec", "llm2vec-int8"):
        from ...text.vectors.llm2vec import LLM2Vec

        return LLM2Vec.load(
            Path(rest).expanduser() if rest else None,
            precision="int8" if kind.endswith("int8") else "bfloat16",
            device="cuda" if torch.cuda.is_available() else None,
            local_files_only=local_files_only,
        )
    raise InvalidRequest(f"{named!r} is no source of text vectors.", f"Use {_FORMS}.")


def checked(source: VectorSource, width: int) -> VectorSource:
    """The source, if its vectors are as wide as the model reads."""
    if source.width != width:
        raise InvalidRequest(
            f"The text vectors have {source.width} numbers, the model reads {width}.",
            f"Name another source in {VARIABLE}: {_FORMS}.",
        )
    return source


def encode(source: VectorSource, prompts: Sequence[str]) -> Tensor:
    """``[B, width]``; an empty prompt is zeros."""
    out = torch.zeros(len(prompts), source.width)
    for row, prompt in zip(out, prompts, strict=True):
        text = clean_prompt(prompt)
        if text:
            row[:] = source.encode([text])[0]
    return out
