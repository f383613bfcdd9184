"""MiniLM behind the interface of the CLIP encoder, for MDM models that were trained with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from .minilm import MiniLMEncoder, shared


class MiniLMSentences:
    """One vector per caption; ``context`` arguments are accepted and mean nothing here."""

    def __init__(self, encoder: MiniLMEncoder) -> None:
        self._encoder = encoder

    @classmethod
    def load(
        cls,
        folder: str | Path | None = None,
        *,
        name: str = "",
        device: str | torch.device | None = None,
        local_files_only: bool = False,
    ) -> MiniLMSentences:
        """See :func:`.minilm.shared`; it comes with Kinetype, whatever the folder holds."""
        return cls(shared(local_files_only=local_files_only, device=device))

    def encode(self, captions: Sequence[str], *, context: int | None = None) -> Tensor:
        """``[B, 384]`` float32."""
        return self._encoder.encode(list(captions)).sentence

    def truncated(self, captions: Sequence[str], context: int | None = None) -> list[bool]:
        """Which captions were read only in part."""
        return self._encoder.encode(list(captions)).truncated.tolist()

    def save(self, folder: str | Path) -> list[str]:
        """Writes nothing: every Kinetype has this encoder."""
        return []
