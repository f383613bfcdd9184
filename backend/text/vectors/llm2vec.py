"""LLM2Vec on Llama-3-8B-Instruct, Kimodo's text encoder: one 4,096-vector a prompt.

The base model attends in both directions, two low-rank adapters are merged into its weights, and
the states of the text and its end mark are averaged (BehnamGhader et al. 2024). It is built layer
by layer, so that the 8-bit form never needs the memory of the full one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

from ...errors import ArtifactError, InvalidRequest, ModelAbsent, ModelNotFound
from ...store.hub import TOKEN_HINT
from ...store.memory import physical_memory
from ...store.model_folder import read_json, resolve

if TYPE_CHECKING:
    from transformers import LlamaModel

BASE = "meta-llama/Meta-Llama-3-8B-Instruct"
ADAPTERS = (
    "McGill-NLP/LLM2Vec-Meta-Llama-3-8B-Instruct-mntp",
    "McGill-NLP/LLM2Vec-Meta-Llama-3-8B-Instruct-mntp-supervised",
)
START, END = "<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"
MAX_TOKENS = 512
MEMORY = {"bfloat16": 17_000_000_000, "int8": 10_000_000_000}
"""Bytes that the encoder takes while it runs."""
_SMALLER = (
    "Use precision int8 (10 GB), a table of vectors made elsewhere (kinetype text-vectors table), "
    "a fitted map (kinetype text-vectors fit), or another computer (remote:COMMAND)."
)
_log = logging.getLogger(__name__)


class Tokens(Protocol):
    """What is needed of a tokenizer: text to ids."""

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        """``{"input_ids": [...]}``."""


class Int8Linear(nn.Module):
    """Weights as int8 with one scale an output; the product is in the input's dtype."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        scale = weight.float().abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127.0
        self.register_buffer("weight", torch.round(weight.float() / scale).to(torch.int8))
        self.register_buffer("scale", scale.squeeze(1))

    weight: Tensor
    scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """``[..., in]`` to ``[..., out]``."""
        return functional.linear(x, self.weight.to(x.dtype)) * self.scale.to(x.dtype)


class LLM2Vec:
    """The encoder; a :class:`.source.VectorSource`. Build it with :meth:`load`."""

    name = "llm2vec"

    def __init__(self, net: LlamaModel, tokens: Tokens) -> None:
        self.net, self.tokens = net, tokens
        self.width = int(net.config.hidden_size)

    @classmethod
    def load(
        cls,
        folder: Path | None = None,
        *,
        precision: str = "bfloat16",
        device: torch.device | str | None = None,
        local_files_only: bool = False,
    ) -> LLM2Vec:
        """Read base model and adapters, from the hub or from ``folder`` with all three in it.

        Raises:
            ModelAbsent, ModelNotFound: not there; the gated base model's message says what to
                accept where.
            InvalidRequest: an unknown precision, or less memory than it takes.
        """
        check_memory(precision)
        names = (BASE, *ADAPTERS)
        places = [str(folder / n.rpartition("/")[2]) for n in names] if folder else list(names)
        try:
            found = [_files(place, local_files_only) for place in places]
        except ModelNotFound as error:
            absent = isinstance(error, ModelAbsent)
            raise (ModelAbsent if absent else ModelNotFound)(
                f"Kimodo's text encoder is not on this computer: {error.message}",
                f"Accept Meta's licence at https://huggingface.co/{BASE}, {TOKEN_HINT}, then "
                f"download it (16 GB). {_SMALLER}",
                error.detail,
            ) from error
        base = read_json(found[0] / "config.json")
        if folder is None and base.get("_name_or_path") not in (None, "", BASE):
            _log.warning("the base model calls itself %r, not %s", base["_name_or_path"], BASE)
        from transformers import AutoTokenizer

        net = build(found[0], found[1:], precision=precision)
        return cls(net.to(device or "cpu"), AutoTokenizer.from_pretrained(found[0]))

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """See :class:`.source.VectorSource`; one text at a time, without padding."""
        return torch.stack([self._one(text) for text in texts])

    def _one(self, text: str) -> Tensor:
        ids, pooled = marked(text, self.tokens)
        device = self.net.embed_tokens.weight.device
        states = two_way(self.net, torch.tensor([ids], device=device))[0]
        return states[-pooled:].float().mean(dim=0).cpu()


def marked(text: str, tokens: Tokens) -> tuple[list[int], int]:
    """Ids of a text as the encoder reads it, and how many of the last ones are averaged."""
    own = tokens(text.strip() + END, add_special_tokens=False)["input_ids"]
    ids = tokens(START + text.strip() + END)["input_ids"][:MAX_TOKENS]
    return ids, min(len(own), len(ids))


