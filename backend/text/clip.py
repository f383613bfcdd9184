"""CLIP's text encoder (Radford et al. 2021): captions to the vectors that MDM and MoGenTS read.

A folder holds ``clip.safetensors``, and a vocabulary where it is not CLIP's own, which ships with
Kinetype; a folder in Hugging Face's layout (``config.json``, ``model.safetensors`` or
``pytorch_model.bin``) and one with OpenAI's own ``ViT-B-32.pt`` do as well. Weights that a folder
lacks are found by name: in the Hugging Face cache, or on the hub where the network may be used.

Everything is computed in float32. The released research code runs CLIP in float16, so its
embeddings differ from these by float16 rounding; :meth:`ClipTextEncoder.half` does as it does.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import (
    ArtifactError,
    Cancelled,
    KinetypeError,
    MissingDependency,
    ModelAbsent,
)
from ..motion.io import torch_file
from ..motion.io.atomic import atomic_path
from ..store import hub
from ..store.config_files import read_json
from ..store.weights import filled, load_tensors
from . import clip_openai, clip_tokens
from .cache import LRUCache
from .clip_tokens import ClipTokens
from .clip_tower import ClipTextTower, TowerSize, openai_names

HUB_ID = "openai/clip-vit-base-patch32"
WEIGHTS = "clip.safetensors"
FILES = (WEIGHTS, *clip_tokens.FILES)
"""What a model folder may carry of the encoder."""
HUB_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
BATCH = 64
_HEADS_KEY = "heads"
_COPY_HINT = "Copy or download the text encoder again."
_CLIP_TYPES = ("clip", "clip_text_model")
_log = logging.getLogger(__name__)


class ClipTextEncoder:
    """Frozen text encoder. Build it with :meth:`load`."""

    def __init__(
        self, tower: ClipTextTower, tokens: ClipTokens | None, cache_size: int = 1024
    ) -> None:
        if tokens is not None and tokens.size > tower.size.vocabulary:
            raise ArtifactError(
                f"The CLIP vocabulary has {tokens.size} tokens, the weights have "
                f"{tower.size.vocabulary}.",
                "Both must come from the same encoder.",
            )
        self._tower = tower.float().eval().requires_grad_(False)
        self._tokens = tokens
        self._cache: LRUCache[Tensor] = LRUCache(cache_size)

    @classmethod
    def load(
        cls,
        folder: str | Path | None = None,
        *,
        name: str = HUB_ID,
        device: str | torch.device | None = None,
        local_files_only: bool = False,
        half: bool = False,
    ) -> ClipTextEncoder:
        """Load from a folder, and what it lacks from the hub's copy of ``name``.

        Args:
            folder: a model or encoder folder, or None.
            name: hub id of the encoder that the model was trained with.
            device: CPU when None.
            local_files_only: never use the network.
            half: see :meth:`half`.

        Raises:
            ModelAbsent: the files are nowhere on this computer, and none shall be fetched.
            MissingDependency: they cannot be fetched.
            ArtifactError: a file is damaged or the weights are no CLIP text encoder.
        """
        place = None if folder is None else Path(folder).expanduser()
        if place is None or not has_weights(place):
            source = _from_hub(name, ("config.json", *HUB_WEIGHTS), place, local_files_only)
        else:
            source = place
        tower = _load_tower(source)
        found = cls(tower.to(device or "cpu"), _vocabulary_for(tower, name, place, source,
                                                               local_files_only))  # fmt: skip
        return found.half() if half else found

    @classmethod
    def from_weights(cls, folder: str | Path) -> ClipTextEncoder:
        """The weights of a folder alone: it maps token ids (:meth:`features`) but reads no text."""
        return cls(_load_tower(Path(folder)), None)

    @property
    def device(self) -> torch.device:
        """Where the weights and the embeddings are."""
        return self._tower.ln_final.weight.device

    @property
    def dim(self) -> int:
        """Width of an embedding; 512 for ViT-B/32."""
        return self._tower.size.output

    @property
    def context(self) -> int:
        """Tokens that one text can have, start and end marks included; 77 for ViT-B/32."""
        return self._tower.size.context

    def to(self, device: str | torch.device) -> ClipTextEncoder:
        """Move the weights; returns self."""
        self._tower.to(device)
        self._cache = LRUCache(self._cache.capacity)
        return self

    def half(self) -> ClipTextEncoder:
        """Compute in float16 as the released research code does, on any device; returns self.

        For comparison with it from captions on; embeddings are float32 as before. Weights beyond
        float16's digits are rounded for good.
        """
        self._tower.halve()
        self._cache = LRUCache(self._cache.capacity)
        return self

    def encode(self, captions: Sequence[str], *, context: int | None = None) -> Tensor:
        """Embed captions; recent ones come from a small cache.

        Args:
            captions: any texts; the empty one is allowed.
            context: tokens read of each, start and end marks included (MDM: 22); all that the
                encoder can take when None.

        Returns:
            ``[B, dim]`` float32 on :attr:`device`, projected, not normalised.
        """
        if isinstance(captions, str):
            raise TypeError("encode takes a list of captions, not one caption")
        limit = self._limit(context)
        unique = list(dict.fromkeys(captions))
        found = {text: self._cache.get((text, limit)) for text in unique}
        new = [text for text in unique if found[text] is None]
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            for text, row in zip(batch, self.features(self.token_ids(batch, limit)), strict=True):
                kept = found[text] = row.clone()
                self._cache.put((text, limit), kept)
        rows = [row for row in (found[text] for text in captions) if row is not None]
        return torch.stack(rows) if rows else torch.zeros(0, self.dim, device=self.device)

    def token_ids(self, captions: Sequence[str], context: int | None = None) -> Tensor:
        """``[B, 77]`` int64 rows as OpenAI's ``tokenize(..., truncate=True)`` makes them."""
        return self._vocabulary().encode(captions, self._limit(context), self.context)[0]

    def truncated(self, captions: Sequence[str], context: int | None = None) -> list[bool]:
        """For each caption, whether it is longer than what is read of it."""
        return self._vocabulary().encode(captions, self._limit(context), self.context)[1]

    @torch.no_grad()
    def features(self, ids: Tensor) -> Tensor:
        """Embed rows of token ids ``[B, L]``; each row's largest id is its end mark."""
        longest = int(ids.argmax(dim=-1).max()) + 1 if len(ids) else ids.shape[1]
        if self._tower.text_projection.dtype == torch.float16:
            longest = ids.shape[1]  # the released code's sums run over all places
        return self._tower(ids[:, :longest].to(self.device, torch.int64)).float()

    def save(self, folder: str | Path) -> list[str]:
        """Write ``clip.safetensors`` and the vocabulary into a folder.

        Matrices that float16 holds without loss are stored so, which halves the file.

        Returns:
            The names of the files written.
        """
        folder = Path(folder)
        tensors = {k: _smallest(v.detach().cpu()) for k, v in self._tower.state_dict().items()}
        metadata = {"format": "pt", _HEADS_KEY: str(self._tower.size.heads)}
        with atomic_path(folder / WEIGHTS) as temporary:
            temporary.write_bytes(save(tensors, metadata=metadata))
        return [WEIGHTS] + ([] if self._tokens is None else self._tokens.save(folder))

    def _limit(self, context: int | None) -> int:
        limit = self.context if context is None else context
        if not 2 <= limit <= self.context:
            raise ValueError(f"context {limit} is not between 2 and {self.context}")
        return limit

    def _vocabulary(self) -> ClipTokens:
        if self._tokens is None:
            raise ArtifactError(
                "This CLIP encoder was loaded without its vocabulary.",
                "Load it from a folder that has vocab.json and merges.txt.",
            )
        return self._tokens


