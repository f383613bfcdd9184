"""The words of BERT (Devlin et al. 2019): texts to token ids, uncased unless the folder says so.

The vocabulary is read here, as plain JSON or text, and only its words reach the Rust library: a
damaged ``tokenizer.json`` of its own format would make that library panic.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ..errors import ArtifactError, MissingDependency
from ..store.config_files import read_json

FILE, PLAIN, SETTINGS = "tokenizer.json", "vocab.txt", "tokenizer_config.json"
PAD, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
_LONGEST_WORD = 100
"""Letters of a word beyond which it counts as unknown."""
_MAX_BYTES = 20_000_000
_HINT = "Copy or download the text encoder again."


class WordPiece:
    """Token ids between the start and the end mark. Build it with :meth:`load`."""

    def __init__(self, vocabulary: dict[str, int], *, lower: bool = True) -> None:
        try:
            from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
        except ImportError as error:
            raise MissingDependency(
                "The text encoder needs the package tokenizers.",
                "Install it with: python -m pip install tokenizers",
            ) from error
        self.vocabulary = vocabulary
        self._start, self._end = vocabulary[START], vocabulary[END]
        model = models.WordPiece(
            vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=_LONGEST_WORD
        )
        self._tokenizer = Tokenizer(model)
        self._tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
        self._tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._tokenizer.add_special_tokens([PAD, UNKNOWN, START, END, MASK])

    @classmethod
    def load(cls, folder: Path) -> WordPiece:
        """Read ``tokenizer.json`` or, where there is none, ``vocab.txt``.

        Raises:
            MissingDependency: the package ``tokenizers`` is not installed.
            ArtifactError: no vocabulary is there, or it is damaged.
        """
        path = next((folder / n for n in (FILE, PLAIN) if (folder / n).is_file()), None)
        if path is None:
            raise ArtifactError(f"{folder} lacks {FILE} or {PLAIN}.", _HINT)
        words = _read(path)
        if not {PAD, UNKNOWN, START, END, MASK} <= words.keys():
            raise ArtifactError(f"{path} holds no vocabulary of BERT.", _HINT)
        settings = folder / SETTINGS
        lower = read_json(settings).get("do_lower_case") if settings.is_file() else True
        return cls(words, lower=lower is not False)

    def check_fits(self, rows: int, where: Path) -> None:
        """:class:`ArtifactError` if a word lies beyond the ``rows`` of a network's table."""
        if max(self.vocabulary.values()) >= rows:
            raise ArtifactError(
                f"{where}: the vocabulary has more words than the network ({rows}).",
                "Both must come from the same encoder. " + _HINT,
            )

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text with both marks; nothing is cut."""
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [[self._start, *encoding.ids, self._end] for encoding in found]


def cut(ids: list[int], limit: int) -> list[int]:
    """The beginning of a text of more than ``limit`` tokens, closed by its end mark."""
    return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]


def _read(path: Path) -> dict[str, int]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("it is far too large")
        text = path.read_text(encoding="utf-8")
        if path.name == PLAIN:
            return {word: row for row, word in enumerate(text.removesuffix("\n").split("\n"))}
        words = json.loads(text)["model"]["vocab"].items()
        if not all(type(row) is int and row >= 0 for _, row in words):
            raise ValueError("a row of its vocabulary is no number")
        return dict(words)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.", _HINT) from error
