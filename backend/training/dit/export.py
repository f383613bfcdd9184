"""A training run to a model folder that every part of Kinetype can load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...diffusion.schedule import Schedule
from ...errors import ArtifactError
from ...models.dit import DiT
from ...pipelines.dit.config import Preset, config_for
from ...pipelines.dit.judge import Judge
from ...pipelines.dit.knowledge import build_knowledge
from ...pipelines.dit.pipeline import DiTPipeline
from ...pipelines.dit.vocabulary import Vocabulary
from ...store.config_files import config_from_dict
from ...store.model_folder import Stats, write_json
from ...store.new_folder import new_folder
from ...text.minilm import MiniLMEncoder, TextEmbedding
from ..data.dataset import MotionDataset, read_json
from ..recipe import Report, silent
from ..run import load_state
from ..words.into_model import bundled_words
from .recipe import ema_weights

PRESETS = ("draft", "best")
CAPTIONS_PER_LABEL = 48
"""Known captions kept per action: enough for the warning, and half a megabyte on disk."""
CAPTIONS_READ_PER_LABEL = 240
"""Captions among which those are chosen."""


def export_run(
    run: Path,
    data: Path,
    out: Path,
    details: Path | None = None,
    *,
    judge: Path | None = None,
    overwrite: bool = False,
    report: Report = silent,
) -> None:
    """Write the averaged weights of a run as a model folder, float16, with its knowledge.

    Args:
        run: run directory of ``kinetype train dit``.
        data: the dataset folder that it was trained on.
        out: model folder to write, whole or not at all.
        details: JSON with ``name``, ``licence``, ``description`` and sampling defaults.
        judge: run of ``kinetype train judge``, whose classifier then chooses among candidates.
        overwrite: replace a model folder that is there already.
        report: told of every stage, as some of them take a minute.

    Raises:
        OutputError: something is there already, or it cannot be written.
        ArtifactError: the run or the details do not fit this version.
        FormatError: the dataset cannot be read.
    """
    # what stands in the way is told before the work of a minute, not after it
    with new_folder(out, overwrite=overwrite, sources=(run, data, details, judge)) as folder:
        _write_model(
            run, data, folder, details, None if judge is None else Judge.load(judge), report
        )


class _Told:
    """An encoder that tells how many of ``total`` texts it has embedded."""

    def __init__(self, encoder: MiniLMEncoder, total: int, report: Report) -> None:
        self._encoder, self._total, self._report, self._done = encoder, total, report, 0

    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        """As the encoder's own."""
        found = self._encoder.encode(texts)
        self._done = min(self._total, self._done + len(texts))
        self._report("known captions", self._done, self._total)
        return found


def _write_model(
    run: Path,
    data: Path,
    folder: Path,
    details: Path | None,
    judge: Judge | None,
    report: Report,
) -> None:
    report("reading the run", 0, 0)
    config, weights, mean, std = ema_weights(run)
    net = DiT(config.model)
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise ArtifactError(
            f"{run} does not fit its configuration ({error}).",
            "Its config.json was changed after the training; put the original back.",
        ) from error
    options = read_json(details) if details else {}
    for name in PRESETS:
        if options.get(name):
            options[name] = config_from_dict(Preset, options[name], f"{details}: {name}")
    pipeline_config = config_for(
        config.model,
        Schedule(config.schedule_kind, config.schedule_steps),
        min_frames=config.sampling.min_frames,
        max_frames=config.sampling.max_frames,
        **options,
    )
    report("reading the data", 0, 0)
    captions = _captions_by_label(MotionDataset.load(data))
    encoder = MiniLMEncoder.load(local_files_only=True)
    told = _Told(encoder, sum(map(len, captions.values())), report)
    knowledge = build_knowledge(captions, told, per_label=CAPTIONS_PER_LABEL)
    report("writing the model", 0, 0)
    vocabulary = Vocabulary.load(run) if config.conditioned else None
    words = bundled_words([x.name for x in vocabulary.labels]) if vocabulary is not None else None
    pipeline = DiTPipeline(
        pipeline_config,
        net,
        Stats(mean, std),
        knowledge=knowledge,
        vocabulary=vocabulary,
        words=words,
        judge=judge,
        encoder=encoder,
    )
    pipeline.write(folder, half=True)
    state = load_state(run)
    record = {
        "steps": int(state["step"]),
        "minutes": round(float(state["elapsed"]) / 60, 1),
        "config": config.to_dict(),
    }
    write_json(folder / "training.json", record)


def _captions_by_label(dataset: MotionDataset) -> dict[str, list[str]]:
    """An even selection of the captions of each content, under the words that people read."""
    found: dict[str, list[str]] = {}
    for item in dataset.items:
        if item.source in ("joined", "held"):
            continue
        label = item.content.replace("-", " ").replace("_", " ") or item.clip
        found.setdefault(label, []).extend(dataset.pools[item.pool])
    unique = {label: list(dict.fromkeys(texts)) for label, texts in found.items()}
    return {
        label: texts[:: max(1, len(texts) // CAPTIONS_READ_PER_LABEL)]
        for label, texts in unique.items()
    }
