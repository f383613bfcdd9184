"""Text vectors from another computer: frames on the stdio of a command, as the service speaks.

``ssh gpu-box kinetype text-vectors serve`` answers ``{"encode": [texts]}`` with
``{"shape": [B, width]}`` and the float32 values, or with ``{"error": ..., "hint": ...}``.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from typing import BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from ...errors import FormatError, InvalidRequest, KinetypeError, ServiceError
from ...wire.framing import read_frame, write_frame
from .source import VectorSource

MAX_TEXTS = 256
_HINT = "Check that the command starts 'kinetype text-vectors serve' on the other computer."


def serve(source: VectorSource, read: BinaryIO, write: BinaryIO) -> None:
    """Answer requests until the other side closes its end."""
    write_frame(write, {"width": source.width, "name": source.name})
    while (frame := read_frame(read)) is not None:
        texts = frame[0].get("encode")
        listed = texts if isinstance(texts, list) else []
        named = [text for text in listed if isinstance(text, str)]
        if not 0 < len(named) <= MAX_TEXTS or len(named) < len(listed):
            write_frame(write, {"error": "The request names no texts.", "hint": ""})
            continue
        try:
            vectors = source.encode(named).float().contiguous().numpy()
        except KinetypeError as error:
            write_frame(write, {"error": error.message, "hint": error.hint})
            continue
        write_frame(write, {"shape": list(vectors.shape)}, vectors.astype("<f4").tobytes())


class RemoteVectors:
    """A :class:`.source.VectorSource` on the other end of a command's stdin and stdout."""

    name = "remote"

    def __init__(self, command: str) -> None:
        """Start ``command``; raises :class:`ServiceError` where it does not answer."""
        try:
            self._process = subprocess.Popen(
                shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            hello = self._read()
        except (OSError, ValueError, FormatError) as error:
            raise ServiceError(f"{command!r} gives no text vectors: {error}.", _HINT) from error
        width = hello[0].get("width")
        if not isinstance(width, int):
            raise ServiceError(f"{command!r} gives no text vectors.", _HINT)
        self.width = width

    def encode(self, texts: Sequence[str]) -> Tensor:
        """See :class:`.source.VectorSource`."""
        if self._process.stdin is None:
            raise ServiceError("The remote encoder is closed.", _HINT)
        try:
            stream = cast(BinaryIO, self._process.stdin)
            write_frame(stream, {"encode": list(texts)})
            header, payload = self._read()
        except (OSError, FormatError) as error:
            raise ServiceError(f"The remote encoder is gone: {error}.", _HINT) from error
        if "error" in header:
            raise InvalidRequest(str(header["error"]), str(header.get("hint", "")))
        if header.get("shape") != [len(texts), self.width]:
            raise ServiceError("The remote encoder answered something else.", _HINT)
        values = np.frombuffer(payload, dtype="<f4").reshape(len(texts), self.width)
        return torch.from_numpy(values.copy())

    def close(self) -> None:
        """End the command."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=10)

    def _read(self) -> tuple[dict[str, object], bytes]:
        assert self._process.stdout is not None
        frame = read_frame(self._process.stdout)
        if frame is None:
            raise FormatError("it ended", _HINT)
        return frame
