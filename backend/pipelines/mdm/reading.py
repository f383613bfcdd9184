"""What an MDM model reads of a caption: its own text encoder, as it was in training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ...models.mdm.network import MDM
from ...text import clip, distilbert
from ...text.minilm_sentences import MiniLMSentences
from ..calls import cut_warning

CAPTION_TOKENS = 22
"""CLIP tokens read of a caption, marks included, by models of HumanML3D and KIT-ML."""

_ENCODERS = {
    "clip": clip.ClipTextEncoder,
    "bert": distilbert.DistilBertEncoder,
    "minilm": MiniLMSentences,
}

_log = logging.getLogger(__name__)


class CaptionReader:
    """The text side of a network.

    Args:
        encoder: loaded on first use when None: the model's own, else by ``name``.
        folder: of the model, where its encoder may be.
    """

    def __init__(
        self,
        net: MDM,
        device: torch.device,
        *,
        encoder: Any = None,
        name: str = "",
        folder: Path | None = None,
        local_files_only: bool = False,
    ) -> None:
        self._net = net
        self._device = device
        self._encoder = encoder
        self._folder = folder
        self._options: dict[str, object] = {"device": device, "local_files_only": local_files_only}
        if name:
            self._options["name"] = name

    @property
    def encoder(self) -> Any:
        """The text encoder."""
        if self._encoder is None:
            kind: Any = _ENCODERS[self._net.config.text_encoder]
            self._encoder = kind.load(self._folder, **self._options)
        return self._encoder

    def encode(self, captions: Sequence[str]) -> Any:
        """What the network takes as ``y["text_embed"]``; logs that captions were cut.

        Returns:
            CLIP ``[1, B, 512]`` float32; DistilBERT states ``[N, B, 768]`` and padding ``[B, N]``.
        """
        if self._reads_tokens:
            states, padding = self.encoder.encode(list(captions))
            read: Any = (states.to(self._device), padding.to(self._device))
        else:
            embedded = self.encoder.encode(list(captions), context=self._context)
            width = self._net.embed_text.in_features
            read = clip.fitting(embedded, width).to(self._device)[None]
        cut = sum(self.encoder.truncated(list(captions), self._context))
        if cut:
            _log.warning("only the beginning is read of %d of %d captions", cut, len(captions))
        return read

    def warnings(self, prompt: str) -> tuple[str, ...]:
        """Whether a prompt is cut, for the person who asked."""
        cut = self.encoder.truncated([prompt], self._context)[0]
        return (cut_warning(prompt),) if cut else ()

    @property
    def at_hand(self) -> bool:
        """Whether the text encoder is in use, or came with the model."""
        home = distilbert if self._reads_tokens else clip
        return self._encoder is not None or (
            self._folder is not None and home.has_weights(self._folder)
        )

    @property
    def _reads_tokens(self) -> bool:
        return self._net.config.text_encoder == "bert"

    @property
    def _context(self) -> int | None:
        return CAPTION_TOKENS if self._net.config.dataset in ("humanml", "kit") else None
