"""``kinetype train``: build a dataset, train a model on it, export it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..errors import InvalidRequest
from . import console, train_recipe

HELP = "build a dataset, train a model, export it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``train data``, ``train dit``, ``train export`` and the other trainers."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="WHAT")

    data = _parser(kinds, "data", "motion files and captions to a dataset folder")
    files = data.add_mutually_exclusive_group(required=True)
    files.add_argument("--bvh", type=Path, help="folder that holds the BVH files")
    files.add_argument("--clips", type=Path, help="folder that holds npz motions (AMASS keys)")
    data.add_argument("--captions", type=Path, required=True, help="captions.json")
    data.add_argument("--split", type=Path, help="split.json with the train and val clip names")
    data.add_argument("--profile", type=Path, help="JSON that maps the files' skeleton to SMPL-22")
    data.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="with --clips: only clips whose entry says so, for example tier=A",
    )
    data.add_argument("--phrases", type=Path, help="with --clips: JSON of more sentences per label")
    data.add_argument(
        "--with",
        type=Path,
        action="append",
        default=[],
        dest="others",
        metavar="DATASET",
        help="another dataset folder that is to be part of this one",
    )
    data.add_argument("--joined", type=int, default=0, help="pairs of clips to join (default 0)")
    data.add_argument("--out", type=Path, required=True, help="dataset folder to write")
    data.add_argument("--seed", type=int, default=0, help="of the sentences drawn (default 0)")
    data.set_defaults(action=_data)

    export = _parser(kinds, "export", "make a model folder of a training run")
    export.add_argument("--run", type=Path, required=True, dest="run_dir", help="run directory")
    export.add_argument("--data", type=Path, required=True, help="its dataset folder")
    export.add_argument("--out", type=Path, required=True, help="model folder to write")
    export.add_argument("--judge", type=Path, help="run of 'kinetype train judge' on the same data")
    export.add_argument("--details", type=Path, help="JSON: name, licence, description, defaults")
    export.add_argument("--overwrite", action="store_true", help="replace the model that is there")
    export.set_defaults(action=_export)

    words = _parser(kinds, "words", "teach a model folder which words ask for its actions")
    words.add_argument("--model", type=Path, required=True, help="model folder to write them into")
    words.add_argument("--captions", type=Path, help="captions.json of described clips, to add")
    words.add_argument(
        "--known",
        metavar="LABELS",
        help="labels it can make, separated by commas (default: those of its vocabulary.json)",
    )
    words.add_argument("--seed", type=int, default=0, help="of the training (default 0)")
    words.set_defaults(action=_words)

    hml3d = _parser(kinds, "hml3d", "write a dataset folder in HumanML3D's layout (263 features)")
    hml3d.add_argument("--data", type=Path, required=True, help="folder of 'kinetype train data'")
    hml3d.add_argument("--out", type=Path, required=True, help="folder to write")
    hml3d.add_argument(
        "--captions", type=int, default=4, help="lines for each clip (default %(default)s)"
    )
    hml3d.add_argument("--seed", type=int, default=0, help="of the drawing of captions")
    hml3d.set_defaults(action=_hml3d)

    for name, recipe in train_recipe.recipes().items():
        train_recipe.add_arguments(_parser(kinds, name, recipe.about), recipe)


def _parser(kinds: Any, name: str, what: str) -> argparse.ArgumentParser:
    found: argparse.ArgumentParser = kinds.add_parser(name, help=what, description=what)
    return found


def run(options: argparse.Namespace) -> int:
    """Dispatch to the chosen kind."""
    return int(options.action(options) or 0)


def _data(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..training.data import described_clips, text_cache
    from ..training.data.conditioned import vocabulary_of
    from ..training.data.dataset import MotionDataset
    from ..training.data.made_examples import add_made

    dataset = _from_bvh(options) if options.bvh else _from_clips(options)
    others = [MotionDataset.load(folder) for folder in options.others]
    known: dict[str, text_cache.Known] = {}
    for folder, other in zip(options.others, others, strict=True):
        known |= text_cache.sentences_of(other.pools, text_cache.load(folder))
    dataset = described_clips.merge([dataset, *others]) if others else dataset
    if options.clips:
        dataset = add_made(dataset, joined=options.joined, seed=options.seed)
    dataset.save(options.out)
    vocabulary_of(dataset).save(options.out)
    with tqdm(desc="captions", unit="caption") as bar:
        text = text_cache.embed_captions(dataset.pools, _bar_update(bar), known)
    text_cache.save(text, options.out)
    minutes = dataset.motion135.shape[0] / 30 / 60
    console.note(
        f"{len(dataset.clips)} clips, {minutes:.0f} minutes, {len(dataset.items)} items, "
        f"{sum(map(len, dataset.pools))} captions -> {options.out}"
    )


def _from_bvh(options: argparse.Namespace) -> Any:
    from tqdm import tqdm

    from ..training.data import starter_data

    split = options.split or options.captions.with_name("split.json")
    paraphrases = json.loads(starter_data.PARAPHRASES.read_text(encoding="utf-8"))
    with tqdm(desc="clips", unit="clip") as bar:
        return starter_data.build(
            options.bvh,
            options.captions,
            split,
            paraphrases=paraphrases,
            profile_json=options.profile,
            seed=options.seed,
            on_clip=_bar_update(bar),
        )


def _from_clips(options: argparse.Namespace) -> Any:
    from tqdm import tqdm

    from ..training.data import described_clips

    for pair in options.only:
        if "=" not in pair:
            raise InvalidRequest(f"--only {pair} has no value.", "Write it as KEY=VALUE.")
    split = options.split or options.captions.with_name("split.json")
    with tqdm(desc="clips", unit="clip") as bar:
        return described_clips.build(
            options.clips,
            options.captions,
            split if split.is_file() else None,
            only=dict(pair.split("=", 1) for pair in options.only),
            phrases=train_recipe.read_overrides(options.phrases),
            on_clip=_bar_update(bar),
        )


def _words(options: argparse.Namespace) -> None:
    from ..training.words.into_model import teach

    words = teach(
        options.model,
        options.captions,
        options.known.split(",") if options.known else None,
        seed=options.seed,
    )
    console.note(
        f"{len(words.known)} of {len(words.labels)} actions, {words.parameters} parameters -> "
        f"{options.model}"
    )


def _hml3d(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..training.data import hml3d_export, text_cache
    from ..training.data.dataset import MotionDataset

    dataset = MotionDataset.load(options.data)
    known = (options.data / "text.safetensors").is_file()
    with tqdm(total=len(dataset.items), desc="clips", unit="clip") as bar:
        counts = hml3d_export.export(
            dataset,
            options.out,
            captions=options.captions,
            seed=options.seed,
            embeddings=text_cache.load(options.data) if known else None,
            on_item=_bar_update(bar),
        )
    console.note(f"{counts['train']} training and {counts['val']} other clips -> {options.out}")


def _bar_update(bar: Any) -> Any:
    def update(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return update


def _export(options: argparse.Namespace) -> None:
    from ..training.dit import export

    with console.ProgressBars() as bars:
        export.export_run(
            options.run_dir,
            options.data,
            options.out,
            options.details,
            judge=options.judge,
            overwrite=options.overwrite,
            report=bars.show,
        )
    console.note(f"model -> {options.out}")
