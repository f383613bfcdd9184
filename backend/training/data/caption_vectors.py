"""Sentence vectors of training captions by one frozen encoder, kept in a file.

``captions_ENCODER.safetensors`` (``vectors`` ``[K, D]`` float32) and ``captions_ENCODER.json`` (the
K sentences) lie in the dataset folder. Sentences that are not in them are encoded and added.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import FormatError, InvalidRequest
from ...motion.io.atomic import atomic_path
from .dataset import read_arrays, read_json, write_arrays

ENCODERS = ("clip", "minilm")
"""CLIP ViT-B/32 as released; MiniLM where CLIP is not at hand (it comes with Kinetype)."""
CLIP_CONTEXT = 22
"""Tokens that MDM reads of a caption on HumanML3D: 20 and the two marks."""
_BATCH = 256

Encode = Callable[[list[str]], np.ndarray]


@dataclass(frozen=True)
class CaptionVectors:
    """``vectors`` ``[K, D]`` and the row of each sentence."""

    vectors: np.ndarray
    rows: dict[str, int]

    def of(self, captions: Sequence[str]) -> np.ndarray:
        """``[B, D]`` of sentences that are all in it."""
        return self.vectors[[self.rows[c] for c in captions]]


def paths(folder: Path, encoder: str) -> tuple[Path, Path]:
    """The two files of an encoder's vectors."""
    return folder / f"captions_{encoder}.safetensors", folder / f"captions_{encoder}.json"


def load(folder: Path, encoder: str) -> CaptionVectors | None:
    """The vectors that a folder holds; None when it holds none.

    Raises:
        FormatError: the two files do not fit each other.
    """
    arrays_file, sentences_file = paths(folder, encoder)
    if not arrays_file.is_file() or not sentences_file.is_file():
        return None
    sentences, vectors = read_json(sentences_file), read_arrays(arrays_file).get("vectors")
    if vectors is None or vectors.ndim != 2 or len(vectors) != len(sentences):
        raise FormatError(
            f"{arrays_file} does not belong to {sentences_file.name}.", "Delete both files."
        )
    return CaptionVectors(vectors, {text: row for row, text in enumerate(sentences)})


def save(folder: Path, encoder: str, found: CaptionVectors) -> None:
    """Write both files."""
    arrays_file, sentences_file = paths(folder, encoder)
    # the sentences last: a kill between the two leaves files that do not fit and are refused
    write_arrays(arrays_file, {"vectors": found.vectors.astype(np.float32)})
    with atomic_path(sentences_file) as temporary:
        temporary.write_text(json.dumps(list(found.rows)), encoding="utf-8")


def ensure(
    folder: Path,
    encoder: str,
    captions: Sequence[str],
    encode: Callable[[], Encode],
    on_batch: Callable[[int, int], None] | None = None,
) -> CaptionVectors:
    """The vectors of all ``captions``, encoding and storing those that are missing.

    Args:
        encode: makes the encoder; called only when something is missing.
        on_batch: called with (done, total) of the missing ones.
    """
    found = load(folder, encoder)
    known = {} if found is None else found.rows
    missing = sorted({c for c in captions if c not in known}, key=len)
    if not missing:
        assert found is not None
        return found
    run = encode()
    parts = [] if found is None else [found.vectors]
    for start in range(0, len(missing), _BATCH):
        parts.append(run(missing[start : start + _BATCH]))
        if on_batch is not None:
            on_batch(min(start + _BATCH, len(missing)), len(missing))
    order = [*known, *missing]
    found = CaptionVectors(np.concatenate(parts), {text: row for row, text in enumerate(order)})
    save(folder, encoder, found)
    return found


def text_encoder(name: str, *, folder: Path | None = None, offline: bool = False) -> Encode:
    """``encode(captions) -> [B, D]`` of one of :data:`ENCODERS`.

    Args:
        folder: of CLIP's weights and vocabulary; from the hub when None.
        offline: never use the network.
    """
    if name == "clip":
        from ...text.clip import ClipTextEncoder

        clip = ClipTextEncoder.load(folder, local_files_only=offline)
        return lambda captions: clip.encode(captions, context=CLIP_CONTEXT).cpu().numpy()
    if name == "minilm":
        from ...text.minilm import MiniLMEncoder

        minilm = MiniLMEncoder.load(local_files_only=offline)
        return lambda captions: minilm.encode(captions).sentence.cpu().numpy()
    raise InvalidRequest(f"Unknown text encoder {name!r}.", f"Use {' or '.join(ENCODERS)}.")
