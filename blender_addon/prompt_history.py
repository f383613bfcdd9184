"""The prompts that were asked for last, kept over sessions in the folder of the user's files."""

from __future__ import annotations

import json
from pathlib import Path

from . import folders
from .backend_access import KinetypeError, atomic, limits

LIMIT = 50
_MAX_BYTES = LIMIT * (4 * limits.MAX_PROMPT_CHARS + 8)
"""A longer file is not ours."""


def file() -> Path:
    """Where the history is, or would be."""
    return folders.user_folder(create=False) / "prompts.json"


def recent() -> list[str]:
    """The prompts, the last one first; none where the file is missing or not ours."""
    path = file()
    try:
        if path.stat().st_size > _MAX_BYTES:
            return []
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    texts = found if isinstance(found, list) else []
    return [text for text in texts if isinstance(text, str) and text.strip()][:LIMIT]


def remember(prompt: str) -> None:
    """Put a prompt first. A history that cannot be written is no reason to make no motion."""
    prompt = prompt.strip()
    if not prompt:
        return
    # read again: another Blender may have written meanwhile
    _write([prompt, *(text for text in recent() if text != prompt)][:LIMIT])


def forget() -> None:
    """Empty the history."""
    _write([])


def _write(prompts: list[str]) -> None:
    try:
        with atomic.atomic_path(file()) as path:
            path.write_text(json.dumps(prompts, ensure_ascii=False, indent=1), encoding="utf-8")
    except KinetypeError:
        return
