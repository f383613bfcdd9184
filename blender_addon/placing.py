"""A result on its way into the scene: a take is keyed in one call, its keys are computed apart.

Between the calls the person goes on working. What changes the data that a take needs (undo, another
file, a deleted character) makes it begin anew.
"""

from __future__ import annotations

import bpy

from . import handlers, placement
from .backend_access import Result
from .scene import compat
from .scene.lookup import by_uid
from .scene.turns import Apart


class Placing:
    """One result; :meth:`advance` until it is there."""

    def __init__(self, context: bpy.types.Context, result: Result, where: placement.Placement):
        self._epoch = handlers.epoch()
        self._takes: list[int] = []
        armature = placement.receiver(context, where)
        self._armature = None if armature is None else armature.session_uid
        data = None if armature is None else armature.animation_data
        action = None if data is None else data.action
        self._before = None if action is None else action.session_uid
        self._source = where.source if self._alive(bpy.data.actions, where.source) else None
        self._turns = placement.place_in_turns(context, result, where, self._takes)
        self._work: Apart | None = None

    @property
    def valid(self) -> bool:
        """Whether everything that it holds is still there."""
        return (
            self._epoch == handlers.epoch()
            and self._alive(bpy.data.objects, self._armature)
            and self._alive(bpy.data.actions, self._source)
            and all(self._alive(bpy.data.actions, take) for take in self._takes)
        )

    @staticmethod
    def _alive(collection: bpy.types.bpy_prop_collection, uid: int | None) -> bool:
        return uid is None or by_uid(collection, uid) is not None

    def advance(self) -> placement.Placed | None:
        """The next turn, if what it needs is computed; what was placed, at the end.

        Raises:
            As :func:`placement.place`; nothing of it is left then.
        """
        try:
            if self._work is None:
                self._work = Apart(next(self._turns))
            elif not self._work.is_alive():
                done, self._work = self._work, None
                if done.error is not None:
                    self._work = Apart(self._turns.throw(done.error))
                else:
                    self._work = Apart(self._turns.send(done.made))
        except StopIteration as end:
            return end.value
        return None

    def drop(self) -> None:
        """Take back what was made so far; the Action from before is active again."""
        self._turns.close()
        for uid in self._takes:
            take = by_uid(bpy.data.actions, uid)
            if take is not None:
                bpy.data.actions.remove(take)
        armature = self._armature and by_uid(bpy.data.objects, self._armature)
        before = self._before and by_uid(bpy.data.actions, self._before)
        data = armature.animation_data if armature else None
        if before and data is not None and data.action is None:
            compat.assign_action(armature, before)
