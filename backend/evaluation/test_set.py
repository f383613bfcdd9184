"""Motions, predictions and captions of a test set from folders, with what was left out and why."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import FormatError, InvalidRequest, KinetypeError
from ..motion import convert
from ..motion.io.load import SUFFIXES, read_clip
from .hml3d_items import Caption, read_captions
from .selected_captions import selected

Check = Callable[[np.ndarray, str], np.ndarray]


@dataclass
class TestSet:
    """Parallel lists over the motions that take part.

    Attributes:
        real, predicted: native arrays; ``predicted`` is empty when only the ground truth is judged.
        captions: whole-clip captions of each motion.
        skipped: name -> reason, of everything that takes no part.
        missing: names without a prediction; they are in ``skipped`` too.
    """

    __test__ = False  # not a test class

    names: list[str] = field(default_factory=list)
    real: list[np.ndarray] = field(default_factory=list)
    predicted: list[np.ndarray] = field(default_factory=list)
    captions: list[list[Caption]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def read(
    names: Sequence[str],
    gt: Path,
    predictions: Path | None,
    captions: Path | None,
    *,
    representation: str,
    fps: float,
    check: Check,
    selected_only: bool = False,
    bring: convert.IkOptions | None = None,
) -> TestSet:
    """Read the motions of ``names``.

    Args:
        gt, predictions: folders with ``NAME.npy`` or ``NAME.npz``; no predictions for GT only.
        captions: folder with ``NAME.txt`` (HumanML3D's lines or one caption per line); motions
            have no captions when None.
        representation, fps: what the evaluator reads; a file at another rate is refused.
        check: the evaluator's :meth:`checked`.
        bring: convert files of other representations or rates, this way; refuse them when None.
        selected_only: keep the caption that the leaderboards selected of each motion.

    Raises:
        FormatError: a file holds another representation; the message names both.
        InvalidRequest: nothing is left.
    """
    found = TestSet()
    for name in names:
        check_name(name)
        texts: list[Caption] = []
        if captions is not None:
            texts, reason = captions_of(captions / f"{name}.txt")
            if selected_only and not reason:
                texts, reason = selected(name, texts)
            if reason:
                found.skipped[name] = reason
                continue
        real_path, predicted_path = motion_file(gt, name), None
        if real_path is None:
            found.skipped[name] = "no ground truth"
            continue
        if predictions is not None:
            predicted_path = motion_file(predictions, name)
            if predicted_path is None:
                found.skipped[name] = "no prediction"
                found.missing.append(name)
                continue
        real, reason = _motion(real_path, representation, fps, check, bring)
        predicted = None
        if not reason and predicted_path is not None:
            predicted, reason = _motion(predicted_path, representation, fps, check, bring)
        if reason:
            found.skipped[name] = reason
            continue
        found.names.append(name)
        found.captions.append(texts)
        assert real is not None
        found.real.append(real)
        if predicted is not None:
            found.predicted.append(predicted)
    if not found.names:
        reasons = sorted(set(found.skipped.values()))
        raise InvalidRequest(
            f"None of {len(names)} motions can be evaluated ({'; '.join(reasons[:3])}).",
            "Check --gt, --pred and --captions: the files are named as the lines of --split.",
        )
    return found


def split_names(split: Path | None, gt: Path) -> list[str]:
    """The lines of a split file, or every motion in ``gt``."""
    if split is None:
        return sorted({p.stem for p in gt.iterdir() if p.suffix in SUFFIXES})
    try:
        lines = split.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f"{split} cannot be read: {error}.", "Give a text file with one name a line."
        ) from error
    return list(dict.fromkeys(lines))


def digest(motions: Sequence[np.ndarray]) -> str:
    """sha256 over the float32 bytes of all motions in order."""
    found = hashlib.sha256()
    for motion in motions:
        found.update(np.ascontiguousarray(motion, np.float32).tobytes())
    return found.hexdigest()


def check_name(name: str) -> None:
    """:class:`InvalidRequest` for a line of a split that leads out of the folder of its file."""
    if Path(name).name != name or "\\" in name:
        raise InvalidRequest(f"{name!r} in the split is not a file name.", "Use names, not paths.")


def motion_file(folder: Path, name: str) -> Path | None:
    """The file of a motion in a folder, of the first suffix that there is."""
    return next((p for s in SUFFIXES if (p := folder / f"{name}{s}").is_file()), None)


def _motion(
    path: Path,
    representation: str,
    fps: float,
    check: Check,
    bring: convert.IkOptions | None,
) -> tuple[np.ndarray | None, str]:
    try:
        # what a model made is judged as it is, also where it is hardly a body
        clip = read_clip(path, prefer=representation, force=True)
        if bring is not None:
            clip = convert.convert(
                clip.data, clip.representation, representation, fps=clip.fps, options=bring
            )
    except KinetypeError as error:
        return None, error.message
    if clip.representation != representation:
        raise FormatError(
            f"{path} holds {clip.representation}; this evaluator reads {representation}.",
            f"Convert the folder first: kinetype convert IN OUT --from {clip.representation}"
            f" --to {representation}; or add --convert.",
        )
    if abs(clip.fps - fps) > 0.01:
        return None, f"{clip.fps:g} fps instead of {fps:g}"
    try:
        check(clip.data, path.name)
    except FormatError as error:
        return None, error.message
    return clip.data, ""


def captions_of(path: Path) -> tuple[list[Caption], str]:
    """The captions of the whole clip in a file, or none and the reason."""
    if not path.is_file():
        return [], "no captions"
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    if any("#" in line for line in lines):
        found = [c for c in read_captions(path) if c.start == c.end == 0.0]
        return found, "" if found else "only captions of parts of the clip"
    return [Caption(line.strip(), ()) for line in lines], "" if lines else "no captions"
