"""Checkpoints of other programs (``torch.save``), read without running anything of them."""

from __future__ import annotations

import argparse
import contextlib
import logging
import pickletools
import re
import sys
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from ..errors import ArtifactError
from ..motion.io import torch_file
from . import watch

COPY_HINT = "Copy or download the checkpoint again."
WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes that multi-GPU training and ``torch.compile`` put before every name."""
_CODE_HINT = "Get the checkpoint from its authors; a checkpoint needs nothing but tensors."
_SCANNED_BYTES = 2_000_000
"""Of a file that is no archive: a pickle that only runs code is short."""
_PASSIVE = frozenset(
    {"argparse", "collections", "copyreg", "datetime", "enum", "pathlib", "types", "typing"}
)
"""Modules of Python's library whose classes training programs leave beside their tensors."""
_PASSIVE_BUILTINS = frozenset(
    {"bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object"}
    | {"set", "slice", "str", "tuple", "type"}
)
_OLD_NAMES = {"__builtin__": "builtins", "commands": "subprocess", "copy_reg": "copyreg"}
"""Modules as pickles for Python 2 call them."""
_log = logging.getLogger(__name__)
Value = TypeVar("Value")


def load_checkpoint(path: Path, *, stand_ins: bool = False) -> object:
    """Content of a PyTorch checkpoint of another program (``.pt``, ``.tar``), on the CPU.

    Tensors, containers and numbers are read; training arguments (``argparse.Namespace``) and NumPy
    values, which older programs stored beside them, are read as the plain data they are. Whatever
    else the file names is refused before it could run.

    Args:
        stand_ins: read a file that also names classes of a training framework: a class that does
            nothing stands in for each. Functions that could run code are refused even so.

    Raises:
        ArtifactError: missing, damaged, or it names something that could run code.
    """
    if not path.is_file():
        raise ArtifactError(f"{path} is missing.", COPY_HINT)
    try:
        with _plain_values_allowed(_unknown_names(path) if stand_ins else []):
            found = torch_file.load(path)
    except torch_file.TooMuch as error:
        raise ArtifactError(f"{path}: {error.message}", error.hint) from error
    except Exception as error:  # a damaged or refused file raises errors of many kinds
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        code = named[1] if named else next(filter(_runs_code, _raw_names(path)), None)
        if code is not None:
            raise ArtifactError(
                f"{path} names {code}, which could run code; it was refused and nothing of it "
                "was run.",
                _CODE_HINT,
                str(error),
            ) from error
        raise ArtifactError(
            f"{path} is damaged, truncated or no PyTorch checkpoint ({path.stat().st_size} bytes).",
            COPY_HINT,
            str(error),
        ) from error
    watch.loaded(path.stat().st_size)
    return found


def unwrapped(state: Mapping[str, Value]) -> dict[str, Value]:
    """A state dict without the prefix that a training wrapper put before all of its names."""
    names = dict(state)
    found = True
    while found and names:
        found = False
        for prefix in WRAPPERS:
            if all(isinstance(name, str) and name.startswith(prefix) for name in names):
                names = {name.removeprefix(prefix): value for name, value in names.items()}
                found = True
    return names


class _StandIn:
    """Whatever class a checkpoint names beside its tensors: a container that nobody reads.

    An ordered dictionary is the one thing that PyTorch's reader gives attributes as well as items,
    so that objects and dictionaries of any class can be filled.
    """

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        return OrderedDict()


def _unknown_names(path: Path) -> list[str]:
    """Classes that an archive names beside its tensors, without what could run code."""
    listed = getattr(torch.serialization, "get_unsafe_globals_in_checkpoint", None)
    with path.open("rb") as file:
        is_archive = file.read(2) == b"PK"
    names = listed(str(path)) if listed is not None and is_archive else []
    passive = [name for name in names if not _runs_code(name)]
    if passive:
        _log.info("%s also names %s: left out", path, ", ".join(passive))
    return passive


def _runs_code(name: str) -> bool:
    """Whether a name of a pickle is of Python's own library and no passive class there."""
    module, _, rest = name.partition(".")
    module = _OLD_NAMES.get(module, module)
    if module == "builtins":
        return rest not in _PASSIVE_BUILTINS
    # a name without a module is how PyTorch reports a builtin
    known = module in sys.stdlib_module_names or not rest
    return known and module not in _PASSIVE


def _raw_names(path: Path) -> list[str]:
    """What a bare pickle names, found in its opcodes; nothing is loaded."""
    names: list[str] = []
    texts: list[str] = []
    with path.open("rb") as file, contextlib.suppress(Exception):  # damage ends the list
        for opcode, value, _ in pickletools.genops(file.read(_SCANNED_BYTES)):
            if opcode.name in ("GLOBAL", "INST"):
                names.append(str(value).replace(" ", "."))
            elif opcode.name == "STACK_GLOBAL":
                names.append(".".join(texts[-2:]))
            elif isinstance(value, str):
                texts.append(value)
    return names


@contextlib.contextmanager
def _plain_values_allowed(stand_ins: list[str]) -> Iterator[None]:
    """Allow names besides PyTorch's own list that make passive values only."""
    allow = getattr(torch.serialization, "safe_globals", None)  # PyTorch 2.5
    if allow is None:
        yield
        return
    dtypes = {type(np.dtype(code)) for code in ("f2", "f4", "f8", "i4", "i8", "u1", "?")}
    scalar, rebuild = np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]
    arrays: list[Any] = [np.ndarray, np.dtype, *dtypes]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        arrays += [(scalar, f"{module}.scalar"), (rebuild, f"{module}._reconstruct")]
    standing = [(_StandIn, name) for name in stand_ins if not name.startswith("numpy.")]
    with allow([argparse.Namespace, *arrays, *standing]), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of other pickle protocols
        yield
