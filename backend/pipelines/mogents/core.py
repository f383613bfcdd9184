"""MoGenTS between text features and motion features: tokens of a model, sampled and decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ...diffusion.loop import StepCallback
from ...errors import ArtifactError, FormatError
from ...models.mogents.draws import Draws
from ...models.mogents.layout import Layout
from ...models.mogents.networks import Networks
from ...models.mogents.sampling import MaskOptions, ResidualOptions, sample_masked, sample_residual
from ...store.model_folder import Stats
from ..calls import device_or_best, precision_name

DECODED_AT_ONCE = 8


class MoGenTSCore:
    """The networks of a model and its statistics.

    Attributes:
        mask, residual: how tokens are sampled unless told otherwise; the published setting at first
            (10 steps, guidance 4 and 5).
        precision: "float32", or "bfloat16"/"float16" for the transformers (not for the decoder).
    """

    def __init__(
        self,
        networks: Networks,
        stats: Stats,
        *,
        device: str | torch.device | None = None,
        precision: str = "float32",
    ) -> None:
        self.device = device_or_best(device)
        self.networks = networks.to(self.device)
        self.config = networks.config
        self.stats = stats
        self.precision = precision_name(precision)
        self.mask = MaskOptions()
        self.residual = ResidualOptions()

    def estimate_lengths(self, text: Tensor, draws: Draws) -> list[int]:
        """Token rows (four frames each) drawn for text features ``[B, 512]``; at least 1.

        Raises:
            ArtifactError: the model came without a length estimator.
        """
        if self.networks.length_est is None:
            raise ArtifactError(
                "The model came without its length estimator (length_est).",
                "Give the length, or convert the model again with --length-root.",
            )
        with torch.no_grad():
            bins = draws.bins(self.networks.length_est.probabilities(text).cpu())
        # bin 0 would be an empty clip; the released code does not guard against it
        return [max(1, int(n)) for n in bins]

    def sample_tokens(
        self,
        text: Tensor,
        rows: Sequence[int],
        draws: Draws,
        *,
        mask: MaskOptions | None = None,
        residual: ResidualOptions | None = None,
        independent: bool = True,
        on_step: StepCallback | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Token ids of both streams, ``[B, T4, Q]`` and ``[B, T4, 6, Q]``; padding is -1.

        Args:
            text: ``[B, 512]``.
            rows: token rows of each clip.
            independent: a clip does not depend on its batch (see ``Layout.reread_index``).
            on_step: ``on_step(done, total)``; it may raise ``Cancelled``.
        """
        n, layout = self.networks, Layout(rows, self.device, independent=independent)
        mask, residual = mask or self.mask, residual or self.residual
        stages = self.config.vq.num_quantizers - 1
        stages = min(stages, residual.layers or stages)
        step = step_counter(2 * (mask.timesteps + stages), on_step)
        if text.shape != (len(rows), self.config.mask.clip_dim):
            raise FormatError(
                f"Text features of shape {list(text.shape)} do not fit {len(rows)} lengths.",
                f"Give [{len(rows)}, {self.config.mask.clip_dim}].",
            )
        text = text.to(self.device)
        with self._autocast():
            aux = sample_masked(n.mask_aux, text, layout, draws, mask, step)
            grid = sample_masked(n.mask_ts, text, layout, draws, mask, step)
            all_aux = sample_residual(n.res_aux, aux, text, layout, draws, residual, step)
            all_grid = sample_residual(n.res_ts, grid, text, layout, draws, residual, step)
        return all_aux, all_grid

    @torch.no_grad()
    def decode_tokens(
        self, ids1d: Tensor, ids2d: Tensor, rows: Sequence[int], *, independent: bool = True
    ) -> list[np.ndarray]:
        """Token ids to un-normalised features ``[4 * rows[i], 263]``, float32.

        Args:
            independent: decode each clip without its padding; the released code decodes the padded
                batch, whose padding reaches into the ends of shorter clips.

        Raises:
            FormatError: shapes that do not belong together, or an id out of range.
        """
        together = ids1d.dim() == 3 and ids1d.shape[:2] == ids2d.shape[:2]
        if not together or len(ids1d) != len(rows) or not 0 < max(rows) <= ids1d.shape[1]:
            raise FormatError(
                f"Token ids of shape {list(ids1d.shape)} and {list(ids2d.shape)} and lengths "
                f"{list(rows)} do not belong together.",
                "Give [clips, rows, q] and [clips, rows, 6, q] with a length for each clip.",
            )
        frames = self.config.vq.frames_per_token
        clips: dict[int, np.ndarray] = {}
        for group in self._decoding_groups(rows) if independent else [list(range(len(rows)))]:
            longest = max(rows[i] for i in group)
            motion, _ = self.networks.vq.decode(
                ids1d[group][:, :longest].to(self.device), ids2d[group][:, :longest].to(self.device)
            )
            values = self.stats.denormalise(motion).float().cpu().numpy()
            clips |= {i: values[k, : rows[i] * frames] for k, i in enumerate(group)}
        return [clips[i] for i in range(len(rows))]

    def encode_motions(self, motions: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Token ids ``[T // 4, Q]`` and ``[T // 4, 6, Q]`` of un-normalised features ``[T, 263]``.

        Raises:
            FormatError: a clip of another shape, shorter than four frames, or not finite.
        """
        out = []
        for motion in motions:
            x = torch.as_tensor(np.asarray(motion, dtype=np.float32))
            if x.dim() != 2 or not torch.isfinite(x).all() or x.shape[1] != len(self.stats.mean):
                raise FormatError(
                    f"A motion of shape {list(x.shape)} cannot be coded.",
                    f"Give finite features [frames, {len(self.stats.mean)}].",
                )
            with torch.no_grad():
                ids = self.networks.vq.encode(self.stats.normalise(x)[None].to(self.device))
            out.append((ids[0][0].cpu().numpy(), ids[1][0].cpu().numpy()))
        return out

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=getattr(torch, self.precision))

    def _decoding_groups(self, rows: Sequence[int]) -> list[list[int]]:
        """Clips of equal length, a few at a time: the decoder's maps are large."""
        by_length: dict[int, list[int]] = {}
        for index, length in enumerate(rows):
            by_length.setdefault(length, []).append(index)
        size = DECODED_AT_ONCE
        return [g[k : k + size] for g in by_length.values() for k in range(0, len(g), size)]


def step_counter(total: int, on_step: StepCallback | None) -> Callable[[], None]:
    """A call per step for the samplers that becomes ``on_step(done, total)``; starts with 0."""
    done = 0
    if on_step is not None:
        on_step(0, total)

    def step() -> None:
        nonlocal done
        done += 1
        if on_step is not None:
            on_step(done, total)

    return step
