"""What the columns of a representation are, said once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ...errors import FormatError


@dataclass(frozen=True)
class RepresentationSpec:
    """Name, rate and column blocks of a motion representation.

    Attributes:
        name: short machine name, as the command line and ``convert`` spell it.
        fps: frame rate that models of this representation are trained at.
        blocks: ``(block name, width)`` pairs in column order.
        guessed: whether an array of this width is taken for it; False where another is likelier.
    """

    name: str
    fps: float
    blocks: tuple[tuple[str, int], ...]
    guessed: bool = True

    @property
    def dim(self) -> int:
        """Number of columns."""
        return sum(width for _, width in self.blocks)

    @property
    def names(self) -> tuple[str, ...]:
        """Block names in column order."""
        return tuple(name for name, _ in self.blocks)

    def columns(self, *names: str) -> slice:
        """The columns of one block, or of several neighbouring blocks.

        Raises:
            KeyError: no block of that name, or the blocks are not neighbours in that order.
        """
        order = self.names
        if not names or any(name not in order for name in names):
            raise KeyError(f"{self.name} has the blocks {', '.join(order)}, not {names}")
        first = order.index(names[0])
        if order[first : first + len(names)] != names:
            raise KeyError(f"{names} are not neighbouring blocks of {self.name}")
        widths = [width for _, width in self.blocks]
        start = sum(widths[:first])
        return slice(start, start + sum(widths[first : first + len(names)]))

    def check(self, x: np.ndarray, *, min_frames: int = 1) -> np.ndarray:
        """``x`` as an array when it is a finite ``[T, dim]`` of at least ``min_frames`` frames.

        Raises:
            FormatError: wrong shape, too short, not numbers, NaN or infinite.
        """
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.dim:
            raise FormatError(
                f"{self.name} needs an array of shape [T, {self.dim}], not {list(x.shape)}.",
                "Check which representation the array is in.",
            )
        if len(x) < min_frames:
            raise FormatError(
                f"{self.name} needs at least {min_frames} frames, not {len(x)}.",
                "Use a longer clip.",
            )
        return check_finite(x, self.name)


def check_finite(x: np.ndarray, what: str) -> np.ndarray:
    """``x`` as a floating array without NaN or infinity, or :class:`FormatError`."""
    x = np.asarray(x)
    if x.dtype.kind not in "fiu":
        raise FormatError(
            f"{what} holds {x.dtype} values, not numbers.",
            "Check which array of the file was taken.",
        )
    if x.dtype.kind != "f" or x.dtype.itemsize < 4:
        x = x.astype(np.float32)
    finite = np.isfinite(x)
    if not finite.all():
        frame = int(np.argwhere(~finite)[0][0])
        raise FormatError(
            f"{what} holds NaN or infinite values (first in frame {frame}).",
            "The clip is damaged or the model that made it diverged.",
        )
    return x


def check_shape(x: np.ndarray, tail: Iterable[int], what: str) -> np.ndarray:
    """A finite array of shape ``[T, *tail]`` with T >= 1, or :class:`FormatError`."""
    x = np.asarray(x)
    tail = tuple(tail)
    if x.ndim != len(tail) + 1 or x.shape[1:] != tail or len(x) == 0:
        wanted = ", ".join(["T", *map(str, tail)])
        raise FormatError(
            f"{what} must have shape [{wanted}], not {list(x.shape)}.",
            "Check which representation the array is in.",
        )
    return check_finite(x, what)
