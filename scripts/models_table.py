"""Put the table of models into docs/models.md, made of the family cards, and print it."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backend.pipelines.family import families
from backend.wire.control import ModelInfo
from backend.wire.model_words import abilities_text, length_text, licence_text, size_text

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"
COLUMNS = ("Model", "For", "Licence", "Download", "Memory", "Text", "Time", "Length", "Control")


def models() -> list[ModelInfo]:
    """Every model of a card, and of a family without a named one what all of its models share."""
    found = []
    for family in families().values():
        named = family.models or (replace(family.model, name=family.name, title=family.name),)
        for info in named:
            shared = family.model
            found.append(
                replace(
                    info,
                    abilities=shared.abilities if family.models else info.abilities,
                    text_encoder=info.text_encoder or shared.text_encoder,
                    memory_bytes=info.memory_bytes or shared.memory_bytes,
                    licence=info.licence or shared.licence,
                    excluded_regions=info.excluded_regions or shared.excluded_regions,
                )
            )
    return found


def table() -> str:
    """The rows in Markdown."""
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    for info in models():
        here = "comes with Kinetype" if info.path else "converted or linked"
        download = size_text(info.size_bytes) if info.hub_id else here
        if info.encoder_bytes:
            download += f" + {size_text(info.encoder_bytes)} text encoder"
        licence = licence_text(info) if info.licence else "in its own folder"
        if not info.licence and info.commercial_use:
            licence += f" (commercial use: {info.commercial_use})"
        rows.append(
            (
                f"`{info.name}`",
                info.description,
                licence,
                download,
                size_text(info.memory_bytes),
                info.text_encoder,
                info.speed or "not measured",
                length_text(info),
                abilities_text(info),
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    page = re.sub(r"\| Model \| For (.*\n\|)+.*\n", lambda _: table(), page, count=1)
    PAGE.write_text(page, encoding="utf-8")
    print(table(), end="")
