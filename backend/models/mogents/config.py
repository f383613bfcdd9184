"""Shapes of MoGenTS: one frozen dataclass per network, as its artifact stores them."""

from __future__ import annotations

from dataclasses import dataclass, field

JOINT_GROUPS = 6
"""Columns of the 2-D token grid: 24 (padded) joints halved twice by the encoder."""
MAX_ROWS = 200
"""Rows of the 2-D networks' position table."""
PADDED_JOINTS = 24
JOINT_FEATURES = 12
"""Of one joint in the 2-D stream: position 3, rot6d 6, velocity 3."""
_ABSENT_NORMS = ("LN", "GN", "BN")
_JOINTS = {"humanml3d": 22, "t2m": 22, "kit": 21}


@dataclass(frozen=True)
class VQConfig:
    """The two-stream residual VQ-VAE.

    ``quantize_dropout_prob`` and ``mu`` belong to training and are only kept. ``dataset_name``
    says how many joints there are: 22 for "humanml3d" (263 columns), 21 for "kit" (251).
    """

    dataset_name: str = "humanml3d"
    code_dim1d: int = 512
    nb_code1d: int = 512
    code_dim2d: int = 1024
    nb_code2d: int = 256
    down_t: int = 2
    stride_t: int = 2
    width: int = 512
    depth: int = 3
    dilation_growth_rate: int = 3
    vq_act: str = "relu"
    vq_norm: str | None = None
    num_quantizers: int = 6
    shared_codebook: bool = False
    quantize_dropout_prob: float = 0.2
    mu: float = 0.99

    def __post_init__(self) -> None:
        sizes = (self.code_dim1d, self.nb_code1d, self.code_dim2d, self.nb_code2d, self.width)
        if min(sizes) < 1 or self.depth < 1 or self.num_quantizers < 2:
            raise ValueError("every size must be positive and num_quantizers at least 2")
        if self.dataset_name not in _JOINTS:
            raise ValueError(f"dataset_name {self.dataset_name!r} is none of {sorted(_JOINTS)}")
        if (self.down_t, self.stride_t) != (2, 2):
            # the 24 joints only become 6 groups with two halvings
            raise ValueError(f"down_t {self.down_t}, stride_t {self.stride_t}: both must be 2")
        if self.vq_act not in ("relu", "silu", "gelu"):
            raise ValueError(f"vq_act {self.vq_act!r} is none of relu, silu, gelu")
        if self.vq_norm in _ABSENT_NORMS:
            raise ValueError(f"vq_norm {self.vq_norm!r} is not supported (no published model has)")

    @property
    def joints(self) -> int:
        """Joints of the skeleton."""
        return _JOINTS[self.dataset_name]

    @property
    def dim(self) -> int:
        """Columns of the representation: 263 or 251."""
        return self.joints * JOINT_FEATURES - 1

    @property
    def frames_per_token(self) -> int:
        """Motion frames that one token row stands for."""
        return int(self.stride_t**self.down_t)


@dataclass(frozen=True)
class MaskConfig:
    """The mask transformers (1-D and 2-D share it). Dropout belongs to training."""

    latent_dim: int = 384
    ff_size: int = 1024
    n_layers: int = 8
    n_heads: int = 6
    dropout: float = 0.2
    cond_drop_prob: float = 0.1
    clip_dim: int = 512
    attnj: bool = True
    attnt: bool = True

    def __post_init__(self) -> None:
        if min(self.latent_dim, self.ff_size, self.n_layers, self.n_heads, self.clip_dim) < 1:
            raise ValueError("every size must be positive")
        if self.latent_dim % 4 or self.latent_dim % self.n_heads:
            raise ValueError(
                f"latent_dim {self.latent_dim} must be divisible by 4 and by n_heads {self.n_heads}"
            )


@dataclass(frozen=True)
class ResidualConfig(MaskConfig):
    """The residual transformers (1-D and 2-D share it)."""

    cond_drop_prob: float = 0.01
    share_weight: bool = True


@dataclass(frozen=True)
class LengthConfig:
    """The length estimator: text feature to ``output_size`` bins of four frames."""

    input_size: int = 512
    output_size: int = 50


@dataclass(frozen=True)
class MoGenTSConfig:
    """Every network of a model."""

    vq: VQConfig = field(default_factory=VQConfig)
    mask: MaskConfig = field(default_factory=MaskConfig)
    res: ResidualConfig = field(default_factory=ResidualConfig)
    length: LengthConfig | None = field(default_factory=LengthConfig)

    def __post_init__(self) -> None:
        widths = {self.mask.clip_dim, self.res.clip_dim}
        if self.length is not None:
            widths.add(self.length.input_size)
        if len(widths) > 1:
            raise ValueError(f"the networks read text features of different widths: {widths}")


def plain_options(values: dict[str, object]) -> dict[str, object]:
    """Options with the text "None" turned into None, as upstream's option files write it."""
    return {name: None if value == "None" else value for name, value in values.items()}
