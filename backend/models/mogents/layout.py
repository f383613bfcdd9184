"""Which tokens of a padded batch are real, worked out once for all steps of a generation.

Clips of one batch differ in length. The networks work on padded grids, but the linear layers
(almost all of the cost) only run over real tokens: an encoder takes a :class:`Pack` and leaves
padding out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import FormatError
from .config import JOINT_GROUPS, MAX_ROWS

MAX_LENGTH = MAX_ROWS - 2
"""Token rows of a clip; two rows of the position table go before it."""


@dataclass(frozen=True)
class Pack:
    """The real tokens of sequences ``[R, S]``.

    Attributes:
        index: ``[N]`` positions of the real tokens in the flattened ``R * S``.
        visible: ``[R, 1, 1, S]`` bool attention mask, True on real keys.
    """

    index: Tensor
    visible: Tensor

    @classmethod
    def of(cls, visible: Tensor) -> Pack:
        """Pack for a mask ``[R, S]``, True on real tokens."""
        return cls(visible.flatten().nonzero().squeeze(1), visible[:, None, None, :])


class Layout:
    """The lengths of a batch of token grids.

    Args:
        lengths: token rows of each clip, at least 1.
        independent: see :meth:`reread_index`.
        passes: how many copies of the batch run together (2 for guidance: condition first).

    Raises:
        FormatError: no clip, or one without a token or beyond the position table.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        device: torch.device | str = "cpu",
        *,
        independent: bool = False,
        passes: int = 1,
    ) -> None:
        self.lengths = tuple(int(n) for n in lengths)
        if not self.lengths or not 1 <= min(self.lengths) <= max(self.lengths) <= MAX_LENGTH:
            raise FormatError(
                f"Token lengths {list(self.lengths)} cannot be generated.",
                f"Every clip has from 1 to {MAX_LENGTH} token rows (of four frames).",
            )
        self.device = torch.device(device)
        self.independent = independent
        self.passes = passes
        self.rows = max(self.lengths)
        self.padded = min(self.lengths) < self.rows
        counts = torch.tensor(self.lengths, device=self.device)
        self.counts = counts
        """``[B]`` int64 token rows of one copy of the batch."""
        self.live = torch.arange(self.rows, device=self.device) < counts[:, None]
        """``[B, T]`` bool, of one copy of the batch."""
        self._packs: dict[tuple[str, int, int], Pack | None] = {}
        self._reread: Tensor | None = None
        self._doubled: Layout | None = None

    @property
    def doubled(self) -> Layout:
        """The same batch twice, for the conditional and unconditional pass together."""
        if self._doubled is None:
            self._doubled = Layout(
                self.lengths, self.device, independent=self.independent, passes=2 * self.passes
            )
        return self._doubled

    def sequence(self, prefix: int, columns: int = 1) -> Pack | None:
        """Sequences ``(prefix + T) * columns`` of whole clips; None where nothing is padding."""
        return self._pack("sequence", prefix, columns)

    def tracks(self, prefix: int, columns: int = JOINT_GROUPS) -> Pack | None:
        """Sequences ``prefix + T`` of each (clip, column); None where nothing is padding."""
        return self._pack("tracks", prefix, columns)

    def _pack(self, kind: str, prefix: int, columns: int) -> Pack | None:
        if not self.padded:
            return None
        key = (kind, prefix, columns)
        if key not in self._packs:
            live = self.live.repeat(self.passes, 1)
            visible = torch.cat([live.new_ones(len(live), prefix), live], dim=1)
            axis = 1 if kind == "sequence" else 0
            self._packs[key] = Pack.of(visible.repeat_interleave(columns, dim=axis))
        return self._packs[key]

    @property
    def live_rows(self) -> Tensor | None:
        """``[N]`` indices of live rows in the flattened ``passes * B * T``; None when all are."""
        pack = self._pack("sequence", 0, 1)
        return None if pack is None else pack.index

    def reread_index(self) -> Tensor:
        """``[passes * B * T * 6]``: where the 2-D residual network reads each joint result from.

        The released network writes the results of its joint attention in memory as (6, B, T) and
        reads them back as (T, B, 6) without transposing, and its weights were trained with that.
        So a clip gets values of its batch mates. With ``independent`` each clip is read as if it
        were alone in its batch: what the released code computes for one clip at a time.
        """
        if self._reread is None:
            base = (
                self._own_reread() if self.independent else self._shared_reread(len(self.lengths))
            )
            size = base.numel()
            offsets = torch.arange(self.passes, device=self.device)[:, None] * size
            self._reread = (base.flatten() + offsets).flatten()
        return self._reread

    def _shared_reread(self, batch: int) -> Tensor:
        rows, groups = self.rows, JOINT_GROUPS
        b = torch.arange(batch, device=self.device)[:, None, None]
        t = torch.arange(rows, device=self.device)[:, None]
        j = torch.arange(groups, device=self.device)
        place = (t * batch + b) * groups + j
        source_j, source_b, source_t = place // (batch * rows), place // rows % batch, place % rows
        return (source_b * rows + source_t) * groups + source_j

    def _own_reread(self) -> Tensor:
        rows, groups = self.rows, JOINT_GROUPS
        b = torch.arange(len(self.lengths), device=self.device)[:, None, None]
        t = torch.arange(rows, device=self.device)[:, None]
        j = torch.arange(groups, device=self.device)
        own = self.counts[:, None, None]
        place = t * groups + j
        # padded rows read themselves, which nothing uses
        source_j = torch.where(t < own, place // own, j)
        source_t = torch.where(t < own, place % own, t)
        return (b * rows + source_t) * groups + source_j
