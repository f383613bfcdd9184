"""The session without a child process, and that both sessions give the same motion."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest

from backend.errors import ServiceError
from backend.wire.control import Models, Ready
from backend.wire.messages import Failure, Progress, Request, Result
from blender_addon import backend_access
from blender_addon.client import InProcessSession, ProcessSession

from .conftest import REPO, collect, outcome


def ask(model: str = "fake", **values: object) -> Request:
    return Request(**{"prompt": "a person walks", "cleanup": False, "model": model, **values})


@pytest.fixture
def local(fakes: ModuleType) -> Iterator[InProcessSession]:
    session = InProcessSession()
    yield session
    session.stop()


def test_the_same_seed_gives_the_same_motion_in_both_sessions(
    local: InProcessSession, session: ProcessSession
) -> None:
    request = ask(seed=11, samples=2, prompt="a fish")
    here, _ = outcome(local, local.submit(request))
    there, _ = outcome(session, session.submit(request))
    assert isinstance(here, Result) and isinstance(there, Result)
    assert here.warnings == there.warnings == ("Far from what it knows.",)
    for a, b in zip(here.motions, there.motions, strict=True):
        np.testing.assert_array_equal(a.data, b.data)
        assert {**a.meta, "scale": 0.5} == b.meta


def test_progress_and_state(local: InProcessSession) -> None:
    assert local.state == "stopped"
    request_id = local.submit(ask())
    assert local.state == "starting" or local.state == "busy"
    result, events = outcome(local, request_id)
    assert isinstance(result, Result) and isinstance(events[0], Ready)
    assert [e.step for e in events if isinstance(e, Progress)] == [0, 1, 2, 3, 4, 5, 0]
    assert local.state == "ready"


def test_cancel_takes_effect_at_the_next_step(local: InProcessSession) -> None:
    request_id = local.submit(ask("slow", steps=1000))
    queued = local.submit(ask())
    local.cancel(queued)
    collect(local, lambda found: any(isinstance(e, Progress) and e.step for e in found))
    local.cancel(request_id)
    failure, _ = outcome(local, request_id)
    assert isinstance(failure, Failure) and failure.code == "cancelled"
    assert isinstance(outcome(local, local.submit(ask()))[0], Result)


def test_a_bug_is_a_failure_with_its_traceback_in_the_log(local: InProcessSession) -> None:
    failure, _ = outcome(local, local.submit(ask("broken")))
    assert isinstance(failure, Failure) and failure.code == "internal"
    assert any("ZeroDivisionError" in line for line in local.log_tail())
    assert local.state == "ready"


def test_models_are_listed(local: InProcessSession) -> None:
    query = local.list_models()
    events = collect(local, lambda found: any(isinstance(e, Models) for e in found))
    models = next(e for e in events if isinstance(e, Models))
    assert models.id == query and "fake" in {info.name for info in models.models}


def test_restart_drops_the_running_job(local: InProcessSession) -> None:
    request_id = local.submit(ask("slow", steps=1000))
    collect(local, lambda found: any(isinstance(e, Progress) and e.step for e in found))
    local.restart()
    failure, _ = outcome(local, request_id)
    assert isinstance(failure, Failure) and failure.code == "cancelled"
    assert isinstance(outcome(local, local.submit(ask()))[0], Result)


def test_stop_does_not_wait_for_a_step_that_nothing_can_interrupt(
    local: InProcessSession,
) -> None:
    local.submit(ask("stuck"))
    collect(local, lambda found: any(isinstance(e, Progress) for e in found))
    local.stop(timeout=0.2)
    assert local.state == "stopped"
    local.events()


EXIT_SCRIPT = """
import sys, time
import torch
from backend.pipelines import registry
from backend.wire.messages import Motion, Progress, Request
from blender_addon.client import InProcessSession

class Heavy:
    def __init__(self):
        base = torch.zeros(64, requires_grad=True)
        self.views = [base.view(64).requires_grad_() for _ in range(100_000)]

    def generate(self, request, on_step=None):
        for step in range(1000):
            on_step(Progress(request.id, "sampling", step, 1000))
            time.sleep(0.01)

registry.register("heavy", lambda **options: Heavy())
session = InProcessSession(device="cpu", threads=1)
session.submit(Request("walk", model="heavy", cleanup=False))
while not any(getattr(e, "step", 0) > 3 for e in session.events()):
    time.sleep(0.01)
if sys.argv[1] == "stop":
    session.stop()
"""


@pytest.mark.parametrize("how", ["stop", "forget"])
def test_the_interpreter_ends_cleanly_in_the_middle_of_a_job(how: str) -> None:
    """A worker that still frees tensors while Python shuts down aborts the process."""
    done = subprocess.run(
        [sys.executable, "-c", EXIT_SCRIPT, how], cwd=REPO, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()


def test_a_backend_that_cannot_be_imported_is_dead(
    local: InProcessSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "backend.service.engine", None)
    failure, _ = outcome(local, local.submit(ask()))
    assert isinstance(failure, Failure) and "cannot be loaded" in failure.message
    assert local.state == "dead"
    with pytest.raises(ServiceError):
        local.submit(ask())


def test_a_python_without_torch_says_so(
    local: InProcessSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend_access.load_registry().register("needs-torch", lambda **options: None)
    monkeypatch.setitem(sys.modules, "torch", None)
    failure, _ = outcome(local, local.submit(ask("needs-torch")))
    assert isinstance(failure, Failure) and failure.code == "missing_dependency"
    assert "pip install torch" in failure.hint
