"""The text tokenizer of MotionGPT: FLAN-T5's sentence pieces and one token per motion code.

Read from ``tokenizer.json`` with the Rust library directly: what the Python wrappers around it do
to added tokens and to spaces has changed between their versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ArtifactError, MissingDependency
from .motion_prompts import MOTION_TOKENS
from .panics import panics_are_errors

MAX_TOKENS = 256
"""Longest prompt, its end mark included; what is beyond is cut."""
SPECIAL = {"<pad>": 0, "</s>": 1, "<unk>": 2}
TOKENIZER = "tokenizer.json"
_HINT = "It must be the tokenizer.json of FLAN-T5-base, as the model was published with."
_CLEAN_UP = (
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"),
    (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
)  # fmt: skip


@dataclass(frozen=True)
class EncodedPrompts:
    """Prompts as the language model takes them.

    Attributes:
        ids: ``[B, S]`` int64, padded with 0 to the longest.
        mask: ``[B, S]`` bool, True on real tokens.
        truncated: per prompt, whether its end was cut off.
    """

    ids: Tensor
    mask: Tensor
    truncated: tuple[bool, ...]


class MotionTextTokenizer:
    """Prompts to ids and back. Build it with :meth:`load`."""

    def __init__(self, tokenizer: Any) -> None:
        self.text_tokens: int = tokenizer.get_vocab_size(with_added_tokens=True)
        """Tokens before the motion tokens: token ``<motion_id_i>`` is ``text_tokens + i``."""
        self._tokenizer = tokenizer
        tokenizer.add_tokens(list(MOTION_TOKENS))
        tokenizer.no_padding()
        tokenizer.no_truncation()

    @classmethod
    def load(cls, path: Path) -> MotionTextTokenizer:
        """Read a ``tokenizer.json``.

        Raises:
            MissingDependency: the package ``tokenizers`` is not installed.
            ArtifactError: missing, unreadable, or not a T5 tokenizer without motion tokens.
        """
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingDependency(
                "MotionGPT's text needs the package tokenizers.",
                "Install it with: python -m pip install tokenizers",
            ) from error
        if not path.is_file():
            raise ArtifactError(f"{path} is missing.", _HINT)
        try:
            with panics_are_errors():
                tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the Rust library raises plain Exception
            raise ArtifactError(f"{path} cannot be read: {error}.", _HINT) from error
        found = {token: tokenizer.token_to_id(token) for token in SPECIAL}
        if found != SPECIAL:
            raise ArtifactError(f"{path} is no T5 tokenizer: its marks are {found}.", _HINT)
        if tokenizer.token_to_id(MOTION_TOKENS[0]) is not None:
            raise ArtifactError(f"{path} has the motion tokens already.", _HINT)
        return cls(tokenizer)

    def __len__(self) -> int:
        """All tokens, the motion tokens included."""
        return self.text_tokens + len(MOTION_TOKENS)

    def save(self, path: Path) -> None:
        """Write the ``tokenizer.json`` that :meth:`load` reads (without the motion tokens)."""
        import json

        from ..motion.io.atomic import atomic_path

        values = json.loads(self._tokenizer.to_str())
        values["added_tokens"] = [
            token for token in values["added_tokens"] if token["id"] < self.text_tokens
        ]
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")

    def encode(self, prompts: Sequence[str], limit: int = MAX_TOKENS) -> EncodedPrompts:
        """Prompts to ids with the end mark; longer ones keep it and lose what stands before."""
        with panics_are_errors():
            found = [encoding.ids for encoding in self._tokenizer.encode_batch(list(prompts))]
        cut = [ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]] for ids in found]
        width = max((len(ids) for ids in cut), default=0)
        padded = torch.tensor([ids + [0] * (width - len(ids)) for ids in cut], dtype=torch.long)
        lengths = torch.tensor([len(ids) for ids in cut])
        mask = torch.arange(width)[None, :] < lengths[:, None]
        return EncodedPrompts(padded, mask, tuple(len(ids) > limit for ids in found))

    def decode(self, ids: Sequence[int], *, clean_up: bool = True) -> str:
        """Ids to text; pad, end and sentinel marks vanish, motion tokens stay as words.

        Args:
            clean_up: close the gaps before punctuation, as published captions were.
        """
        with panics_are_errors():
            text = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        if clean_up:
            for gap, closed in _CLEAN_UP:
                text = text.replace(gap, closed)
        return text
