"""CLIP's tokens: byte-pair encoding of lower-cased text (Radford et al. 2021).

Three kinds of files hold the same vocabulary: Hugging Face's ``tokenizer.json``, its older
``vocab.json`` + ``merges.txt``, and OpenAI's ``bpe_simple_vocab_16e6.txt.gz``.
"""

from __future__ import annotations

import gzip
import html
import json
import re
import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ArtifactError, MissingDependency
from ..motion.io.atomic import atomic_path
from .panics import panics_are_errors

START, END = "<|startoftext|>", "<|endoftext|>"
WHOLE = "tokenizer.json"
VOCABULARY, MERGES = "vocab.json", "merges.txt"
OPENAI = "bpe_simple_vocab_16e6.txt.gz"
KINDS = ((WHOLE,), (VOCABULARY, MERGES), (OPENAI,))
FILES = (WHOLE, VOCABULARY, MERGES, OPENAI)
BUNDLED = Path(__file__).resolve().parents[1] / "assets" / "clip_vocabulary"
"""CLIP's own vocabulary, which ships with Kinetype (MIT, see its README)."""
BUNDLED_SIZE = 49408
MAX_MERGES_BYTES = 50_000_000
_OPENAI_MERGES = 49152 - 256 - 2
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_COPY_HINT = "Copy or download the text encoder again."
_SINGLE_QUOTES, _DOUBLE_QUOTES = "\u02bc\u2018\u2019\u201a\u201b", "\u201c\u201d\u201e\u201f"
_PLAIN_QUOTES = str.maketrans(
    {**dict.fromkeys(_SINGLE_QUOTES, "'"), **dict.fromkeys(_DOUBLE_QUOTES, '"')}
)
_OTHER_FORMS = re.compile("[\uff01-\uff5e\ufb00-\ufb06\u3000]+")
"""Letters of full width and ligatures."""


class ClipTokens:
    """Texts to token ids. Build it with :meth:`load`."""

    def __init__(self, tokenizer: Any, files: Sequence[Path], where: str) -> None:
        start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
        if start is None or end is None:
            raise ArtifactError(f"{where} lacks the token {START} or {END}.", _COPY_HINT)
        if end != tokenizer.get_vocab_size() - 1:
            raise ArtifactError(f"{where}: {END} must be the last token.", _COPY_HINT)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._files = tuple(files)
        self.start: int = start
        self.end: int = end

    @classmethod
    def found_in(cls, folder: Path) -> bool:
        """Whether a folder holds a vocabulary."""
        return any(all((folder / name).is_file() for name in kind) for kind in KINDS)

    @classmethod
    def load(cls, folder: Path) -> ClipTokens:
        """Read the vocabulary of a folder.

        Raises:
            MissingDependency: the package ``tokenizers`` is not installed.
            ArtifactError: no vocabulary there, or a damaged one.
        """
        kind = next((k for k in KINDS if all((folder / n).is_file() for n in k)), None)
        if kind is None:
            wanted = ", or ".join(" + ".join(names) for names in KINDS)
            raise ArtifactError(f"{folder} holds no CLIP vocabulary.", f"It needs {wanted}.")
        files = [folder / name for name in kind]
        where = str(files[0])
        try:
            with panics_are_errors():
                return cls(_read(files), files, where)
        except ImportError as error:
            raise MissingDependency(
                "The CLIP text encoder needs the package tokenizers.",
                "Install it with: python -m pip install tokenizers",
            ) from error
        except (ArtifactError, MissingDependency):
            raise
        except Exception as error:  # the tokenizers package raises bare Exception
            raise ArtifactError(
                f"The CLIP vocabulary {where} cannot be read.", _COPY_HINT, str(error)
            ) from error

    @property
    def size(self) -> int:
        """Number of tokens."""
        return int(self._tokenizer.get_vocab_size())

    def words(self, text: str) -> list[int]:
        """Token ids of a text of any length, without start and end marks."""
        clean = re.sub(r"\s+", " ", html.unescape(html.unescape(_plain(text)))).strip().lower()
        with panics_are_errors():
            return list(self._tokenizer.encode(clean, add_special_tokens=False).ids)

    def encode(self, texts: Sequence[str], context: int, width: int) -> tuple[Tensor, list[bool]]:
        """Rows of ids with start and end marks.

        Args:
            context: at most so many tokens a text, marks included; longer ones are cut.
            width: columns; zeros fill the rest.

        Returns:
            ``[B, width]`` int64, and for each text whether it was cut.
        """
        ids = torch.zeros(len(texts), width, dtype=torch.int64)
        cut = []
        for row, text in enumerate(texts):
            words = self.words(text)
            kept = [self.start, *words[: context - 2], self.end]
            ids[row, : len(kept)] = torch.tensor(kept)
            cut.append(len(words) > context - 2)
        return ids, cut

    def save(self, folder: Path) -> list[str]:
        """Copy the vocabulary's files into a folder; returns their names."""
        for path in self._files:
            target = folder / path.name
            if path.resolve() != target.resolve():
                with atomic_path(target) as temporary:
                    shutil.copyfile(path, temporary)
        return [path.name for path in self._files]


def _plain(text: str) -> str:
    """Typed in a word processor or not, a caption reads the same, as in OpenAI's own cleaning.

    Quotes become straight, full-width letters and ligatures plain; OpenAI's (the package ftfy) also
    repairs text that was decoded wrongly, which is left as it is here.
    """
    straight = text.translate(_PLAIN_QUOTES)
    return _OTHER_FORMS.sub(lambda part: unicodedata.normalize("NFKC", part[0]), straight)


def _read(files: Sequence[Path]) -> object:
    from tokenizers import Tokenizer

    name = files[0].name
    if name == WHOLE:
        return Tokenizer.from_file(str(files[0]))
    if name == VOCABULARY:
        vocabulary = json.loads(files[0].read_text(encoding="utf-8"))
        if not isinstance(vocabulary, dict):
            raise ArtifactError(f"{files[0]} must hold a JSON object.", _COPY_HINT)
        lines = files[1].read_text(encoding="utf-8").splitlines()
        return _build(
            vocabulary, _merges(lines[1:] if lines[:1] and "#version" in lines[0] else lines)
        )
    with gzip.open(files[0], "rb") as stream:
        text = stream.read(MAX_MERGES_BYTES).decode("utf-8")
    merges = _merges(text.splitlines()[1 : _OPENAI_MERGES + 1])
    letters = _byte_letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += ["".join(pair) for pair in merges] + [START, END]
    return _build({word: index for index, word in enumerate(words)}, merges)


def _merges(lines: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [tuple(line.split()) for line in lines if line.strip()]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def _byte_letters() -> list[str]:
    """OpenAI's printable letter for each of the 256 bytes, in the order of its vocabulary."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(b) for b in plain] + [chr(256 + index) for index in range(len(others))]


def _build(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> object:
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    tokenizer = Tokenizer(
        BPE(
            vocab=vocabulary,
            merges=merges,
            end_of_word_suffix="</w>",
            unk_token=END if END in vocabulary else None,
        )
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer
