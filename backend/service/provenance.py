"""Where a motion came from, written once for every verb and every way to ask."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..wire.control import ModelInfo
from ..wire.messages import Motion, Request

KEYS = ("prompt", "seed", "model", "params", "licence", "commercial_use", "model_sha256", "date")
"""What every motion of the engine tells, beside what only its model or its edit has to tell."""


def stamped(
    motions: list[Motion],
    request: Request,
    info: ModelInfo,
    fingerprint: str,
    warnings: tuple[str, ...],
) -> list[Motion]:
    """The motions with all of :data:`KEYS` in their meta.

    Args:
        info: of the model that made them.
        fingerprint: of its files (:func:`.store.fingerprint.fingerprint`); empty where it has none.
        warnings: of the request, beside those that a motion brings.
    """
    whose = {
        "model": request.model,
        "licence": info.licence,
        "commercial_use": info.commercial_use,
        "model_sha256": fingerprint,
        "date": datetime.now(UTC).date().isoformat(),
    }
    return [
        Motion(m.data, m.fps, _meta(m.meta, request, request.seed + index, whose, warnings))
        for index, m in enumerate(motions)
    ]


def _meta(
    told: dict[str, Any],
    request: Request,
    seed: int,
    whose: dict[str, str],
    warnings: tuple[str, ...],
) -> dict[str, Any]:
    meta = {"prompt": request.prompt, "seed": seed, "params": {}, **told, **whose}
    meta["warnings"] = list(dict.fromkeys([*warnings, *map(str, told.get("warnings", ()))]))
    return meta
