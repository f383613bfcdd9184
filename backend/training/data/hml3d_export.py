"""A dataset folder re-encoded as HumanML3D: what MDM, MotionGPT and MoGenTS train on.

The layout is that of the published data set (Guo et al., CVPR 2022)::

    new_joint_vecs/NAME.npy   [T, 263] float32 at 20 fps, un-normalised
    texts/NAME.txt            one caption per line: caption#word/POS word/POS#from#to
    train.txt val.txt test.txt  names, one per line
    Mean.npy Std.npy          [263] float32 over the training clips, Std averaged inside each block
    captions_minilm.*         sentence vectors of the captions, where the dataset has them (ours)
    sources.json              NAME -> clip, mirrored, speed of the dataset it came from (ours)

A mirrored item has the name of its original with an M in front. Words are tagged OTHER: nothing
but the published evaluator reads the tags, and it accepts that one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ...store.model_folder import write_json
from ...errors import FormatError
from ...motion.io.atomic import atomic_path
from ...motion.representations import hml263, smplrifke205
from ...motion.representations.statistics import mean_std
from ...wire.skeleton import NUM_JOINTS
from . import caption_vectors
from .dataset import Item, MotionDataset
from .text_cache import CaptionEmbeddings

MAX_FRAMES = 196
"""Longer items are cut: readers of the layout leave out clips of 200 frames and more."""
VECTORS, TEXTS = "new_joint_vecs", "texts"
_NOT_LETTERS = re.compile(r"[^A-Za-z ]+")


def export(
    dataset: MotionDataset,
    folder: Path,
    *,
    captions: int = 4,
    seed: int = 0,
    embeddings: CaptionEmbeddings | None = None,
    on_item: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Write ``dataset`` as a HumanML3D folder.

    Args:
        dataset: smplrifke205 features, which hold their joint positions.
        captions: lines drawn for each clip from its pool, without repeats.
        seed: of the drawing.
        embeddings: MiniLM vectors of the pools; those of the drawn captions are written too.
        on_item: called with (done, total).

    Returns:
        Clips written for each split. Validation clips are in ``val.txt`` and in ``test.txt``.

    Raises:
        FormatError: features of another representation, or no training item.
        OutputError: a file cannot be written.
    """
    if dataset.representation != smplrifke205.SPEC.name:
        raise FormatError(
            f"The dataset holds {dataset.representation} features.",
            f"Only {smplrifke205.SPEC.name} can be re-encoded here.",
        )
    rng = np.random.default_rng(seed)
    names = item_names(dataset.items)
    written: dict[str, list[str]] = {"train": [], "val": []}
    sources, training = {}, []
    vectors_of: dict[str, np.ndarray] = {}
    for done, (item, name) in enumerate(zip(dataset.items, names, strict=True)):
        drawn = _drawn(dataset.pools[item.pool], captions, rng)
        lines = [caption_line(text) for text in drawn.values()]
        if embeddings is not None:
            rows = embeddings.pool(item.pool)
            vectors_of |= {text: embeddings.sentence[rows[i]] for i, text in drawn.items()}
        for part, vectors in _pieces(name, encode_item(dataset.item_features(item))):
            with atomic_path(folder / VECTORS / f"{part}.npy") as temporary:
                np.save(temporary, vectors, allow_pickle=False)
            _write(folder / TEXTS / f"{part}.txt", lines)
            written[item.split].append(part)
            sources[part] = {"clip": item.clip, "mirrored": item.mirrored, "speed": item.speed}
            if item.split == "train":
                training.append(vectors)
        if on_item is not None:
            on_item(done + 1, len(names))
    mean, std = mean_std(training, hml263.SPEC)
    for file, values in (("Mean.npy", mean), ("Std.npy", std)):
        with atomic_path(folder / file) as temporary:
            np.save(temporary, values, allow_pickle=False)
    _write(folder / "train.txt", written["train"])
    for file in ("val.txt", "test.txt"):
        _write(folder / file, written["val"])
    _write(folder / "all.txt", written["train"] + written["val"])
    write_json(folder / "sources.json", sources)
    if vectors_of:
        rows_of = {text: row for row, text in enumerate(vectors_of)}
        found = caption_vectors.CaptionVectors(np.stack(list(vectors_of.values())), rows_of)
        caption_vectors.save(folder, "minilm", found)
    return {split: len(parts) for split, parts in written.items()}


def encode_item(features: np.ndarray) -> np.ndarray:
    """smplrifke205 ``[T, 205]`` at 20 fps to ``[T-1, 263]`` float32, from the stored positions."""
    _, _, joints = smplrifke205.decode(features)
    upright = joints[:, :NUM_JOINTS] @ smplrifke205.Z_UP_FROM_Y_UP
    return hml263.encode(upright).astype(np.float32)


def item_names(items: tuple[Item, ...]) -> list[str]:
    """``000000``, ``000001``, ...; a mirrored item is its original's number with M in front."""
    numbers: dict[tuple[str, int, float], int] = {}
    seen: dict[tuple[str, float, bool], int] = {}
    names = []
    for item in items:
        # takes of one clip come in the same order plain and mirrored
        nth = seen.get((item.clip, item.speed, item.mirrored), 0)
        seen[item.clip, item.speed, item.mirrored] = nth + 1
        number = numbers.setdefault((item.clip, nth, item.speed), len(numbers))
        names.append(f"{'M' if item.mirrored else ''}{number:06d}")
    return names


def _pieces(name: str, vectors: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The clip, or equal pieces of it of up to :data:`MAX_FRAMES` frames, with their names."""
    count = -(-len(vectors) // MAX_FRAMES)
    if count == 1:
        yield name, vectors
        return
    for index, piece in enumerate(np.array_split(vectors, count)):
        yield f"{name}_{index:02d}", piece


def _drawn(pool: tuple[str, ...], count: int, rng: np.random.Generator) -> dict[int, str]:
    """Some captions by their number in the pool; '#' separates fields in the files."""
    return {int(i): pool[i].replace("#", " ") for i in sorted(rng.permutation(len(pool))[:count])}


def caption_line(caption: str, start: float = 0.0, end: float = 0.0) -> str:
    """One line of a text file; 0, 0 is the whole clip, else seconds."""
    words = _NOT_LETTERS.sub("", caption.replace("-", "")).lower().split()
    return f"{caption}#{' '.join(f'{word}/OTHER' for word in words)}#{start}#{end}"


def _write(path: Path, lines: list[str]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
