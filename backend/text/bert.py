"""BERT's encoder (Devlin et al. 2019) as MiniLM and DistilBERT have it: token ids to token states.

A few dozen lines of torch in place of a library whose import takes longer than the encoder's work.
Weights are those of the Hugging Face files, translated by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ArtifactError
from ..store.config_files import read_json
from ..store.weights import filled, load_tensors

CONFIG, WEIGHTS = "config.json", "model.safetensors"
_NORM_EPS = 1e-12
_HINT = "Copy or download the text encoder again."
_PREFIXES = ("bert.", "distilbert.")
_LEFT_OUT = re.compile(r"pooler\.|cls\.|vocab_|.*position_ids$")
"""Heads of the training, and a table of numbers from zero."""
_EMBEDDINGS = {
    "embeddings.word_embeddings": "words",
    "embeddings.position_embeddings": "positions",
    "embeddings.token_type_embeddings": "kinds",
    "embeddings.LayerNorm": "norm",
}
_LAYER = re.compile(r"(?:encoder|transformer)\.layer\.(\d+)\.(.+)\.(weight|bias)")
_IN_LAYER = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "mixed",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "up",
    "output.dense": "down",
    "output.LayerNorm": "norm2",
    "attention.q_lin": "query",
    "attention.k_lin": "key",
    "attention.v_lin": "value",
    "attention.out_lin": "mixed",
    "sa_layer_norm": "norm1",
    "ffn.lin1": "up",
    "ffn.lin2": "down",
    "output_layer_norm": "norm2",
}
"""Parts of a layer as BERT's files call them, then DistilBERT's."""


@dataclass(frozen=True)
class BertSize:
    """Shape of an encoder; all but ``heads`` can be read off its weights."""

    vocabulary: int
    positions: int
    width: int
    hidden: int
    layers: int
    heads: int
    kinds: int = 0
    """Rows of the table that tells the first text of a pair from the second; DistilBERT has none"""

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], heads: int) -> BertSize:
        """Read the size off weights in the names of :class:`BertEncoder`.

        Raises:
            KeyError, ValueError: a tensor that tells it is absent or of another shape.
        """
        vocabulary, width = weights["words.weight"].shape
        if heads < 1 or width % heads:
            raise ValueError(f"{width} channels cannot be shared by {heads} heads")
        return cls(
            vocabulary=vocabulary,
            positions=len(weights["positions.weight"]),
            width=width,
            hidden=len(weights["layers.0.up.weight"]),
            layers=len({name.split(".")[1] for name in weights if name.startswith("layers.")}),
            heads=heads,
            kinds=len(weights["kinds.weight"]) if "kinds.weight" in weights else 0,
        )


class _Layer(nn.Module):
    def __init__(self, size: BertSize) -> None:
        super().__init__()
        self.heads = size.heads
        self.query, self.key, self.value, self.mixed = (
            nn.Linear(size.width, size.width) for _ in range(4)
        )
        self.up, self.down = nn.Linear(size.width, size.hidden), nn.Linear(size.hidden, size.width)
        self.norm1, self.norm2 = (nn.LayerNorm(size.width, _NORM_EPS) for _ in range(2))

    def forward(self, x: Tensor, real: Tensor | None) -> Tensor:
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=real)
        x = self.norm1(self.mixed(mixed.transpose(1, 2).flatten(2)) + x)
        return self.norm2(self.down(F.gelu(self.up(x))) + x)


class BertEncoder(nn.Module):
    """Token ids to the states of the last layer."""

    def __init__(self, size: BertSize) -> None:
        super().__init__()
        self.size = size
        self.words = nn.Embedding(size.vocabulary, size.width)
        self.positions = nn.Embedding(size.positions, size.width)
        self.kinds = nn.Embedding(size.kinds, size.width) if size.kinds else None
        self.norm = nn.LayerNorm(size.width, _NORM_EPS)
        self.layers = nn.ModuleList(_Layer(size) for _ in range(size.layers))

    def forward(self, ids: Tensor, real: Tensor | None = None) -> Tensor:
        """``[B, M]`` ids -> ``[B, M, width]``.

        Args:
            real: ``[B, M]`` bool, False on padding; all are real when None.
        """
        x = self.words(ids)
        if self.kinds is not None:
            x = x + self.kinds.weight[0]
        x = self.norm(x + self.positions.weight[: ids.shape[1]])
        mask = None if real is None else real[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask)
        return x


def load_encoder(folder: Path) -> BertEncoder:
    """The encoder in ``config.json`` and ``model.safetensors`` of a folder, on the CPU in float32.

    Raises:
        ArtifactError: a file is missing or damaged, or they do not fit each other.
    """
    path = folder / WEIGHTS
    return encoder_of(load_tensors(path), read_json(folder / CONFIG), str(path))


def encoder_of(
    tensors: Mapping[str, Tensor], config: Mapping[str, object], where: str
) -> BertEncoder:
    """The encoder of tensors in the names of BERT's or DistilBERT's files.

    Args:
        config: ``config.json`` of the encoder; only heads and activation are read.
        where: file that held the tensors, for messages.

    Raises:
        ArtifactError: they are no encoder of this kind.
    """
    activation = config.get("hidden_act", config.get("activation", "gelu"))
    if activation != "gelu":
        raise ArtifactError(f"{where} uses the activation {activation!r}, not gelu.", _HINT)
    weights = own_names(tensors)
    heads = config.get("num_attention_heads", config.get("n_heads", 12))
    try:
        if type(heads) is not int:
            raise ValueError(f"its heads are {heads!r:.40}")
        size = BertSize.of(weights, heads)
    except (KeyError, ValueError) as error:
        raise ArtifactError(f"{where} holds no encoder of BERT ({error}).", _HINT) from error
    net = filled(lambda: BertEncoder(size), weights, f"{where} is not what {CONFIG} says", _HINT)
    return net.eval().requires_grad_(False)


def own_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's tensors under the names of :class:`BertEncoder`; unknown names stay."""
    found = {}
    for name, value in tensors.items():
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
        if _LEFT_OUT.match(name):
            continue
        head, _, kind = name.rpartition(".")
        layer = _LAYER.fullmatch(name)
        if layer is not None and layer[2] in _IN_LAYER:
            name = f"layers.{layer[1]}.{_IN_LAYER[layer[2]]}.{layer[3]}"
        elif head in _EMBEDDINGS:
            name = f"{_EMBEDDINGS[head]}.{kind}"
        found[name] = value
    return found
