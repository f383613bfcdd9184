"""What a prompt was found to ask for: the parts, what each word asks, and what stays unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .amounts import Amounts
from .clauses import Link

Status = Literal["known", "near", "unknown"]


@dataclass(frozen=True)
class AskedAction:
    """Words of a prompt that ask for an action, and what the model makes of them.

    Attributes:
        words: as typed ("juggling three balls").
        label: the action that is made ("walk"), "" when the words name none.
        status: known; near: another action than asked for is made; unknown: nothing fits.
        probability: that the words ask for something that has a label at all.
        nearest: labels of the model that come nearest, the nearest first.
        meant: the label that the words ask for where the model lacks it, else "".
    """

    words: str
    label: str
    status: Status
    probability: float
    nearest: tuple[str, ...] = ()
    meant: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "words": self.words,
            "label": self.label,
            "status": self.status,
            "probability": round(self.probability, 3),
            "nearest": list(self.nearest),
            "meant": self.meant,
        }


@dataclass(frozen=True)
class PartReading:
    """One part of a prompt: one action.

    Attributes:
        text: a sentence of its own to condition on; who acts and how is carried over.
        labels: weight 0..1 of each action; empty leaves it to the text.
        styles: weight 0..1 of each manner.
        sides: does it name the left, the right.
        controls: numbers by name, in the units of the model's vocabulary.
        amounts: counts, distances and factors as read.
        still: limbs that are not to move: arms, left_arm, right_arm, legs, head.
        denied: labels that the prompt says are not done.
        link: "with" happens at the same time as the part before it.
        asked: the words that ask, and what became of them.
    """

    text: str
    labels: Mapping[str, float] = field(default_factory=dict)
    styles: Mapping[str, float] = field(default_factory=dict)
    sides: tuple[bool, bool] = (False, False)
    controls: Mapping[str, float] = field(default_factory=dict)
    amounts: Amounts = field(default_factory=Amounts)
    still: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    link: Link = "then"
    asked: AskedAction | None = None

    @property
    def label(self) -> str:
        """The action with the most weight, "" when the text decides."""
        return max(self.labels, key=lambda name: self.labels[name], default="")


@dataclass(frozen=True)
class Reading:
    """A whole prompt.

    Attributes:
        prompt: as typed.
        parts: in the order of time.
        corrections: misspelt words and what they were read as.
    """

    prompt: str
    parts: tuple[PartReading, ...]
    corrections: tuple[tuple[str, str], ...] = ()

    @property
    def unknown(self) -> tuple[AskedAction, ...]:
        """Everything asked for that is not made as asked."""
        asked = (part.asked for part in self.parts)
        return tuple(a for a in asked if a is not None and a.status != "known")

    @property
    def segments(self) -> list[list[PartReading]]:
        """Parts that follow each other; those of one segment happen together."""
        groups: list[list[PartReading]] = []
        for part in self.parts:
            if part.link == "with" and groups:
                groups[-1].append(part)
            else:
                groups.append([part])
        return groups
