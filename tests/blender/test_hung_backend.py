"""A backend that does not let go of what was cancelled, and mannequins made before their motion."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import jobs, placement, takes  # noqa: E402
from blender_addon.backend_access import Failure, Motion, Request, Result  # noqa: E402

from .pressing import UNTIL  # noqa: E402
from .test_pump import armatures, start  # noqa: E402


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs POSIX signals")
def test_cancel_ends_a_backend_that_does_not_let_go(addon, fake_backend, until: UNTIL) -> None:
    """It hears nothing any more: the job is gone, so is the process, and the next motion works."""
    start(addon, until, steps=1000)
    child = addon.board.session._link._child
    os.kill(child._popen.pid, signal.SIGSTOP)
    assert bpy.ops.kinetype.cancel() == {"FINISHED"}
    job = addon.board.current
    until(lambda: not addon.board.jobs)
    assert addon.board.error is None and "did not answer" in addon.board.message
    assert job.cancelling and child.wait(10.0), "the child goes on"
    fake_backend("fake")
    assert bpy.ops.kinetype.generate(wait=True, timeout=120.0) == {"FINISHED"}


def test_a_backend_is_given_up_after_the_same_time_in_every_stage(addon) -> None:
    """By the board's clock, which this test holds: not a moment before, and then at once."""
    now = [100.0]
    board = jobs.Board(clock=lambda: now[0])
    board.session = deaf = _Deaf()
    for stage in ("waiting", "loading model", "sampling", "cleaning up"):
        request = Request("walk")
        board.jobs[request.id] = jobs.Job(request, None, stage=stage)
        deaf.running = [request.id]
        board.cancel_all()
        now[0] += jobs.CANCEL_SECONDS - 0.1
        board.drain()
        assert board.jobs, stage
        now[0] += 0.11
        board.drain()
        assert not board.jobs and board.error is None, stage
    assert jobs.CANCEL_SECONDS + addon.pump.INTERVAL <= 0.5


class _Deaf:
    """A session whose backend answers nothing."""

    state = "busy"

    def __init__(self) -> None:
        self.running: list[str] = []
        self._told: list[Failure] = []

    def cancel(self, request_id: str) -> None:
        pass

    def events(self) -> list[Failure]:
        told, self._told = self._told, []
        return told

    def abandon(self) -> None:
        self._told = [Failure(id_, "cancelled", "Stopped.") for id_ in self.running]


def test_a_mannequin_goes_with_the_motion_that_cannot_be_applied(
    addon, fake_backend, monkeypatch
) -> None:
    """It is made one call of the timer earlier, and belongs to the same undo step."""
    from blender_addon.scene import action as actions

    def fails(*arguments, **options):
        raise MemoryError("no room")

    monkeypatch.setattr(actions, "write_keys", fails)
    with pytest.raises(RuntimeError, match="no room"):
        bpy.ops.kinetype.generate(wait=True, timeout=120.0)
    assert not bpy.data.objects and not bpy.data.meshes and not bpy.data.actions
    monkeypatch.undo()
    assert bpy.ops.kinetype.place_result() == {"FINISHED"}
    assert len(armatures()) == 1


def test_two_results_of_one_moment_share_their_mannequin(addon, fake_backend) -> None:
    from blender_addon.jobs import Finished

    assert bpy.ops.kinetype.generate(wait=True, timeout=120.0) == {"FINISHED"}
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    where = placement.capture(bpy.context)
    motion = Motion(np.tile(np.eye(3)[:, :2].ravel(), (30, 23))[:, 3:], meta={"seed": 1})
    addon.board.finished += [Finished(Result(name, (motion,)), where) for name in "ab"]
    assert addon.pump.wait(60.0)
    assert len(armatures()) == 1 and len(takes.all_takes()) == 2
