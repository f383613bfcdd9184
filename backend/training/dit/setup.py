"""A run put together: dataset folder, statistics and vocabulary to the stream of batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import ArtifactError
from ...pipelines.dit.vocabulary import FILE as VOCABULARY
from ...pipelines.dit.vocabulary import Vocabulary
from ...store.model_folder import STATS, load_stats
from ..data import text_cache
from ..data.batches import BatchSampler, feature_statistics
from ..data.conditioned import ConditionedSampler
from ..data.dataset import MotionDataset
from ..run import STATE, load_state

if TYPE_CHECKING:
    from .recipe import TrainConfig


def sampler_for(
    config: TrainConfig, data: Path, run: Path, *, init: Path | None = None, resume: bool = False
) -> tuple[TrainConfig, BatchSampler]:
    """The batches of a run, and the configuration with the sizes of the data's vocabulary.

    Statistics and the scales of controls are those that the weights were trained with: of the run
    that is resumed, or of the model to start from, else of the data.

    Raises:
        ArtifactError: a state or model that cannot be read, or a vocabulary that does not fit.
        FormatError: the dataset cannot be read.
    """
    dataset = MotionDataset.load(data)
    text = text_cache.load(data)
    if resume and (run / STATE).is_file():
        state = load_state(run)
        mean, std = state["mean"].numpy(), state["std"].numpy()
    elif init is not None:
        stats = load_stats(init / STATS, dataset.features.shape[1])
        mean, std = stats.mean.numpy(), stats.std.numpy()
    else:
        mean, std = feature_statistics(dataset)
    if not config.conditioned:
        return config, BatchSampler(dataset, text, mean, std, config.sampling, config.seed)
    own = Vocabulary.load(run if resume else data)
    if init is not None and not resume and (init / VOCABULARY).is_file():
        own = _with_scales_of(own, Vocabulary.load(init))
    network = replace(
        config.model,
        labels=len(own.labels),
        styles=len(own.styles),
        controls=len(own.controls),
    )
    config = replace(config, model=network)
    common = dataset, text, mean.astype(np.float32), std.astype(np.float32)
    return config, ConditionedSampler(*common, config.sampling, config.seed, own)


def _with_scales_of(own: Vocabulary, theirs: Vocabulary) -> Vocabulary:
    if [c.name for c in own.controls] != [c.name for c in theirs.controls]:
        raise ArtifactError(
            "The model to start from was trained with other controls.",
            "Start anew, or make the dataset with the version that made the model.",
        )
    return replace(own, controls=theirs.controls)
