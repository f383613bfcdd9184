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
from .folder import MDMPipelineConfig

CAPTION_TOKENS = 22
"""CLIP tokens read of a caption, marks included, by models of HumanML3D and KIT-ML."""

_ENCODERS = {
    "clip": clip.ClipTextEncoder,
    "bert": distilbert.DistilBertEncoder,
    "minilm": MiniLMSentences,
}

_log = logging.getLogger(__name__)


class MdmReading:
    """The text side of a pipeline; a part of :class:`backend.pipelines.mdm.MDMPipeline`."""

    config: MDMPipelineConfig
    net: MDM
    device: torch.device
    _encoder: Any
    _folder: Path | None
    _local_files_only: bool

    @property
    def encoder(self) -> Any:
        """The text encoder, loaded on first use: the model's own, else by name."""
        if self._encoder is None:
            kind: Any = _ENCODERS[self.net.config.text_encoder]
            options = {"device": self.device, "local_files_only": self._local_files_only}
            if self.config.text_encoder:
                options["name"] = self.config.text_encoder
            self._encoder = kind.load(self._folder, **options)
        return self._encoder

    def encode_text(self, captions: Sequence[str]) -> Any:
        """What the network takes as ``y["text_embed"]``; logs that captions were cut.

        Returns:
            CLIP ``[1, B, 512]`` float32; DistilBERT states ``[N, B, 768]`` and padding ``[B, N]``.
        """
        if self._reads_tokens:
            states, padding = self.encoder.encode(list(captions))
            read: Any = (states.to(self.device), padding.to(self.device))
        else:
            embedded = self.encoder.encode(list(captions), context=self._context)
            read = clip.fitting(embedded, self.net.embed_text.in_features).to(self.device)[None]
        cut = sum(self.encoder.truncated(list(captions), self._context))
        if cut:
            _log.warning("only the beginning is read of %d of %d captions", cut, len(captions))
        return read

    @property
    def _reads_tokens(self) -> bool:
        return self.net.config.text_encoder == "bert"

    @property
    def _context(self) -> int | None:
        return CAPTION_TOKENS if self.net.config.dataset in ("humanml", "kit") else None

    def _has_encoder(self) -> bool:
        """Whether the text encoder is in use, or came with the model."""
        home = distilbert if self._reads_tokens else clip
        return self._encoder is not None or (
            self._folder is not None and home.has_weights(self._folder)
        )

    def _warnings(self, prompt: str) -> list[str]:
        return [cut_warning(prompt)] if self.encoder.truncated([prompt], self._context)[0] else []
