"""One timer on the main thread: drains what threads report and puts results into the scene.

Blender calls :func:`tick` while there is something to watch. Where Blender has no event loop
(background mode, the bpy module) :func:`wait` calls it instead.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

import bpy

from . import directing, doctoring, handlers, installing, placement, placing, preparing
from .backend_access import InternalError, KinetypeError
from .jobs import Finished, board

INTERVAL = 0.1
SHORT_INTERVAL = 0.01
"""While a rig is read in slices, and Blender draws in between; and while a person waits for the end
of what was cancelled."""
WAIT_INTERVAL = 0.02
REGIONS = {"VIEW_3D": "UI", "PREFERENCES": "WINDOW"}
"""Area type to the type of its region that shows what the board holds."""


_unpushed: list[tuple[int, int]] = []
"""The epoch of a take that is no undo step yet: Blender evaluates the scene for one, which takes as
long as to key it."""


def start() -> None:
    """Watch until nothing is left to watch; calling it again is harmless."""
    if not bpy.app.timers.is_registered(tick):
        # persistent: loading a file must not lose a running job
        bpy.app.timers.register(tick, first_interval=INTERVAL, persistent=True)


def stop() -> None:
    """Remove the timer."""
    _unpushed.clear()
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def tick() -> float | None:
    """Take over all events and place what is finished; seconds until the next call, or None."""
    _push()
    changed = board.drain()
    changed = installing.drain() or doctoring.running() or changed
    changed = _prepare() or changed
    changed = _place_finished() or changed
    if changed:
        redraw()
    on_the_way = any(item.placing is not None for item in board.finished)
    if preparing.current() is not None or board.cancelling or on_the_way or _unpushed:
        return SHORT_INTERVAL
    watching = board.busy or installing.running() or doctoring.running()
    return INTERVAL if watching else None


def _prepare() -> bool:
    if preparing.current() is None:
        return False
    with bpy.context.temp_override(window=_some_window()):
        return preparing.advance()


def _under_way() -> bool:
    working = installing.running() or doctoring.running() or preparing.current() is not None
    placeable = any(not item.kept and not item.reason for item in board.finished)
    return bool(board.jobs or board.chores or placeable or working or _unpushed)


def _push() -> None:
    """Make an undo step of what was placed in the call before, if nobody undid it meanwhile."""
    if _unpushed and _unpushed.pop() == handlers.epoch():
        with bpy.context.temp_override(window=_some_window()):
            bpy.ops.ed.undo_push(message="Generate Motion")


def wait(timeout: float | None = None) -> bool:
    """Tick until no job is under way; for scripts only. False when the time ran out first."""
    deadline = None if timeout is None else time.monotonic() + timeout
    tick()
    while _under_way():
        if deadline is not None and time.monotonic() > deadline:
            return False
        time.sleep(WAIT_INTERVAL)
        tick()
    return True


def redraw() -> None:
    """Ask for a redraw of the regions that show what the board holds."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            wanted = REGIONS.get(area.type)
            for region in area.regions if wanted else ():
                if region.type == wanted:
                    region.tag_redraw()


def _place_finished() -> bool:
    changed = False
    for item in [item for item in board.finished if not item.kept]:
        if _unpushed:
            return True  # the next one after the undo step of this one
        with _window_context(item.placement):
            before = (item.reason, item.kept)
            _place(bpy.context, item)
        changed = changed or item not in board.finished or (item.reason, item.kept) != before
    return changed


def _window_context(where: placement.Placement) -> AbstractContextManager[object]:
    """A timer has no window; operators and the view layer need one.

    Of several windows one that shows the scene of the result is taken.
    """
    window = next((w for w in _windows() if w.scene.session_uid == where.scene), _some_window())
    return bpy.context.temp_override(window=window)


def _windows() -> list[bpy.types.Window]:
    """All windows, first the one in which something was clicked."""
    windows = list(bpy.context.window_manager.windows)
    return windows if bpy.context.window is None else [bpy.context.window, *windows]


def _some_window() -> bpy.types.Window | None:
    return next(iter(_windows()), None)


def _place(context: bpy.types.Context, item: Finished) -> None:
    keep = placement.reason_to_keep(item.placement)
    item.reason = keep or placement.reason_to_wait(context, item.placement)
    if item.placing is not None and (item.reason or not item.placing.valid):
        item.placing.drop()  # and begins anew
        item.placing = None
    if item.reason:
        item.kept = bool(keep)
        return
    if item.placing is not None:
        _try(item, item.placing.advance)
        return
    ready = item.placement
    with suppress(Exception):  # it fails again, and is told, where the motion is placed
        ready = placement.with_mannequin(context, item.placement)
    if ready is not item.placement:  # enough for one call: the motion comes with the next one
        item.placement = ready
        return
    item.placing = placing.Placing(context, item.result, item.placement)
    _try(item, item.placing.advance)


def place_now(context: bpy.types.Context, item: Finished) -> bool:
    """Put a result into the scene as one undo step; on failure it is kept and the error shown."""
    placed = _try(item, lambda: placement.place(context, item.result, item.placement))
    _push()
    return placed


def _try(item: Finished, place: Callable[[], placement.Placed | None]) -> bool:
    """Whether a step went well; after the last one the result is in the scene."""
    try:
        placed = place()
    except KinetypeError as error:
        _keep(item, error)
        return False
    except Exception as error:  # a timer that raises is dropped, and the result with it
        problem = InternalError(
            f"The motion could not be applied: {type(error).__name__}: {error}",
            "Please report this with the log.",
            traceback.format_exc(),
        )
        _keep(item, problem)
        return False
    if placed is None:
        return True
    board.finished.remove(item)
    board.taken = placed.takes[0].session_uid
    board.message = placed.message or _success(placed, item.result.seconds_taken)
    board.warnings = directing.settled(board.warnings, placed.takes[0])
    if placed.warning:
        board.warnings = (*board.warnings, placed.warning)
        if placed.unseen:
            board.unseen[placed.warning] = placed.armature.session_uid
    _unpushed[:] = [handlers.epoch()]
    return True


def _success(placed: placement.Placed, seconds: float) -> str:
    count = len(placed.takes)
    takes = "1 take" if count == 1 else f"{count} takes"
    return f"{takes} on {placed.armature.name} in {seconds:.1f} s"


def _keep(item: Finished, error: KinetypeError) -> None:
    item.reason, item.kept, item.placing = "A motion could not be applied", True, None
    board.report(error)
