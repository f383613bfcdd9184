"""Which weights exactly: one hash of a model's files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ..errors import ArtifactError
from .config_files import CHECKSUMS_KEY, read_json

WEIGHTS = (".safetensors", ".pt", ".pth", ".tar", ".npy")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def fingerprint(place: Path) -> str:
    """SHA-256 over names and hashes of the weights and configurations in a folder, or of a file.

    Hashes that a configuration states, or by which the hub names its copies, are not computed
    again: loading has compared them.
    """
    if place.is_file():
        return _digest(place, {})
    files = [f for f in sorted(place.iterdir()) if f.is_file() and f.name[:1] != "."]
    configs = [f for f in files if f.suffix == ".json"]
    stated: dict[str, str] = {}
    for config in configs:
        stated |= _stated(config)
    lines = [
        f"{file.name} {_digest(file, stated)}"
        for file in files
        if file.suffix in WEIGHTS or file in configs
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _stated(config: Path) -> dict[str, str]:
    try:
        found = read_json(config).get(CHECKSUMS_KEY)
    except ArtifactError:  # a file of JSON that is no configuration
        return {}
    return found if isinstance(found, dict) else {}


def _digest(file: Path, stated: dict[str, str]) -> str:
    if _SHA256.fullmatch(str(stated.get(file.name, ""))):
        return stated[file.name]
    blob = file.resolve().name
    if file.is_symlink() and _SHA256.fullmatch(blob):
        return blob
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
