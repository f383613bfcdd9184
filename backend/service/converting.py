"""The child process of :mod:`.library` that converts a release; it answers in JSON lines."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
from pathlib import Path

from ..errors import InvalidRequest, KinetypeError
from ..pipelines.family import families
from ..store import watch
from .jobs import internal_error

_ENCODER_FIELDS = ("text_encoder", "clip")


def main() -> int:
    """One job: family, source, out, text_encoder."""
    job: dict[str, str] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer

    def answer(**values: object) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    def moved(stage: str, done: int, total: int) -> None:
        answer(stage=stage, step=done, total=total)

    try:
        with watch.watched(moved):
            _convert(job, lambda _, text: answer(said=text))
        answer(done=True)
    except BaseException as error:
        told = error if isinstance(error, KinetypeError) else internal_error(error)
        answer(
            error={
                "code": told.code,
                "message": told.message,
                "hint": told.hint,
                "detail": told.detail,
            }
        )
        return 1
    return 0


def _convert(job: dict[str, str], tell: object) -> None:
    family = families()[job["family"]]
    conversion = family.load(family.converter)
    fields = {item.name: item for item in dataclasses.fields(conversion)}
    required = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n != "out"]
    values: dict[str, object] = {
        required[0]: Path(job["source"]),
        "out": Path(job["out"]),
        "verify": True,
    }
    if job["text_encoder"]:
        encoder = next((name for name in _ENCODER_FIELDS if name in fields), None)
        if encoder is None:
            raise InvalidRequest(
                f"Models of {family.name} take no text encoder.", "Leave its folder empty."
            )
        values[encoder] = Path(job["text_encoder"])
    conversion(**values).convert(tell)


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