def fitting(embedded: Tensor, width: int) -> Tensor:
    """Embeddings ``[..., width]`` as they are; :class:`ArtifactError` where the width is another.

    Args:
        width: what the network reads.
    """
    if embedded.shape[-1] != width:
        raise ArtifactError(
            f"The text encoder gives {embedded.shape[-1]} numbers, the network reads {width}.",
            f"Use the encoder that the model was trained with ({HUB_ID}).",
        )
    return embedded


def _smallest(value: Tensor) -> Tensor:
    half = value.half()
    return (half if torch.equal(half.float(), value) else value).contiguous().clone()


# ---------------------------------------------------------------- where the files are


def has_weights(folder: Path) -> bool:
    """Whether a folder holds CLIP weights: ours, OpenAI's, or those of a Hugging Face CLIP."""
    if (folder / WEIGHTS).is_file() or (folder / clip_openai.FILE).is_file():
        return True
    return _is_hub_layout(folder) and any((folder / name).is_file() for name in HUB_WEIGHTS)


def _vocabulary_for(
    tower: ClipTextTower, name: str, place: Path | None, source: Path, local_files_only: bool
) -> ClipTokens:
    """The vocabulary of a folder or of the weights' source, the bundled one, or the hub's."""
    for folder in (place, source):
        if folder is not None and ClipTokens.found_in(folder):
            return ClipTokens.load(folder)
    if tower.size.vocabulary == clip_tokens.BUNDLED_SIZE:
        return ClipTokens.load(clip_tokens.BUNDLED)
    return ClipTokens.load(_from_hub(name, clip_tokens.FILES, place, local_files_only))


def _is_hub_layout(folder: Path) -> bool:
    # a motion model's folder has a model.safetensors too; only config.json tells them apart
    path = folder / "config.json"
    return path.is_file() and read_json(path).get("model_type") in _CLIP_TYPES


def _install_hint(name: str, what: str, folder: Path | None) -> str:
    if what == "vocabulary" and folder is not None:
        kinds = ", or ".join(" + ".join(names) for names in clip_tokens.KINDS)
        return f"Download {name} first, or copy its vocabulary from there into {folder}: {kinds}."
    return (
        f"Download {name} first (600 MB), or convert the model again with a copy of that folder as "
        "its text encoder (--clip)."
    )


