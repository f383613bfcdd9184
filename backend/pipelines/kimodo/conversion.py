"""``kinetype convert-checkpoint kimodo``: the published folder with its weights as safetensors."""

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

    from .pipeline import KimodoPipeline

_FRAMES = 30
"""Length of the clip that --verify generates."""


@dataclass(frozen=True)
class KimodoConversion:
    """Kimodo's published folder, its weights as safetensors and the text table beside them"""

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
        from .pipeline import KimodoPipeline

        source = self.source.expanduser()
        one = KimodoPipeline.from_pretrained(source, device="cpu", local_files_only=True)
        with new_folder(self.out, overwrite=self.overwrite, sources=(source,)) as folder:
            one.precision = self.precision
            one.write(folder)
            if self.verify:
                _compare(
                    one,
                    KimodoPipeline.from_pretrained(folder, device="cpu", precision="float32"),
                    tell,
                )
        return self.out


def _compare(one: KimodoPipeline, other: KimodoPipeline, tell: Tell) -> None:
    import torch

    from .constraints import nothing
    from .sampling import KimodoOptions, sample_features

    def tensors(pipeline: KimodoPipeline) -> list[Tensor]:
        s = pipeline.net.stats
        state = list(pipeline.net.state_dict().values())
        return [*state, s.mean, s.std, s.local_mean, s.local_std]

    def made(pipeline: KimodoPipeline) -> np.ndarray:
        config = pipeline.net.config
        generator = torch.Generator().manual_seed(0)
        text = torch.randn(1, config.text_width, generator=generator)
        noise = torch.randn(_FRAMES, config.features, generator=generator)
        options = KimodoOptions(steps=2)
        known = [nothing(_FRAMES, pipeline.bones)]
        return sample_features(pipeline.net, text, known, [0.0], [noise], options)[0]

    pairs = list(zip(tensors(one), tensors(other), strict=True))
    weights = max(float((a - b).abs().max()) for a, b in pairs)
    tell("result", f"weights: {len(pairs)} tensors, max-abs-diff = {weights}")
    motion = float(abs(made(one) - made(other)).max())
    tell("result", f"motions: max-abs-diff = {motion}")
    if weights or motion:
        raise InternalError(
            "The converted model is not the same; it was not kept.", "Please report this."
        )
