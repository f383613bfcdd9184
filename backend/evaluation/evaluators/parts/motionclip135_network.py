"""Two towers of CLIP's transformer, one for text and one for motion_135 (MotionCLIP-135).

The text tower is CLIP ViT-B/32's with 256 positions. The tensor names and the pooling of the
motion tower are not published; this is the documented shape (12 layers, width 512, 8 heads,
projection 512) with CLIP's names and the mean over the frames, so a released file with other names
is reported, not guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class TowerConfig:
    """Shape of one tower; ``vocabulary`` of the text tower, ``features`` of the motion tower."""

    width: int = 512
    layers: int = 12
    heads: int = 8
    feed_forward: int = 2048
    positions: int = 256
    projection: int = 512
    vocabulary: int = 49408
    features: int = 135

    def hf(self) -> Any:
        """The same as a configuration of ``transformers``."""
        from transformers import CLIPTextConfig

        config = CLIPTextConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.width,
            intermediate_size=self.feed_forward,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            max_position_embeddings=self.positions,
            projection_dim=self.projection,
            hidden_act="quick_gelu",
            bos_token_id=None,
            eos_token_id=2,
        )
        config._attn_implementation = "eager"
        return config


class MotionTower(nn.Module):
    """Normalised motion_135 ``[B, T, 135]`` to one vector ``[B, width]``, before projection."""

    def __init__(self, config: TowerConfig) -> None:
        from transformers.models.clip.modeling_clip import CLIPEncoder

        super().__init__()
        self.motion_embedding = nn.Linear(config.features, config.width)
        self.position_embedding = nn.Embedding(config.positions, config.width)
        self.encoder = CLIPEncoder(config.hf())
        self.final_layer_norm = nn.LayerNorm(config.width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``x`` [B, T, F], ``mask`` [B, T] True on real frames -> pooled [B, width]."""
        place = torch.arange(x.shape[1], device=x.device)
        hidden = self.motion_embedding(x) + self.position_embedding(place)
        bias = torch.zeros_like(mask, dtype=x.dtype).masked_fill(~mask, torch.finfo(x.dtype).min)
        out = self.encoder(inputs_embeds=hidden, attention_mask=bias[:, None, None])
        out = self.final_layer_norm(out.last_hidden_state) * mask[..., None]
        return out.sum(1) / mask.sum(1, keepdim=True)


class MotionCLIP(nn.Module):
    """Both towers with their bias-free projections."""

    def __init__(self, text: TowerConfig, motion: TowerConfig) -> None:
        from transformers import CLIPTextModel

        super().__init__()
        model = CLIPTextModel(text.hf())
        # transformers 5 made the wrapper and the tower one module
        self.text_model = getattr(model, "text_model", model)
        self.text_projection = nn.Linear(text.width, text.projection, bias=False)
        self.motion_model = MotionTower(motion)
        self.motion_projection = nn.Linear(motion.width, motion.projection, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(2.6592))

    def embed_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids ``[B, L]`` and their mask -> ``[B, projection]``, raw."""
        return self.text_projection(self.text_model(ids, attention_mask=mask).pooler_output)

    def embed_motion(self, x: Tensor, mask: Tensor) -> Tensor:
        """See :class:`MotionTower`; raw projection."""
        return self.motion_projection(self.motion_model(x, mask))
