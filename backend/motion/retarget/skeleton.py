"""A skeleton at rest as the retargeter sees it: bones of any names, in any axes and unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ...errors import FormatError

BLENDER_UP = (0.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Bones at rest, all in the skeleton's own space (Blender: armature space).

    Attributes:
        names: ``N`` bone names, each once.
        parents: ``N`` parent indices, -1 for a root. Parents may come after their children.
        rest: ``[N, 3, 3]`` rest orientation of each bone (Blender's ``bone.matrix_local``).
        heads: ``[N, 3]`` where each bone begins.
        tails: ``[N, 3]`` where it ends; heads where that is not known.
        up: ``[3]`` the vertical, away from the floor.
        floor: height along ``up`` of the floor that the skeleton performs on.
        world_floor: height of the floor of the room, if that is another one: a body whose soles
            rest on it stands there.
        lowest: height of the lowest point of the body's mesh at rest, if that is known.
        turned: ``[N]`` whether a bone is turned by its parent (Blender's ``use_inherit_rotation``).
        local: ``[N]`` whether a bone's location is along its own axes (``use_local_location``).
        movable: ``[N]`` whether a bone can be moved at all (Blender: not connected).
        soles: bone name to ``[K, 3]`` points of the body's mesh at rest that this bone carries;
            only those near the ground matter.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    rest: np.ndarray
    heads: np.ndarray
    tails: np.ndarray | None = None
    up: tuple[float, float, float] = BLENDER_UP
    floor: float = 0.0
    world_floor: float | None = None
    lowest: float | None = None
    turned: tuple[bool, ...] = ()
    local: tuple[bool, ...] = ()
    movable: tuple[bool, ...] = ()
    soles: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.names)
        ok = (
            len(set(self.names)) == count
            and len(self.parents) == count
            and np.shape(self.rest) == (count, 3, 3)
            and np.shape(self.heads) == (count, 3)
        )
        if not ok:
            raise FormatError(
                f"A skeleton of {count} bones needs as many names, parents, matrices and heads.",
                "Give every bone one name of its own and all of its values.",
            )
        if not (np.isfinite(self.rest).all() and np.isfinite(self.heads).all()):
            raise FormatError(
                "The skeleton's rest pose has values that are not finite.", "Repair its bones."
            )
        self.order  # noqa: B018  (raises for a ring of parents)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def index(self) -> dict[str, int]:
        """Bone name to its number."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Bone numbers, parents first."""
        done: list[int] = []
        seen: set[int] = set()
        for bone in range(len(self.names)):
            path = []
            while bone >= 0 and bone not in seen:
                if bone in path:
                    raise FormatError(
                        f"The bone {self.names[bone]!r} is above itself.", "Repair the parents."
                    )
                path.append(bone)
                bone = self.parents[bone]
            done += reversed(path)
            seen.update(path)
        return tuple(done)

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Children of each bone."""
        found: list[list[int]] = [[] for _ in self.names]
        for bone, parent in enumerate(self.parents):
            if parent >= 0:
                found[parent].append(bone)
        return tuple(map(tuple, found))

    @cached_property
    def chains(self) -> tuple[tuple[int, ...], ...]:
        """For each bone the bones from its root to itself."""
        found: dict[int, tuple[int, ...]] = {}
        for bone in self.order:
            parent = self.parents[bone]
            found[bone] = (*found[parent], bone) if parent >= 0 else (bone,)
        return tuple(found[bone] for bone in range(len(self.names)))

    @cached_property
    def heights(self) -> np.ndarray:
        """``[N]`` heights of the heads along ``up``."""
        return self.heads @ np.asarray(self.up)

    @cached_property
    def size(self) -> float:
        """The largest extent of the heads: a length to compare others with."""
        return float(max(np.ptp(self.heads, axis=0).max(), 1e-9)) if len(self.names) else 1.0

    def is_above(self, ancestor: int, bone: int) -> bool:
        """Whether a bone lies on the way from a root to another one (or is it)."""
        return ancestor in self.chains[bone]

    def common(self, bones: Iterable[int]) -> int:
        """The lowest bone that is above all of these, -1 if there is none."""
        chains = [self.chains[bone] for bone in bones]
        shared = -1
        for row in zip(*chains, strict=False):
            if len(set(row)) > 1:
                break
            shared = row[0]
        return shared

    def between(self, above: int, below: int) -> list[int]:
        """Bones between one and another that hangs on it, both left out."""
        chain = self.chains[below]
        start = chain.index(above) + 1 if above in chain else 0
        return list(chain[start:-1])

    def below(self, bone: int) -> list[int]:
        """All bones that hang on one."""
        found: list[int] = []
        todo = list(self.children[bone])
        while todo:
            found.append(todo.pop())
            todo += self.children[found[-1]]
        return found
