"""The pickle inside a PyTorch file, read without PyTorch and without running anything of it.

``torch.save`` writes a pickle whose tensors are calls of a handful of functions with the place of
their numbers, which lie beside it: members of a zip archive, or behind the pickles of the older
form. Here those calls make passive objects that tell the place; whoever wants the numbers reads
them there (:mod:`.torch_file`). Layout: ``torch/serialization.py`` of PyTorch 2.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...errors import FormatError
from . import bounds, restricted_pickle
from .pickle_scan import Budget, TooMuch, check_key, scan
from .pickled_arrays import Passive, to_array
from .plain_values import Packer
from .restricted_pickle import Refused
from .zip_guard import check_listing

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
"""Of the older form."""
_HINT = "It is damaged, or made to fill the memory; get the file from its authors."
_DENSE_HINT = "Save it again with dense tensors (value.to_dense())."
STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "UntypedStorage": "uint8",
    "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128",
}  # fmt: skip
"""Classes of storages, and what their numbers are."""
SIZES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2,
    "int8": 1, "uint8": 1, "bool": 1, "complex64": 8, "complex128": 16, "uint16": 2, "uint32": 4,
    "uint64": 8, "float8_e4m3fn": 1, "float8_e5m2": 1,
}  # fmt: skip
"""Bytes of a number."""
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


class _Kind:
    """A class of storages or a dtype: the name of its numbers."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Storage:
    """Where the numbers of tensors are: the key that the file calls it by."""

    def __init__(self, key: str, dtype: str) -> None:
        self.key, self.dtype = key, dtype


class _Tensor:
    """A part of a storage; offset and stride in numbers."""

    def __init__(
        self, storage: object, offset: object, size: object, stride: object, dtype: object = None
    ) -> None:
        if not isinstance(storage, _Storage) or not _are_whole((offset,)):
            raise ValueError("a tensor without a storage")
        sides, steps = (tuple(v) if isinstance(v, list | tuple) else (v,) for v in (size, stride))
        if not (_are_whole(sides) and _are_whole(steps)) or len(sides) != len(steps):
            raise ValueError("the shape of a tensor is no row of whole numbers")
        kind = dtype.name if isinstance(dtype, _Kind) else storage.dtype
        self.place = [storage.key, kind, offset, list(sides), list(steps)]


class _Dict(dict[str, object]):
    """Of a network's state: what is set on it tells versions of its layers."""

    def __setstate__(self, state: object) -> None:
        pass


class _Namespace(Passive):
    """``argparse.Namespace``."""


class _StandIn(Passive):
    """A class that is not known: a container that nobody reads; its attributes are kept."""

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        """Members of a list are left out."""

    def extend(self, values: object) -> None:
        """As :meth:`append`."""


def _are_whole(values: tuple[object, ...]) -> bool:
    return len(values) <= bounds.MAX_DEPTH and all(type(v) is int and v >= 0 for v in values)


def _tensor_2(
    storage: object, offset: object, size: object, stride: object, *rest: object
) -> _Tensor:
    return _Tensor(storage, offset, size, stride)


def _tensor_3(
    storage: object, offset: object, size: object, stride: object, grad: object, hooks: object,
    dtype: object, *rest: object,
) -> _Tensor:  # fmt: skip
    return _Tensor(storage, offset, size, stride, dtype)


def _parameter(tensor: object, *rest: object) -> object:
    return tensor


def _typed(make: object, kind: object, arguments: object, state: object) -> object:
    """A tensor of a class of its own: as the plain tensor that it is."""
    if make not in (_tensor_2, _tensor_3, _parameter) or not isinstance(arguments, tuple):
        raise ValueError("a tensor that is made in another way")
    return make(*arguments)


def _other_tensor(*arguments: object) -> object:
    raise FormatError("it holds a sparse, quantised or empty (meta) tensor.", _DENSE_HINT)


