"""How Kimodo writes a prompt before it is encoded: one form for many ways to type it."""

from __future__ import annotations

import re

_END = ".!?"
_KEPT_END = set(".!?\"])'")
_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=\w)|(?<=[.!?])(?=[^\W\d])")


def clean_prompt(text: str) -> str:
    """The prompt as the model was trained to read it; "" where it has no letter or digit.

    White space is collapsed, what stands before the first letter or digit goes, the first letter
    is a capital and all others small, stray signs at the end go, a full stop closes it, and each
    further sentence begins with a space and a capital.
    """
    text = " ".join(text.split())
    first = next((i for i, c in enumerate(text) if c.isalnum()), None)
    if first is None:
        return ""
    text = text[first:].capitalize()
    while not (text[-1].isalnum() or text[-1] in _KEPT_END):
        text = text[:-1]
    if text[-1] not in _END:
        text += "."
    sentences = [s for s in _SENTENCES.split(text) if s]
    return " ".join(s[0].upper() + s[1:] for s in sentences)
