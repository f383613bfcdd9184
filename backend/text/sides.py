"""Which sides a text names: sentence encoders blur "left" and "right", animators do not.

On the starter captions a linear probe tells "left hand" from "right hand" in MiniLM's sentence
vector only nine times out of ten, so models may take these two flags beside it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

_LEFT = re.compile(r"\bleft(?!over)", re.IGNORECASE)
_RIGHT = re.compile(r"(?<!\ball )\bright(?! (?:away|now|ahead|on|after)\b)(?!eous)", re.IGNORECASE)


def named_sides(texts: Sequence[str]) -> Tensor:
    """``[B, 2]`` float32: does each text name the left, the right (1 or 0)?

    "leftward" and "right-handed" count; "right away" and "upright" do not.

    >>> named_sides(["turn left", "raise the right hand", "walk right away"]).tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    """
    flags = [[bool(_LEFT.search(t)), bool(_RIGHT.search(t))] for t in texts]
    return torch.tensor(flags, dtype=torch.float32).reshape(len(flags), 2)