def _size(sides: object = ()) -> tuple[object, ...]:
    if not isinstance(sides, list | tuple) or len(sides) > bounds.MAX_DEPTH:
        raise ValueError("a size that is none")
    return tuple(sides)


def _said(*arguments: object) -> str:
    return ":".join(str(a) for a in arguments if isinstance(a, str | int))


def _members(values: object = ()) -> set[object]:
    if not isinstance(values, list | tuple):
        raise ValueError("a set of no list")
    for value in values:
        check_key(value)
    return set(values)


def _complex(real: object = 0, imaginary: object = 0) -> complex:
    if not isinstance(real, int | float) or not isinstance(imaginary, int | float):
        raise ValueError("a complex number of other things")
    return complex(real, imaginary)


_NAMES: dict[str, object] = {
    "argparse.Namespace": _Namespace,
    "builtins.set": _members,
    "__builtin__.set": _members,
    "builtins.complex": _complex,
    "__builtin__.complex": _complex,
    "torch.Size": _size,
    "torch.device": _said,
    "torch.Tensor": _Kind("tensor"),
    "torch.nn.parameter.Parameter": _Kind("parameter"),
    "torch._utils._rebuild_tensor": _tensor_2,
    "torch._utils._rebuild_tensor_v2": _tensor_2,
    "torch._utils._rebuild_tensor_v3": _tensor_3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _typed,
    "torch.serialization._get_layout": _said,
    **{f"torch._utils._rebuild_{kind}": _other_tensor for kind in (
        "sparse_tensor", "sparse_csr_tensor", "qtensor", "meta_tensor_no_storage",
        "nested_tensor", "wrapper_subclass",
    )},
    **{f"{home}.{name}": _Kind(kind) for name, kind in STORAGES.items()
       for home in ("torch", "torch.storage", "torch.cuda")},
    **{f"torch.{name}": _Kind(name) for name in SIZES},
}  # fmt: skip


class _Reader(restricted_pickle.Restricted):
    """Args: allowed: whether a class that does nothing may stand in for a name."""

    def __init__(self, data: bytes, budget: Budget, allowed: Callable[[str], bool]) -> None:
        super().__init__(io.BytesIO(data), budget)
        self.ordered = restricted_pickle.Ordered(budget, _Dict)
        self.storages: dict[str, tuple[str, int]] = {}
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("collections", "Counter"):
            return self.ordered
        whole = f"{module}.{name}"
        if whole in _NAMES:
            return _NAMES[whole]
        try:
            return super().find_class(module, name)
        except Refused:
            if self._allowed(whole):
                return _StandIn
            raise

    def persistent_load(self, pid: object) -> object:
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise FormatError("it refers to something outside itself.", _HINT)
        kind, key, count = pid[1], pid[2], pid[4]
        offset = pid[5] if len(pid) > 5 else None
        if not isinstance(kind, _Kind) or not isinstance(key, str) or type(count) is not int:
            raise ValueError("a storage without a kind, a name or a length")
        if offset is not None:
            raise FormatError("it is a file of PyTorch before 0.4.", "Save it again with a newer.")
        self.storages[key] = (kind.name, count)
        return _Storage(key, kind.name)


def read(path: Path, arrays: BinaryIO, *, stand_ins: bool, program: str) -> object:
    """JSON of what a PyTorch file holds (:mod:`.plain_values`), and where its storages are.

    Args:
        stand_ins: let a class that does nothing stand in for each class of a training program.
        program: let it stand in for names that begin so, and for no other.

    Raises:
        Refused: it names what could run code. TooMuch: it claims more than its size explains.
        FormatError: damaged, or no PyTorch file.
    """

    def allowed(name: str) -> bool:
        return bool(program and name.startswith(program)) or (stand_ins and not runs_code(name))

    size = path.stat().st_size
    with path.open("rb") as stream:
        archive = stream.read(2) == b"PK"
        stream.seek(0)
        if archive:
            content, storages = _archive(stream, size, allowed)
        else:
            content, storages = _older(stream, size, allowed)
    budget = Budget(size)
    packer = Packer(arrays, lambda value: _other(value, budget, packer), size)
    return {"content": packer.pack(content), "storages": storages}


