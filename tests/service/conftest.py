"""A client session on a real child process, and help to wait for its events."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from backend.pipelines import registry
from blender_addon.client import ProcessSession, Session
from blender_addon.client.session import Event

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
PATIENCE = 60.0
"""Only a hang reaches it; it is long because test machines are busy."""


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll until ``condition`` holds; fails after ``PATIENCE`` seconds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"still waiting for {what}"
        time.sleep(0.005)


def collect(session: Session, done: Callable[[list[Event]], bool]) -> list[Event]:
    """Drain events like the add-on's timer does, until ``done(all so far)``."""
    found: list[Event] = []

    def enough() -> bool:
        found.extend(session.events())
        return done(found)

    wait_until(enough, f"events, got {[type(e).__name__ for e in found]}")
    return found


def outcome(session: Session, request_id: str) -> tuple[Event, list[Event]]:
    """The result or failure of a request, and everything that came before it."""

    def ended(events: list[Event]) -> bool:
        return any(
            type(e).__name__ in ("Result", "Failure") and e.id in (request_id, "") for e in events
        )

    events = collect(session, ended)
    last = next(
        e for e in events if type(e).__name__ in ("Result", "Failure") and e.id in (request_id, "")
    )
    return last, events


@pytest.fixture
def server_command() -> list[str]:
    return [sys.executable, str(HERE / "fake_server.py")]


@pytest.fixture
def server_env() -> dict[str, str | None]:
    return {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}


@pytest.fixture
def session(
    server_command: list[str], server_env: dict[str, str | None], tmp_path: Path
) -> Iterator[ProcessSession]:
    found = ProcessSession(server_command, server_env, log_path=tmp_path / "log" / "backend.log")
    yield found
    found.stop()


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The fake pipelines, registered in this process for one test."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    spec = importlib.util.spec_from_file_location("fake_pipeline", HERE / "fake_pipeline.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.register_all()
    return module
