"""Shapes of MoMask. Its transformers are MoGenTS' one-dimensional ones and share their configs."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..mogents.config import LengthConfig, MaskConfig, ResidualConfig

_JOINTS = {"t2m": 22, "humanml3d": 22, "kit": 21}
_ACTIVATIONS = ("relu", "silu", "gelu")
_NORMS = ("LN", "GN", "BN")


@dataclass(frozen=True)
class RVQConfig:
    """The residual VQ-VAE; field names are those of the released ``opt.txt``.

    ``dataset_name`` says how many joints there are: 22 for "t2m" (263 columns), 21 for "kit" (251).
    """

    dataset_name: str = "t2m"
    code_dim: int = 512
    nb_code: int = 512
    down_t: int = 2
    stride_t: int = 2
    width: int = 512
    depth: int = 3
    dilation_growth_rate: int = 3
    vq_act: str = "relu"
    vq_norm: str | None = None
    num_quantizers: int = 6
    shared_codebook: bool = False

    def __post_init__(self) -> None:
        if min(self.code_dim, self.nb_code, self.width, self.depth, self.down_t) < 1:
            raise ValueError("every size must be positive")
        if self.num_quantizers < 2 or self.dilation_growth_rate < 1:
            raise ValueError("num_quantizers must be at least 2 and dilation_growth_rate positive")
        if self.dataset_name not in _JOINTS:
            raise ValueError(f"dataset_name {self.dataset_name!r} is none of {sorted(_JOINTS)}")
        if self.stride_t != 2:
            raise ValueError(f"stride_t {self.stride_t}: the decoder doubles, so it must be 2")
        if self.vq_act not in _ACTIVATIONS:
            raise ValueError(f"vq_act {self.vq_act!r} is none of {', '.join(_ACTIVATIONS)}")
        if self.vq_norm in _NORMS:
            raise ValueError(f"vq_norm {self.vq_norm!r} is not supported (no published model has)")

    @property
    def dim(self) -> int:
        """Columns of the representation: 263 or 251."""
        return 12 * _JOINTS[self.dataset_name] - 1

    @property
    def frames_per_token(self) -> int:
        """Motion frames that one token stands for."""
        return int(self.stride_t**self.down_t)


@dataclass(frozen=True)
class MoMaskConfig:
    """Every network of a model."""

    vq: RVQConfig = field(default_factory=RVQConfig)
    mask: MaskConfig = field(default_factory=MaskConfig)
    res: ResidualConfig = field(default_factory=ResidualConfig)
    length: LengthConfig | None = field(default_factory=LengthConfig)

    def __post_init__(self) -> None:
        widths = {self.mask.clip_dim, self.res.clip_dim}
        if self.length is not None:
            widths.add(self.length.input_size)
        if len(widths) > 1:
            raise ValueError(f"the networks read text features of different widths: {widths}")