def _other(value: object, budget: Budget, packer: Packer) -> object:
    if isinstance(value, _Tensor):
        return {"": "tensor", "of": value.place}
    if isinstance(value, _Namespace | _StandIn):
        state = getattr(value, "state", None)  # none where nothing was set on it
        state = state if isinstance(state, dict) else {}
        texts = {k: packer.pack(v) for k, v in state.items() if isinstance(k, str)}
        return {"": "namespace" if isinstance(value, _Namespace) else "dict", "of": texts}
    if isinstance(value, _Kind):
        return value.name
    if isinstance(value, Passive):
        array = to_array(value, budget)
        return None if array is None else packer.pack(np.asarray(array))
    return None


def runs_code(name: str) -> bool:
    """Whether a name of a pickle is of Python's own library and no passive class there."""
    module, _, rest = name.partition(".")
    module = _OLD_NAMES.get(module, module)
    if module == "builtins":
        return rest not in _PASSIVE_BUILTINS
    return module in sys.stdlib_module_names and module not in _PASSIVE


def _archive(
    stream: BinaryIO, size: int, allowed: Callable[[str], bool]
) -> tuple[object, dict[str, list[object]]]:
    check_listing(stream, size)
    with zipfile.ZipFile(stream) as archive:
        members = {member.filename: member for member in archive.infolist()}
        unpacked = sum(member.file_size for member in members.values())
        if unpacked > bounds.TENSORS_TIMES * size + bounds.TENSORS_FREE:
            raise TooMuch("it unpacks to far more than its size.", _HINT)
        name = next((n for n in members if n.count("/") == 1 and n.endswith("/data.pkl")), None)
        if name is None:
            raise FormatError("it is an archive without data.pkl.", _HINT)
        if members[name].file_size > bounds.MAX_INDEX_BYTES:
            raise TooMuch(f"its index {name} is too large.", _HINT)
        root = name.partition("/")[0]
        if f"{root}/byteorder" in members and archive.read(f"{root}/byteorder") != b"little":
            raise FormatError("its numbers are big-endian.", "Save it on another computer.")
        reader, content = _loaded(archive.read(name), allowed)
    return content, {key: ["member", f"{root}/data/{key}"] for key in reader.storages}


def _loaded(data: bytes, allowed: Callable[[str], bool]) -> tuple[_Reader, object]:
    scan(data, len(data)).check_tree()
    reader = _Reader(data, Budget(len(data)), allowed)
    return reader, reader.content()


def _older(
    stream: BinaryIO, size: int, allowed: Callable[[str], bool]
) -> tuple[object, dict[str, list[object]]]:
    """Five pickles (a number, a version, the machine, the content, names of storages), numbers."""
    magic = _next(stream, size, allowed)[1]
    if magic != _MAGIC or _next(stream, size, allowed)[1] != _VERSION:
        raise FormatError("it is no PyTorch file.", _HINT)
    _next(stream, size, allowed)
    reader, content = _next(stream, size, allowed)
    keys = _next(stream, size, allowed)[1]
    storages: dict[str, list[object]] = {}
    for key in keys if isinstance(keys, list) else ():
        head = stream.read(8)
        if key not in reader.storages or len(head) < 8:
            raise FormatError("its list of storages is damaged.", _HINT)
        count = int.from_bytes(head, "little") * SIZES[reader.storages[key][0]]
        if stream.tell() + count > size:
            raise FormatError("it is truncated.", _HINT)
        storages[key] = ["bytes", stream.tell(), count]
        stream.seek(count, 1)
    return content, storages


def _next(stream: BinaryIO, size: int, allowed: Callable[[str], bool]) -> tuple[_Reader, object]:
    start = stream.tell()
    scan(stream, size)
    end = stream.tell()
    stream.seek(start)
    return _loaded(stream.read(end - start), allowed)
