"""HY-Motion's text features: Qwen3-8B's last states of the prompt, and CLIP ViT-L/14's vector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ...errors import InvalidRequest, ModelAbsent, ModelNotFound
from ...store import hub_cache
from ...store.memory import physical_memory

LANGUAGE_MODEL = "Qwen/Qwen3-8B"
IMAGE_TEXT_MODEL = "openai/clip-vit-large-patch14"
MAX_TOKENS = 128
MEMORY = 18_000_000_000
"""Bytes that both encoders take in bfloat16."""
INSTRUCTION = (
    "Summarize the user's text for motion retrieval and generation. Keep the actions, their order, "
    "the limbs and the manner."
)
"""System text in front of the prompt.

The released wording is not published in the material at hand; the states depend on it, so a model
folder may carry the true one in ``text_instruction.txt``.
"""
_SMALLER = "Use a table of features made elsewhere (kinetype text-vectors table)."


class ChatTokens(Protocol):
    """What is needed of a chat model's tokenizer."""

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: object) -> str:
        """The conversation as the model reads it."""

    def __call__(self, text: str, **options: object) -> dict[str, list[int]]:
        """``{"input_ids": [...]}``."""


class LanguageModel(Protocol):
    """What is needed of the language model."""

    def __call__(self, ids: Tensor) -> object:
        """An object with ``last_hidden_state`` ``[1, T, width]``."""


def check_memory() -> None:
    """Raise :class:`InvalidRequest` where this computer has too little memory."""
    have = physical_memory()
    if have is not None and have < MEMORY:
        raise InvalidRequest(
            f"HY-Motion's text encoders take {MEMORY / 1e9:.0f} GB of memory, this computer has "
            f"{have / 1e9:.0f}.",
            _SMALLER,
        )


def prompt_states(
    text: str, net: LanguageModel, tokens: ChatTokens, instruction: str = INSTRUCTION
) -> Tensor:
    """Last hidden states of the user's text ``[at most 128, width]``, what is before it cut off."""

    def written(user: str) -> list[int]:
        talk = [{"role": "system", "content": instruction}, {"role": "user", "content": user}]
        chat = tokens.apply_chat_template(
            talk, tokenize=False, add_generation_prompt=False, enable_thinking=False
        )
        return tokens(chat, add_special_tokens=False)["input_ids"]

    ids = written(text)
    other = written("")
    start = next((i for i, (a, b) in enumerate(zip(ids, other, strict=False)) if a != b), 0)
    states: Tensor = net(torch.tensor([ids])).last_hidden_state[0]  # type: ignore[attr-defined]
    return states[start : start + MAX_TOKENS].float()


def _refuse_absent() -> None:
    for name in (LANGUAGE_MODEL, IMAGE_TEXT_MODEL):
        if hub_cache.snapshot(name) is None:
            raise ModelAbsent(
                f"HY-Motion's text encoder {name} is not on this computer.",
                f"Download {LANGUAGE_MODEL} and {IMAGE_TEXT_MODEL} (17 GB). {_SMALLER}",
                name,
            )


class QwenAndClip:
    """Both encoders, read on first use through transformers."""

    name = "Qwen3-8B and CLIP ViT-L/14"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        instruction: str = INSTRUCTION,
        local_files_only: bool = False,
    ) -> None:
        """Read them from the hub, or from ``folder`` with both in it under their last names.

        Raises:
            InvalidRequest: less memory than they take.
            ModelAbsent, ModelNotFound: they are not there.
        """
        check_memory()
        from transformers import AutoModel, AutoTokenizer, CLIPTextModel, CLIPTokenizerFast

        names = [LANGUAGE_MODEL, IMAGE_TEXT_MODEL]
        if folder is None and local_files_only:
            _refuse_absent()
        if folder is not None:
            names = [str(folder / name.rpartition("/")[2]) for name in names]
        options = {"local_files_only": local_files_only}
        try:
            self._tokens = AutoTokenizer.from_pretrained(names[0], **options)
            self._net = AutoModel.from_pretrained(names[0], dtype=torch.bfloat16, **options).eval()
            self._clip_tokens = CLIPTokenizerFast.from_pretrained(names[1], **options)
            self._clip = CLIPTextModel.from_pretrained(names[1], **options).eval()
        except OSError as error:
            raise ModelNotFound(
                "HY-Motion's text encoders are not on this computer.",
                f"Go online for {LANGUAGE_MODEL} and {IMAGE_TEXT_MODEL} (17 GB). {_SMALLER}",
                str(error),
            ) from error
        self._instruction = instruction

    @torch.inference_mode()
    def features(self, text: str) -> dict[str, Tensor]:
        """``tokens`` ``[M, 4096]`` and ``pooled`` ``[1, 768]`` of a prompt."""
        tokens = prompt_states(text, self._net, self._tokens, self._instruction)
        ids = self._clip_tokens(text, truncation=True, max_length=77, return_tensors="pt")
        return {"tokens": tokens, "pooled": self._clip(**ids).pooler_output.float()}

    def all_features(self, texts: Sequence[str]) -> list[dict[str, Tensor]]:
        """:meth:`features` of each text."""
        return [self.features(text) for text in texts]