def _from_hub(name: str, files: Sequence[str], folder: Path | None, local_files_only: bool) -> Path:
    """The local snapshot of a hub model with the files asked for."""
    what = "vocabulary" if clip_tokens.WHOLE in files else "weights"
    lacking = f"{folder} does not hold it, and it" if folder is not None else "It"
    problem = ""
    for only_local in (True, False) if not local_files_only else (True,):
        for wanted in _choices(files):
            try:
                found = hub.resolve(name, (), optional=wanted, local_files_only=only_local)
            except Cancelled:
                raise
            except KinetypeError as error:
                problem = f"{error.message} {error.hint}"
                _log.info("%s is not available from the hub: %s", name, error)
                break
            complete = ClipTokens.found_in(found) if what == "vocabulary" else has_weights(found)
            if complete:
                return found
    needed = (
        f"This model needs the {what} of the CLIP text encoder {name}. {lacking} is not in the "
    )
    if local_files_only:
        hint = _install_hint(name, what, folder)
        raise ModelAbsent(f"{needed}download cache.", hint, name)
    raise MissingDependency(
        f"{needed}download cache and cannot be downloaded.",
        _install_hint(name, what, folder),
        problem,
    )


def _choices(files: Sequence[str]) -> list[tuple[str, ...]]:
    """The file sets to try in turn, so that the same weights are not fetched in two formats."""
    if clip_tokens.WHOLE in files:
        return [tuple(files)]
    return [("config.json", weights) for weights in HUB_WEIGHTS]


# ---------------------------------------------------------------- weights


def _load_tower(folder: Path) -> ClipTextTower:
    path, heads = _weights_in(folder)
    if path.suffix == ".bin":
        tensors = _load_pickled(path)
    elif path.name == clip_openai.FILE:
        tensors = clip_openai.read_tensors(path)
    else:
        tensors = load_tensors(path)
        heads = _recorded_heads(path) if heads is None else heads
    return tower_from(tensors, heads=heads, where=str(path))


def _weights_in(folder: Path) -> tuple[Path, int | None]:
    """The weights file of a folder and how many heads its configuration names."""
    for name in (WEIGHTS, clip_openai.FILE):
        if (folder / name).is_file():
            return folder / name, None
    if not _is_hub_layout(folder):
        raise ArtifactError(
            f"{folder} holds no CLIP text encoder.",
            f"It needs {WEIGHTS}, {clip_openai.FILE}, or config.json of a CLIP model with "
            f"{' or '.join(HUB_WEIGHTS)}.",
        )
    config = read_json(folder / "config.json")
    text = {**config, **(config.get("text_config_dict") or {}), **(config.get("text_config") or {})}
    activation = text.get("hidden_act", "quick_gelu")
    if activation != "quick_gelu":
        raise ArtifactError(
            f"The CLIP in {folder} uses the activation {activation!r}; OpenAI's use quick_gelu.",
            f"Take {HUB_ID}.",
        )
    heads = text.get("num_attention_heads", 8)  # Hugging Face leaves defaults out of the file
    path = next((folder / n for n in HUB_WEIGHTS if (folder / n).is_file()), None)
    if path is None:
        raise ArtifactError(f"{folder} lacks {' or '.join(HUB_WEIGHTS)}.", _COPY_HINT)
    return path, int(heads)


def _recorded_heads(path: Path) -> int | None:
    try:
        with safe_open(path, "pt") as file:
            recorded = (file.metadata() or {}).get(_HEADS_KEY)
        return None if recorded is None else int(recorded)
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged.", _COPY_HINT, str(error)) from error


def _load_pickled(path: Path) -> dict[str, Tensor]:
    try:
        loaded: object = torch_file.load(path)
    except Exception as error:  # a damaged or refused pickle raises errors of many kinds
        raise ArtifactError(
            f"{path} cannot be opened as plain weights; nothing in it was run.",
            f"Take {HUB_WEIGHTS[0]} of the same model instead.",
            str(error),
        ) from error
    if not isinstance(loaded, dict):
        raise ArtifactError(f"{path} holds no weights.", _COPY_HINT)
    tensors = {k: v for k, v in loaded.items() if isinstance(v, Tensor)}
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}


def tower_from(
    tensors: Mapping[str, Tensor], *, heads: int | None = None, where: str = "The weights"
) -> ClipTextTower:
    """Build a tower from a state dict in OpenAI's or Hugging Face's names.

    Args:
        heads: attention heads; OpenAI's rule (width / 64) when None.
        where: file, for messages.

    Raises:
        ArtifactError: tensors are missing, left over or of the wrong shape, or not finite.
    """
    weights = openai_names(tensors)
    hint = f"Take the text encoder of {HUB_ID}."
    try:
        size = TowerSize.of(weights, heads)
    except (KeyError, ValueError, IndexError) as error:
        raise ArtifactError(f"{where} holds no CLIP text encoder ({error}).", hint) from error
    complaint = f"{where} does not fit a CLIP text encoder"
    return filled(lambda: ClipTextTower(size), weights, complaint, hint, finite=True)
