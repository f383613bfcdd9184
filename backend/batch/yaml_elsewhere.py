"""YAML job files where this Python cannot read them (Blender's own): another one does."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ..errors import FormatError, InvalidRequest

_PROGRAM = """
import json, sys, yaml
with open(sys.argv[1], encoding="utf-8-sig") as file:
    print(json.dumps(yaml.safe_load(file)))
"""


@contextmanager
def readable(path: Path | None, python: str | None) -> Iterator[Path | None]:
    """``path``, or for the block a copy as JSON that ``python`` made.

    Raises:
        InvalidRequest: ``python`` cannot be run. FormatError: it cannot read the file.
    """
    yaml = path is not None and path.suffix.lower() in (".yaml", ".yml")
    if not yaml or python is None or find_spec("yaml") is not None:
        yield path
        return
    assert path is not None
    command = [python, "-c", _PROGRAM, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise InvalidRequest(
            f"{python} cannot be run: {error.strerror}.", "Name the backend's Python."
        ) from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise FormatError(f"{path} cannot be read by {python}: {last}.", "Correct it there.")
    with tempfile.TemporaryDirectory(prefix="kinetype-") as folder:
        made = Path(folder) / f"{path.stem}.json"
        made.write_text(done.stdout, encoding="utf-8")
        yield made