def two_way(net: LlamaModel, ids: Tensor) -> Tensor:
    """Last states ``[B, T, D]`` of ids ``[B, T]`` with attention in both directions."""
    length = ids.shape[1]
    visible = torch.zeros(len(ids), 1, length, length, device=ids.device)
    dtype = net.embed_tokens.weight.dtype
    states: Tensor = net(ids, attention_mask=visible.to(dtype), use_cache=False).last_hidden_state
    return states


def build(base: Path, adapters: Sequence[Path], *, precision: str = "bfloat16") -> LlamaModel:
    """The base model with merged adapters, one layer after the other.

    Args:
        precision: "float32", "bfloat16" or "int8" (weights of the layers).
    """
    from transformers import LlamaConfig, LlamaModel
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer

    config = LlamaConfig.from_pretrained(base)
    config._attn_implementation = "sdpa"
    layers, config.num_hidden_layers = config.num_hidden_layers, 0
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    deltas = [_Adapter(folder) for folder in adapters]
    with _Weights(base) as weights:
        net = LlamaModel(config).to(dtype)
        for name in ("embed_tokens.weight", "norm.weight"):
            net.get_parameter(name).data = weights(name).to(dtype)
        for index in range(layers):
            layer = LlamaDecoderLayer(config, index).to(dtype)
            for name, parameter in list(layer.named_parameters()):
                full = weights(f"layers.{index}.{name}").float()
                for delta in deltas:
                    full = delta.added(f"layers.{index}.{name}", full)
                parameter.data = full.to(dtype)
            net.layers.append(_quantised(layer) if precision == "int8" else layer)
    config.num_hidden_layers = layers
    return net.eval().requires_grad_(False)


def _quantised(layer: nn.Module) -> nn.Module:
    for name, module in list(layer.named_modules()):
        if isinstance(module, nn.Linear):
            parent = layer.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], Int8Linear(module.weight.data))
    return layer


class _Weights:
    """Tensors of a folder of safetensors files by name, each read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._files = [safe_open(path, "pt") for path in sorted(folder.glob("*.safetensors"))]
        self._home: dict[str, Callable[[str], Tensor]] = {}
        self._names: dict[str, str] = {}
        for file in self._files:
            for name in file.keys():  # noqa: SIM118
                short = name.removeprefix("model.")
                self._home[short], self._names[short] = file.get_tensor, name

    def __enter__(self) -> _Weights:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.clear()

    def __call__(self, name: str) -> Tensor:
        if name not in self._home:
            raise ArtifactError(f"The base model lacks {name}.", "Download it again.")
        return self._home[name](self._names[name])


@dataclass(frozen=True)
class _Adapter:
    """Low-rank changes of weights: ``W + alpha / r * B A``."""

    folder: Path

    def added(self, name: str, weight: Tensor) -> Tensor:
        """The weight of that name with this adapter's change."""
        stem = name.removesuffix(".weight")
        with safe_open(self.folder / "adapter_model.safetensors", "pt") as file:
            names = {_stem(key): key for key in file.keys()}  # noqa: SIM118
            keys = [names.get(f"{stem}.lora_{part}") for part in "AB"]
            if None in keys:
                return weight
            a, b = (file.get_tensor(str(key)).float() for key in keys)
        values = json.loads((self.folder / "adapter_config.json").read_text(encoding="utf-8"))
        return weight + values["lora_alpha"] / values["r"] * (b @ a)


def _stem(key: str) -> str:
    """``base_model.model.model.layers.0.mlp.up_proj.lora_A.weight`` from ``layers.`` on."""
    return key[key.find("layers.") :].removesuffix(".weight").replace(".default", "")


def _files(place: str, local_files_only: bool) -> Path:
    patterns = ("*.safetensors", "*.json")
    return resolve(place, (), optional=patterns, local_files_only=local_files_only)


def check_memory(precision: str) -> None:
    """Raise :class:`InvalidRequest` where this computer has too little memory for the encoder."""
    if precision not in MEMORY:
        raise InvalidRequest(
            f"Unknown precision {precision!r}.", f"Use one of: {', '.join(MEMORY)}."
        )
    need, have = MEMORY[precision], physical_memory()
    _log.info("Kimodo's text encoder takes %.0f GB of memory", need / 1e9)
    if have is not None and have < need:
        raise InvalidRequest(
            f"Kimodo's text encoder takes {need / 1e9:.0f} GB of memory, this computer has "
            f"{have / 1e9:.0f}.",
            _SMALLER,
        )
