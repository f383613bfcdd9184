"""What a model can be asked for beside text: actions, manners and numbers, by name.

``vocabulary.json`` lies in the model's folder, so the words are the data's, not the code's. The
order of the names is the order of the columns that the network was trained with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...errors import ArtifactError, InvalidRequest
from ...motion.io.atomic import atomic_path

FILE = "vocabulary.json"
VERSION = 1
HINT = "Copy or download the model again."


@dataclass(frozen=True)
class Control:
    """A number that a motion can be asked to have.

    The network sees ``(value - centre) / scale``, held between -4 and 4.
    """

    name: str
    unit: str
    meaning: str
    centre: float = 0.0
    scale: float = 1.0


CONTROLS = (
    Control("tempo", "ln", "logarithm of the joints' speed over what is usual for the action"),
    Control("speed", "m/s", "mean speed of the pelvis along the ground"),
    Control("forward", "m", "where it ends, ahead of where it began, in its first heading"),
    Control("leftward", "m", "where it ends, to the left of where it began"),
    Control("turn", "rad", "change of heading, left is positive; a circle is 6.28"),
    Control("left_hand", "m", "extent of the left wrist's way around the pelvis"),
    Control("right_hand", "m", "extent of the right wrist's way around the pelvis"),
    Control("lowest", "m", "least height of the pelvis above the lowest joint of the motion"),
    Control("highest", "m", "greatest height of the pelvis above the lowest joint"),
    Control("steps", "", "how many times a foot is carried along the ground"),
    Control("start_motion", "m/s", "mean speed of the joints in the first quarter second"),
    Control("end_motion", "m/s", "mean speed of the joints in the last quarter second"),
    Control("captured", "", "1 as motion capture moves, 0 as animation keyed by hand"),
)
"""Every number that training measures; a model keeps its own list with its scales."""


@dataclass(frozen=True)
class Wish:
    """What one part of a prompt asks for, by names of the vocabulary; nothing is a fine wish.

    Attributes:
        labels: weight 0..1 of each action, together at most 1.
        styles: weight 0..1 of each manner.
        controls: values in the units of the controls.
    """

    labels: Mapping[str, float] = field(default_factory=dict)
    styles: Mapping[str, float] = field(default_factory=dict)
    controls: Mapping[str, float] = field(default_factory=dict)


class Wished(Protocol):
    """What has the fields of a :class:`Wish`."""

    @property
    def labels(self) -> Mapping[str, float]: ...
    @property
    def styles(self) -> Mapping[str, float]: ...
    @property
    def controls(self) -> Mapping[str, float]: ...


class WishReader(Protocol):
    """Reads what a part of a prompt asks for."""

    def read_part(self, caption: str) -> Wished:
        """Labels, styles and controls by name."""
        ...


DEFAULT_CONTROLS = {"captured": 1.0}
"""What is asked for when nobody says otherwise."""


@dataclass(frozen=True)
class Label:
    """An action that the model was trained on.

    Attributes:
        name: as the data calls it ("sit_down"), without a side.
        clips, takes: how many clips and recordings of it there were.
        seconds: 10th, 50th and 90th percentile of their durations.
        typical: per control its 10th, 50th and 90th percentile in them.
    """

    name: str
    clips: int = 0
    takes: int = 0
    seconds: tuple[float, ...] = ()
    typical: dict[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Vocabulary:
    """Labels, styles and controls of one model, in the order of its columns."""

    labels: tuple[Label, ...] = ()
    styles: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()

    def __post_init__(self) -> None:
        names = ([x.name for x in self.labels], list(self.styles), [c.name for c in self.controls])
        for kind in names:
            if len(set(kind)) != len(kind):
                raise ArtifactError("A vocabulary names something twice.", HINT)

    @property
    def label_index(self) -> dict[str, int]:
        """Column of each label."""
        return {label.name: column for column, label in enumerate(self.labels)}

    @property
    def style_index(self) -> dict[str, int]:
        """Column of each style."""
        return {name: column for column, name in enumerate(self.styles)}

    @property
    def control_index(self) -> dict[str, int]:
        """Column of each control."""
        return {control.name: column for column, control in enumerate(self.controls)}

    def label(self, name: str) -> Label:
        """The label of that name; :class:`InvalidRequest` names what is near to it."""
        for label in self.labels:
            if label.name == name:
                return label
        known = ", ".join(label.name for label in self.labels[:8])
        raise InvalidRequest(f"The model knows no action {name!r}.", f"It knows {known}, ...")

    def labels_row(self, weights: Mapping[str, float]) -> np.ndarray:
        """``[L]`` float32 of weights 0..1 by name; names that the model lacks are left out."""
        return _row(self.label_index, weights)

    def styles_row(self, weights: Mapping[str, float]) -> np.ndarray:
        """``[S]`` float32 of weights 0..1 by name; names that the model lacks are left out."""
        return _row(self.style_index, weights)

    def controls_row(self, values: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """``[C]`` normalised values and ``[C]`` flags that say which are known, float32.

        Values are in the units of the controls; what is not named, or NaN, is unknown.
        """
        natural = np.full(len(self.controls), np.nan)
        index = self.control_index
        for name, value in values.items():
            if name in index:
                natural[index[name]] = value
        return self.normalised(natural)

    def normalised(self, natural: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``[..., C]`` values in their units (NaN unknown) to network values and known flags."""
        centre = np.array([c.centre for c in self.controls])
        scale = np.array([c.scale for c in self.controls])
        known = np.isfinite(natural)
        values = np.clip((np.where(known, natural, centre) - centre) / scale, -4.0, 4.0)
        return values.astype(np.float32), known.astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = FILE) -> Vocabulary:
        """Rebuild from JSON values; :class:`ArtifactError` where they are something else."""
        try:
            if values["version"] != VERSION:
                raise ValueError(f"version {values['version']}")
            labels = tuple(_label(entry) for entry in values["labels"])
            controls = tuple(Control(**entry) for entry in values["controls"])
            if any(not c.scale > 0 for c in controls):
                raise ValueError("a scale that is not positive")
            return cls(labels, tuple(map(str, values["styles"])), controls)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(f"{where} is not a vocabulary ({error}).", HINT) from error

    def save(self, folder: Path) -> None:
        """Write ``vocabulary.json`` into a folder, whole or not at all."""
        with atomic_path(folder / FILE) as temporary:
            Path(temporary).write_text(json.dumps(self.to_dict(), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        """Read ``vocabulary.json`` of a folder.

        Raises:
            ArtifactError: it is missing, damaged, or something else.
        """
        path = folder / FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ArtifactError(f"{path} cannot be read ({error}).", HINT) from error
        return cls.from_dict(values, str(path))


def _label(entry: Mapping[str, Any]) -> Label:
    typical = {str(k): tuple(map(float, v)) for k, v in entry.get("typical", {}).items()}
    seconds = tuple(map(float, entry.get("seconds", ())))
    return Label(str(entry["name"]), int(entry["clips"]), int(entry["takes"]), seconds, typical)


def _row(index: Mapping[str, int], weights: Mapping[str, float]) -> np.ndarray:
    row = np.zeros(len(index), np.float32)
    for name, weight in weights.items():
        if name in index:
            row[index[name]] = weight
    return row


def wish_rows(vocabulary: Vocabulary, wishes: Sequence[Wished]) -> dict[str, np.ndarray]:
    """The network's inputs: ``labels`` [B, L], ``styles`` [B, S], ``controls`` and
    ``controls_known`` [B, C]."""
    numbers = [vocabulary.controls_row({**DEFAULT_CONTROLS, **w.controls}) for w in wishes]
    return {
        "labels": np.stack([vocabulary.labels_row(w.labels) for w in wishes]),
        "styles": np.stack([vocabulary.styles_row(w.styles) for w in wishes]),
        "controls": np.stack([values for values, _ in numbers]),
        "controls_known": np.stack([known for _, known in numbers]),
    }


def fitting(vocabulary: Vocabulary | None, network: HasVocabulary) -> Vocabulary | None:
    """The vocabulary, if it has the sizes that the network was built for.

    Raises:
        ArtifactError: it is missing, or of other sizes.
    """
    sizes = network.labels, network.styles, network.controls
    own = vocabulary or Vocabulary()
    if sizes != (len(own.labels), len(own.styles), len(own.controls)):
        raise ArtifactError(
            f"The network takes {sizes} labels, styles and controls; {FILE} has others.", HINT
        )
    return vocabulary if any(sizes) else None


class HasVocabulary(Protocol):
    """A network's configuration."""

    @property
    def labels(self) -> int: ...
    @property
    def styles(self) -> int: ...
    @property
    def controls(self) -> int: ...
