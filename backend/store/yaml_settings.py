"""Settings of a released model as YAML: the entries of all sections, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from ..errors import ArtifactError
from ..motion.io import bounds
from .config_files import COPY_HINT


def read_settings(path: Path) -> dict[str, object]:
    """Every entry of a nested YAML file that is no section; inner ones count where names repeat.

    Raises:
        ArtifactError: missing, no YAML, or far larger than such files are, also by sections that
            are named again and again.
    """
    try:
        if path.stat().st_size > bounds.MAX_YAML_BYTES:
            raise ValueError("it is far too large")
        return _flat(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.", COPY_HINT) from error


def _flat(content: object) -> dict[str, object]:
    found: dict[str, object] = {}
    waiting, seen = [content], 0
    while waiting:
        section = waiting.pop(0)
        for key, value in section.items() if isinstance(section, Mapping) else ():
            seen += 1
            if seen > bounds.MAX_SETTINGS:
                raise ValueError("it has far too many entries")
            if isinstance(value, Mapping):
                waiting.append(value)
            else:
                found[str(key)] = value
    return found


def number_of(settings: Mapping[str, object], name: str, default: float) -> float:
    """A number within its bounds, or ``default`` where there is none; :class:`ValueError` else."""
    value = settings.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r:.40}")
    bounds.check_number(name, value)
    return float(value)
