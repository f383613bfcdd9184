"""Panics of the tokenizers library as ordinary errors.

Its Rust code panics on some damaged files. Python gets that as an exception that is no
:class:`Exception`: it passes every ordinary handler and would end the thread it meets.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_ENDINGS = (KeyboardInterrupt, SystemExit, GeneratorExit)


@contextmanager
def panics_are_errors() -> Iterator[None]:
    """Raise a :class:`ValueError` where the block panics; all else passes."""
    try:
        yield
    except (Exception, *_ENDINGS):
        raise
    except BaseException as error:
        raise ValueError(f"the tokenizers library gave up: {error}") from error
