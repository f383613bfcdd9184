"""What keeps a run of days alive: older states, refused steps, weights that fit by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import ArtifactError
from ...pipelines.dit.vocabulary import Vocabulary
from ..run import STATE

KEPT_STATES = 3
MOST_BAD_STEPS = 20


class TooManyBadSteps:
    """Skips steps whose loss or gradient is not finite, and stops a run that has only such."""

    def __init__(self) -> None:
        self.running = 0

    def unless(self, finite: bool) -> bool:
        """Whether the step may be made; :class:`ArtifactError` after too many in a row."""
        self.running = 0 if finite else self.running + 1
        if self.running > MOST_BAD_STEPS:
            raise ArtifactError(
                f"{MOST_BAD_STEPS} steps in a row had no finite gradient.",
                "Resume from the last state with a lower learning rate, or in fp32.",
            )
        return finite

    @staticmethod
    def check_weights(weights: Mapping[str, Tensor]) -> None:
        """:class:`ArtifactError` where a weight is not finite."""
        for name, value in weights.items():
            if not bool(torch.isfinite(value).all()):
                raise ArtifactError(
                    f"The weights of {name} are not finite; they are not saved.",
                    "Resume from the last state with a lower learning rate.",
                )


def keep_older(run: Path) -> None:
    """Rename ``state.pt`` to ``state-1.pt``, that to ``state-2.pt``, ...; the oldest goes."""
    for age in range(KEPT_STATES - 1, 0, -1):
        younger = run / (STATE if age == 1 else f"state-{age - 1}.pt")
        if age == 1 and younger.is_file():
            # a copy by link: there is always a state.pt, even if the save fails
            older = run / "state-1.pt"
            older.unlink(missing_ok=True)
            os.link(younger, older)
        elif younger.is_file():
            younger.replace(run / f"state-{age}.pt")


def rows_by_name(
    net: nn.Module, weights: Mapping[str, Tensor], theirs: Vocabulary, ours: Vocabulary
) -> None:
    """Load the weights of a model with another vocabulary: names that both have keep their rows.

    Raises:
        ArtifactError: another network, or numbers that are not ours.
    """
    if [c.name for c in theirs.controls] != [c.name for c in ours.controls]:
        raise ArtifactError(
            "The model to start from was trained with other controls.",
            "Start anew, or make the dataset with the version that made the model.",
        )
    fitted = dict(weights)
    for name, old, new in (
        ("wishes.labels.weight", theirs.label_index, ours.label_index),
        ("wishes.styles.weight", theirs.style_index, ours.style_index),
    ):
        if name not in fitted:
            continue
        columns = net.state_dict()[name].clone()
        for word, column in new.items():
            if word in old:
                columns[:, column] = fitted[name][:, old[word]].to(columns.dtype)
        fitted[name] = columns
    try:
        net.load_state_dict(fitted)
    except RuntimeError as error:
        raise ArtifactError(
            f"The model to start from is another network ({error}).",
            "Start from a model with the same configuration.",
        ) from error
