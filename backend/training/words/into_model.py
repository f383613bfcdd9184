"""Words for a model folder: trained for it, or those that come with Kinetype."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from ...errors import FormatError, InvalidRequest
from ...pipelines.dit.vocabulary import FILE as VOCABULARY
from ...pipelines.dit.vocabulary import Vocabulary
from ...pipelines.family import ASSETS
from ...store import model_folder
from ...text import minilm
from ...text.prompts.action_words import WORDS_FILES, ActionWords, with_known
from .train import WordsConfig, train_words

BUNDLED = ASSETS / "starter"
"""The model whose words know every label of the phrase bank."""


def teach(
    model: Path, captions: Path | None, known: Sequence[str] | None, *, seed: int = 0
) -> ActionWords:
    """Train words on the phrase bank and on captions, and write them into a model folder.

    Args:
        model: its ``config.json`` records their checksums.
        captions: a ``captions.json`` of described clips (``detail`` and ``captions`` of each).
        known: labels that the model can make; those of its vocabulary when None.

    Raises:
        InvalidRequest: no labels are named and the folder has no vocabulary.
        FormatError: the captions cannot be read.
        ArtifactError: the folder is no model.
    """
    config = model_folder.read_json(model / model_folder.CONFIG)
    if known is None:
        if not (model / VOCABULARY).is_file():
            raise InvalidRequest(
                f"{model} has no {VOCABULARY}.", "Name the labels that it can make with --known."
            )
        known = [label.name for label in Vocabulary.load(model).labels]
    texts = None if captions is None else captions_by_label(captions)
    words = train_words(texts, known, minilm.shared(), WordsConfig(seed=seed))
    words.save(model)
    sums = {name: model_folder.sha256_of(model / name) for name in WORDS_FILES}
    config[model_folder.CHECKSUMS_KEY] = {**config.get(model_folder.CHECKSUMS_KEY, {}), **sums}
    model_folder.write_json(model / model_folder.CONFIG, config)
    return words


def bundled_words(labels: Collection[str]) -> ActionWords | None:
    """The words that come with Kinetype, for a model that can make ``labels``.

    None where they lack one of the labels: such a model needs words of its own (:func:`teach`).
    """
    words = ActionWords.load(BUNDLED)
    return with_known(words, sorted(labels)) if set(labels) <= set(words.labels) else None


def captions_by_label(path: Path) -> dict[str, list[str]]:
    """Label to sentences of a ``captions.json`` of described clips.

    Raises:
        FormatError: it is something else.
    """
    found: dict[str, list[str]] = {}
    try:
        for clip in json.loads(path.read_text(encoding="utf-8")).values():
            found.setdefault(str(clip["detail"]), []).extend(map(str, clip["captions"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(
            f"{path} holds no captions of clips ({error}).",
            "Give the captions.json that 'kinetype train data --clips' reads.",
        ) from error
    return found
