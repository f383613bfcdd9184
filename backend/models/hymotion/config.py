"""Shape of HY-Motion's network; the sizes stand in the checkpoint, the rest in ``config.yml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MASK_MODES = ("narrowband", "causal", "none")


@dataclass(frozen=True)
class HYMotionConfig:
    """The full model's numbers; Lite differs in width, layers and heads.

    Attributes:
        features: columns of the representation.
        double_layers: blocks with separate weights for motion and text; single_layers: with common.
        mlp_ratio, refiner_ratio: inner width of the blocks and of the text refiner's.
        text_width: of Qwen's token states; pooled_width: of CLIP-L's sentence vector.
        frames: motion tokens of every run; shorter clips leave the rest out.
        mask_mode: which frames a frame sees: those within ``band`` frames, those before it, or all.
        rope_motion_only: positions are put on motion tokens alone.
        time_factor: what time (0..1) is multiplied by.
    """

    features: int = 201
    width: int = 1280
    double_layers: int = 9
    single_layers: int = 18
    heads: int = 20
    mlp_ratio: float = 4.0
    refiner_layers: int = 2
    refiner_ratio: float = 4.0
    text_width: int = 4096
    pooled_width: int = 768
    frames: int = 360
    fps: float = 30.0
    mask_mode: str = "narrowband"
    band: int = 60
    rope_motion_only: bool = False
    time_factor: float = 1000.0

    def __post_init__(self) -> None:
        sizes = (self.features, self.width, self.heads, self.text_width, self.pooled_width)
        if min(sizes) < 1 or self.frames < 1 or self.band < 0 or not self.fps > 0:
            raise ValueError("every size must be positive")
        if self.width % self.heads or self.width // self.heads % 2:
            raise ValueError(f"width {self.width} does not fit {self.heads} heads")
        if self.mask_mode not in MASK_MODES:
            raise ValueError(f"mask_mode {self.mask_mode!r} is none of {', '.join(MASK_MODES)}")


def config_of(shapes: Mapping[str, Sequence[int]], **options: Any) -> HYMotionConfig:
    """The shape that a checkpoint's tensors have, and ``options`` that are in none.

    Args:
        shapes: of the tensors, without ``motion_transformer.`` in front.

    Raises:
        KeyError: a tensor of the network is missing.
    """
    width, features = shapes["input_encoder.weight"]
    single = _blocks(shapes, "single_blocks")
    double = _blocks(shapes, "double_blocks")
    inner = shapes["double_blocks.0.motion_mlp.fc1.weight"][0]
    refiner = "text_refiner.individual_token_refiner.blocks"
    return HYMotionConfig(
        features=features,
        width=width,
        double_layers=double,
        single_layers=single,
        heads=width // shapes["double_blocks.0.motion_q_norm.weight"][0],
        mlp_ratio=inner / width,
        refiner_layers=_blocks(shapes, refiner),
        refiner_ratio=shapes[f"{refiner}.0.mlp.fc1.weight"][0] / width,
        text_width=shapes["ctxt_encoder.weight"][1],
        pooled_width=shapes["vtxt_encoder.linears.0.weight"][1],
        **options,
    )


def _blocks(shapes: Mapping[str, Sequence[int]], prefix: str) -> int:
    start = f"{prefix}."
    return len({k.removeprefix(start).split(".")[0] for k in shapes if k.startswith(start)})
