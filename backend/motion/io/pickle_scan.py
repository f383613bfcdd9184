"""How much memory and time a pickle asks for, known before it is loaded.

Loading reserves what an opcode names: a length of text or bytes, or a place in the memo, whether or
not the file goes on that far. Loading also hashes the keys of dictionaries and the members of sets,
in C and without an end in sight: tuples a hundred thousand deep overflow the stack, tuples that
hold one another twice take 2^depth steps, and numbers can be chosen so that all of them collide.
So opcodes are read here with a stack of sizes in place of values. Nothing is loaded or imported.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Sequence
from typing import BinaryIO

from ...errors import FormatError
from . import bounds

_TEXTS = frozenset(
    ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE",
     "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
)  # fmt: skip
_FILLING = frozenset(("SETITEM", "SETITEMS", "APPEND", "APPENDS", "ADDITEMS", "BUILD"))
_HOLDING = frozenset(
    ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "LIST", "DICT", "FROZENSET", "REDUCE", "NEWOBJ",
     "NEWOBJ_EX", "OBJ", "INST", "PERSID", "BINPERSID")
)  # fmt: skip

_SHORT = 64
"""Characters of the texts whose value is kept, where values are asked for."""

_HINT = "It is damaged, or made to fill the memory; get the file from its official site."


class TooMuch(FormatError):
    """A file asks for more memory than its size explains."""


class Budget:
    """Bytes that may still be made of a file of ``size`` bytes."""

    def __init__(self, size: int) -> None:
        self.left = bounds.PICKLE_TIMES * size + bounds.PICKLE_FREE

    def spend(self, count: int) -> None:
        """Charge ``count`` bytes; :class:`TooMuch` when they are not there."""
        self.left -= count
        if self.left < 0:
            raise TooMuch("it asks for far more memory than the file's size.", _HINT)

    def spend_nested(self, value: object) -> bool:
        """Charge 8 bytes for every number that nested lists would become, shared ones again.

        False, and nothing is charged, where they hold something else than numbers.
        """
        count = _expanded(value, {}, 0)
        if count is not None:
            self.spend(8 * count)
        return count is not None


def _expanded(value: object, known: dict[int, int | None], depth: int) -> int | None:
    """How many numbers nested lists stand for; None with other things. Each list is seen once."""
    if not isinstance(value, list | tuple):
        return 1 if isinstance(value, bool | int | float) else None
    if depth > bounds.MAX_DEPTH:
        raise TooMuch("lists of it are nested too deeply, or hold themselves.", _HINT)
    if id(value) not in known:
        parts = [_expanded(part, known, depth + 1) for part in value]
        known[id(value)] = None if None in parts else sum(part for part in parts if part)
    return known[id(value)]


def check_key(key: object) -> None:
    """Raise :class:`TooMuch` for a key of more parts than keys have, before it is hashed."""
    waiting, parts = [key], 0
    while waiting:
        value = waiting.pop()
        parts += 1
        if parts > bounds.MAX_KEY_PARTS:
            raise _too_deep()
        if isinstance(value, tuple):
            waiting.extend(value[: bounds.MAX_KEY_PARTS + 1])


def _too_deep() -> TooMuch:
    return TooMuch("keys of it are made of too many parts.", _HINT)


class Node:
    """A value as far as it matters.

    Attributes:
        parts: those it has as a key; a text has none.
        inner: what it holds.
        value: a short text, a number or the dotted name of a global, where values are asked for.
    """

    __slots__ = ("inner", "parts", "value")

    def __init__(
        self, parts: int = 1, inner: Sequence[Node] = (), value: str | int | None = None
    ) -> None:
        self.parts, self.inner, self.value = parts, list(inner), value


_ATOM, _TEXT = Node(), Node(0)


class Scan:
    """Follows the opcodes of a pickle with a :class:`Node` in place of each value.

    Attributes:
        steps: opcodes so far.
        root: what the pickle comes to, after its last opcode.
    """

    def __init__(self, *, values: bool = False) -> None:
        self.steps = 0
        self._values = values
        self.root = _ATOM
        self._stack: list[Node] = []
        self._marks: list[int] = []
        self._memo: dict[int, Node] = {}
        self._others = 0

    @property
    def top(self) -> Node:
        """The last value on the stack."""
        return self._stack[-1]

    def follow(self, opcode: pickletools.OpcodeInfo, argument: int, value: object = None) -> None:
        """Take one step; ``IndexError`` where the stack does not hold what it needs."""
        name = opcode.name
        self.steps += 1
        if self.steps > bounds.MAX_OPERATIONS:
            raise TooMuch(f"it has more than {bounds.MAX_OPERATIONS} operations.", _HINT)
        if name == "MARK":
            self._marks.append(len(self._stack))
        elif name == "POP" and self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        elif name == "DUP":
            self._stack.append(self._stack[-1])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo.get(argument, _ATOM))
        else:
            self._replace(opcode, value)

    def _replace(self, opcode: pickletools.OpcodeInfo, value: object) -> None:
        """Any other opcode: what it takes from the stack, and what it leaves there."""
        name, before = opcode.name, opcode.stack_before
        marked = pickletools.markobject in before
        count = before.index(pickletools.markobject) if marked else len(before)
        start = (self._marks.pop() if marked else len(self._stack)) - count
        if start < (self._marks[-1] if self._marks else 0):
            raise IndexError("the stack of the pickle holds less than it takes")
        taken = self._stack[start:]
        del self._stack[start:]
        if name in ("SETITEM", "SETITEMS"):
            self._hash(taken[1::2])
        elif name == "DICT":
            self._hash(taken[::2])
        elif name in ("ADDITEMS", "FROZENSET"):
            self._hash(taken[count:])
        if name in _FILLING:
            if taken[0] not in (_ATOM, _TEXT):
                taken[0].inner += taken[1:]
            self._stack.append(taken[0])
        elif name == "STOP":
            self.root = taken[0]
        elif name.startswith("TUPLE"):
            parts = 1 + sum(max(1, part.parts) for part in taken)
            # it could grow to 2^operations
            self._stack.append(Node(min(parts, bounds.MAX_KEY_PARTS + 1), taken))
        elif name in _HOLDING:
            self._stack.append(Node(1, taken))
        elif self._values and len(opcode.stack_after) == 1:
            self._stack.append(_told(name, value, taken))
        else:
            self._stack += [_TEXT if name in _TEXTS else _ATOM] * len(opcode.stack_after)

    def _hash(self, keys: Sequence[Node]) -> None:
        if any(key.parts > bounds.MAX_KEY_PARTS for key in keys):
            raise _too_deep()
        self._others += sum(key.parts > 0 for key in keys)
        if self._others > bounds.MAX_OTHER_KEYS:
            raise TooMuch(f"more than {bounds.MAX_OTHER_KEYS} keys of it are no texts.", _HINT)

    def check_tree(self) -> None:
        """Raise :class:`TooMuch` where walking through the content would not end soon.

        A reader that walks it meets a list as often as it is named, so that a few lists that hold
        one another twice are met 2^depth times, and one that holds itself for ever.
        """
        sizes: dict[int, int] = {}
        depths: dict[int, int] = {}
        open_: set[int] = set()
        waiting = [(self.root, False)]
        while waiting:
            node, done = waiting.pop()
            if done:
                open_.discard(id(node))
                sizes[id(node)] = 1 + sum(sizes[id(n)] for n in node.inner)
                depths[id(node)] = 1 + max((depths[id(n)] for n in node.inner), default=0)
                if sizes[id(node)] > bounds.WALK_FREE + bounds.WALK_TIMES * self.steps:
                    raise TooMuch("a few parts of it are named far too often.", _HINT)
                if depths[id(node)] > bounds.MAX_DEPTH:
                    raise TooMuch("its parts are nested too deeply.", _HINT)
            elif id(node) in open_:
                raise TooMuch("a part of it holds itself.", _HINT)
            elif id(node) not in sizes:
                open_.add(id(node))
                waiting.append((node, True))
                waiting += [(n, False) for n in node.inner if id(n) not in sizes]


def _told(name: str, value: object, taken: Sequence[Node]) -> Node:
    """A value with what it is."""
    if name == "STACK_GLOBAL":
        return Node(value=f"{taken[0].value}.{taken[1].value}")
    if name == "GLOBAL":
        return Node(value=str(value).replace(" ", ".", 1))
    parts = 0 if name in _TEXTS else 1
    short = isinstance(value, int) or (isinstance(value, str) and len(value) <= _SHORT)
    return Node(parts, value=value if short else None)  # type: ignore[arg-type]


def scan(data: bytes | BinaryIO, size: int, on_build: Callable[[Node], None] | None = None) -> Scan:
    """Follow the opcodes of one pickle; from a stream it takes no more than the pickle.

    Args:
        size: bytes that there are.
        on_build: called with every object that has got its state; it may move the stream on.

    Raises:
        FormatError: no complete pickle.
        TooMuch: an opcode names a length or memo place beyond the file, or its keys would take long
            to hash.
    """
    found = Scan(values=on_build is not None)
    try:
        for count, (opcode, value, position) in enumerate(pickletools.genops(data)):
            argument = value if isinstance(value, int) else 0
            if opcode.name == "FRAME" and argument > size - (position or 0):
                raise TooMuch("a frame of it is longer than the file.", _HINT)
            # picklers number what they memoise one by one, from 0 or 1
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= argument <= count + 1:
                raise TooMuch(f"it wants {argument} places in the memo.", _HINT)
            if opcode.name.startswith("EXT"):
                raise ValueError("it names something by a number")
            found.follow(opcode, argument, value)
            if on_build is not None and opcode.name == "BUILD":
                on_build(found.top)
    # what genops raises depends on the damage; int() of a text opcode adds the rest
    except (ValueError, IndexError, EOFError, OverflowError, TypeError) as error:
        raise FormatError(
            f"it is not a readable pickle ({error}).", "It may be truncated; get it again."
        ) from error
    return found
