"""Which caption of each test motion the public leaderboards of HumanML3D use.

One caption that describes the whole clip, of 4,042 test motions; the list names each by the hash of
its text, so that it says nothing of the data set's sentences. Captions of 73 motions were corrected
there and are no line of HumanML3D: a file with that one caption is taken, other files are left out.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from .hml3d_items import Caption

PATH = Path(__file__).resolve().parents[1] / "assets" / "protocols" / "selected_captions.json"
_DIGITS = 16


def selected(name: str, captions: Sequence[Caption]) -> tuple[list[Caption], str]:
    """The selected one of a motion's captions, or none and the reason.

    A single caption is taken as it is: somebody chose it already.
    """
    if len(captions) == 1:
        return list(captions), ""
    wanted = _hashes().get(name)
    if wanted is None:
        return [], "no caption of it was selected"
    for caption in captions:
        if hashlib.sha256(caption.text.strip().encode()).hexdigest()[:_DIGITS] == wanted:
            return [caption], ""
    return [], "the selected caption is none of its lines"


@functools.lru_cache(maxsize=1)
def _hashes() -> dict[str, str]:
    found: dict[str, str] = json.loads(PATH.read_text(encoding="utf-8"))["captions"]
    return found
