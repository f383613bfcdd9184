"""``kinetype convert-checkpoint hymotion``: the published folder to safetensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...errors import InternalError
from ...store.options import option
from ..family import Tell

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from .pipeline import HYMotionPipeline

_FRAMES = 30
"""Length of the clip that --verify generates."""


@dataclass(frozen=True)
class HYMotionConversion:
    """HY-Motion's published folder, its weights as safetensors and the text table beside them"""

    source: Path = option(help="the published folder", positional=True, metavar="IN")
    out: Path = option(help="model folder to make", positional=True, metavar="OUT")
    verify: bool = option(
        False, "compare tensors and a motion of both; nothing is kept if they differ"
    )
    precision: Literal["float32", "bfloat16"] = option(
        "float32", "to compute in when the folder is used; the files are float32 (default float32)"
    )
    overwrite: bool = option(False, "replace OUT if it is there")

    def convert(self, tell: Tell) -> Path:
        """Read, write beside OUT, compare, and only then give the folder its name."""
        from ...store.new_folder import new_folder
        from .pipeline import HYMotionPipeline

        source = self.source.expanduser()
        one = HYMotionPipeline.from_pretrained(source, device="cpu", local_files_only=True)
        with new_folder(self.out, overwrite=self.overwrite, sources=(source,)) as folder:
            one.precision = self.precision
            one.write(folder)
            if self.verify:
                _compare(
                    one,
                    HYMotionPipeline.from_pretrained(folder, device="cpu", precision="float32"),
                    tell,
                )
        return self.out


def _compare(one: HYMotionPipeline, other: HYMotionPipeline, tell: Tell) -> None:
    import torch

    from .sampling import TextFeatures, sample_flow

    def tensors(pipeline: HYMotionPipeline) -> list[Tensor]:
        m = pipeline.model
        state = list(pipeline.net.state_dict().values())
        return [*state, m.stats.mean, m.stats.std, m.nulls.pooled, m.nulls.tokens]

    def made(pipeline: HYMotionPipeline) -> np.ndarray:
        config = pipeline.net.config
        generator = torch.Generator().manual_seed(0)
        text = TextFeatures(
            torch.randn(1, 3, config.text_width, generator=generator),
            torch.ones(1, 3, dtype=torch.bool),
            torch.randn(1, config.pooled_width, generator=generator),
        )
        noise = torch.randn(1, config.frames, config.features, generator=generator)
        nulls = pipeline.model.nulls
        return sample_flow(pipeline.net, text, nulls, [_FRAMES], noise, steps=2)[0].numpy()

    pairs = list(zip(tensors(one), tensors(other), strict=True))
    weights = max(float((a - b).abs().max()) for a, b in pairs)
    tell("result", f"weights: {len(pairs)} tensors, max-abs-diff = {weights}")
    motion = float(abs(made(one) - made(other)).max())
    tell("result", f"motions: max-abs-diff = {motion}")
    if weights or motion:
        raise InternalError(
            "The converted model is not the same; it was not kept.", "Please report this."
        )
