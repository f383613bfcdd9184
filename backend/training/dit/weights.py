"""Weights of a model with another vocabulary, fitted by name."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ...errors import ArtifactError
from ...pipelines.dit.vocabulary import Vocabulary


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
