"""The text half of CLIP (Radford et al. 2021, arXiv:2103.00020): network and weight names.

The names inside are OpenAI's own (``transformer.resblocks.0.attn.in_proj_weight``); the names of
Hugging Face's ``CLIPModel``, ``CLIPTextModel`` and ``CLIPTextModelWithProjection`` are translated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAD_WIDTH = 64
"""OpenAI's checkpoints do not say how many heads they have: one for every 64 channels."""
_PREFIXES = ("clip_model.", "text_model.", "text_encoder.", "model.")
_LAYER = re.compile(r"^(?:encoder\.)?layers\.(\d+)\.(.+)$")
_LAYER_NAMES = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_NAMES = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}


@dataclass(frozen=True)
class TowerSize:
    """Shape of a tower; everything but ``heads`` can be read off the weights."""

    vocabulary: int
    context: int
    width: int
    layers: int
    hidden: int
    output: int
    heads: int

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], heads: int | None = None) -> TowerSize:
        """Read the size off weights in OpenAI's names.

        Args:
            heads: attention heads; OpenAI's rule (width / 64) when None.

        Raises:
            KeyError: a tensor that tells the size is absent.
            ValueError: the width is no multiple of the heads.
        """
        vocabulary, width = weights["token_embedding.weight"].shape
        blocks = {k.split(".")[2] for k in weights if k.startswith("transformer.resblocks.")}
        heads = max(1, width // HEAD_WIDTH) if heads is None else heads
        if heads < 1 or width % heads:
            raise ValueError(f"{width} channels cannot be shared by {heads} heads")
        return cls(
            vocabulary=vocabulary,
            context=weights["positional_embedding"].shape[0],
            width=width,
            layers=len(blocks),
            hidden=weights["transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
            output=weights["text_projection"].shape[1],
            heads=heads,
        )


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        joined = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = joined.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))


class _MLP(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, hidden)
        self.c_proj = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.c_fc(x)
        # QuickGELU: what the published weights were trained with, not the exact GELU
        return self.c_proj(inner * torch.sigmoid(1.702 * inner))


class _Norm(nn.LayerNorm):
    """Layer norm in float32 whatever comes in, as OpenAI's."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).to(x.dtype)


class _Block(nn.Module):
    def __init__(self, size: TowerSize) -> None:
        super().__init__()
        self.ln_1 = _Norm(size.width)
        self.attn = _Attention(size.width, size.heads)
        self.ln_2 = _Norm(size.width)
        self.mlp = _MLP(size.width, size.hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class ClipTextTower(nn.Module):
    """Token ids to text features, as OpenAI's ``encode_text``."""

    def __init__(self, size: TowerSize) -> None:
        super().__init__()
        self.size = size
        self.token_embedding = nn.Embedding(size.vocabulary, size.width)
        self.positional_embedding = nn.Parameter(torch.empty(size.context, size.width))
        self.transformer = nn.Module()
        self._blocks = [_Block(size) for _ in range(size.layers)]
        self.transformer.resblocks = nn.ModuleList(self._blocks)
        self.ln_final = _Norm(size.width)
        self.text_projection = nn.Parameter(torch.empty(size.width, size.output))

    def halve(self) -> None:
        """Matrices and their biases to float16, as OpenAI loads them; norms and tables stay."""
        for block in self._blocks:
            block.attn.half()
            block.mlp.half()
        self.text_projection.data = self.text_projection.data.half()

    def forward(self, ids: Tensor) -> Tensor:
        """Features of texts.

        Args:
            ids: ``[B, L]`` int64, L at most the context; each row's largest id is its end mark.
                What follows the end mark has no influence.

        Returns:
            ``[B, output]``: the state at the end mark, projected, not normalised.
        """
        dtype = self.text_projection.dtype
        x = self.token_embedding(ids).to(dtype)
        x = x + self.positional_embedding[: ids.shape[1]].to(dtype)
        for block in self._blocks:
            x = block(x)
        ends = x[torch.arange(len(x), device=x.device), ids.argmax(dim=-1)]
        return self.ln_final(ends) @ self.text_projection


def openai_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The text half of CLIP weights under OpenAI's names.

    Args:
        tensors: a state dict in OpenAI's or Hugging Face's names, with or without a prefix; the
            image half and the temperature are left out.

    Returns:
        New dictionary; the q, k and v matrices of Hugging Face are joined.
    """
    found: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for full, value in tensors.items():
        name = _without_prefix(full)
        if name.startswith(("visual", "vision_model.")) or name in _NOT_TEXT:
            continue
        layer = _LAYER.match(name)
        if layer is not None:
            _take_layer(f"transformer.resblocks.{layer[1]}", layer[2], value, found, parts)
        elif name == "text_projection.weight":
            found["text_projection"] = value.t().contiguous()
        else:
            found[_NAMES.get(name, name)] = value
    for target, pieces in parts.items():
        if set(pieces) == {"q", "k", "v"}:
            found[target] = torch.cat([pieces[n] for n in "qkv"])
    return found


_NOT_TEXT = frozenset(
    {
        "logit_scale",
        "visual_projection.weight",
        "embeddings.position_ids",
        # stored by OpenAI's scripted archives
        "input_resolution",
        "context_length",
        "vocab_size",
    }
)


def _without_prefix(name: str) -> str:
    shortened = True
    while shortened:
        shortened = False
        for prefix in _PREFIXES:
            if name.startswith(prefix):
                name, shortened = name[len(prefix) :], True
    return name


def _take_layer(
    block: str,
    name: str,
    value: Tensor,
    found: dict[str, Tensor],
    parts: dict[str, dict[str, Tensor]],
) -> None:
    module, _, kind = name.rpartition(".")
    if re.fullmatch(r"self_attn\.[qkv]_proj", module):
        parts.setdefault(f"{block}.attn.in_proj_{kind}", {})[module[len("self_attn.")]] = value
    else:
        found[f"{block}.{_LAYER_NAMES.get(module, module)}.{kind}"] = value
