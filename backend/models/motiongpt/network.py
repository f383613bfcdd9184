"""MotionGPT: a motion tokenizer and a language model that reads and writes its tokens.

Jiang et al., "MotionGPT: Human Motion as a Foreign Language", NeurIPS 2023. Names of parameters are
those of the published checkpoint: ``vae.*`` and ``lm.language_model.*``.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from .t5 import T5, T5Config
from .vqvae import MotionVQVAE, VQVAEConfig

LM_PREFIX = "lm.language_model."
VAE_PREFIX = "vae."
EMBEDDING = LM_PREFIX + "shared.weight"
EMBEDDING_COPIES = (
    LM_PREFIX + "encoder.embed_tokens.weight",
    LM_PREFIX + "decoder.embed_tokens.weight",
)
"""Keys of checkpoints that repeat :data:`EMBEDDING`."""


class _LanguageModel(nn.Module):
    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.language_model = T5(config)


class MotionGPT(nn.Module):
    """Both networks."""

    def __init__(self, vae: VQVAEConfig, t5: T5Config) -> None:
        super().__init__()
        self.vae = MotionVQVAE(vae)
        self.lm = _LanguageModel(t5)

    @property
    def language_model(self) -> T5:
        """The text and motion token model."""
        return self.lm.language_model


def vae_config_of(state: Mapping[str, Tensor]) -> VQVAEConfig:
    """The tokenizer's sizes, read off the shapes in a checkpoint.

    Dilations and the activation leave no trace there: they are the published ones.

    Raises:
        KeyError: the tensors of a tokenizer are not there.
    """
    prefix = VAE_PREFIX + "encoder.model."
    first = state[prefix + "0.weight"]
    codes, code_dim = state[VAE_PREFIX + "quantizer.codebook"].shape
    tail = ".1.model.0.conv1.weight"
    blocks = [k for k in state if k.startswith(prefix) and k.endswith(tail)]
    inner = prefix + "2.1.model."
    stack = [k for k in state if k.startswith(inner) and k.endswith(".conv1.weight")]
    return VQVAEConfig(
        features=first.shape[1],
        codes=codes,
        code_dim=code_dim,
        width=first.shape[0],
        down_t=len(blocks),
        stride_t=state[prefix + "2.0.weight"].shape[-1] // 2,
        depth=len(stack),
    )
