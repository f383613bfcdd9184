"""The add-on's client and the real server, over real pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from backend.errors import InvalidRequest, ServiceError
from backend.wire import codec, framing
from backend.wire.control import Models, Ready
from backend.wire.messages import Failure, Progress, Request, Result
from blender_addon.client import ProcessSession

from .conftest import collect, outcome, wait_until

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


def ask(model: str = "fake", **values: object) -> Request:
    return Request(**{"prompt": "a person walks", "cleanup": False, "model": model, **values})


def running_pid(session: ProcessSession) -> int:
    session.start()
    events = collect(session, lambda found: any(isinstance(e, Ready) for e in found))
    return next(e.pid for e in events if isinstance(e, Ready))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        # an orphan that nobody reaps (a container without an init) is dead all the same
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True


def test_a_request_makes_a_round_trip(session: ProcessSession) -> None:
    assert session.state == "stopped"
    request = ask(seconds=2.0, seed=5, samples=2)
    request_id = session.submit(request)
    assert session.state == "starting"
    result, events = outcome(session, request_id)
    assert isinstance(result, Result)
    assert [m.data.shape for m in result.motions] == [(60, 135), (60, 135)]
    assert [m.meta["seed"] for m in result.motions] == [5, 6]
    assert result.motions[0].meta["scale"] == 0.5
    assert np.abs(result.motions[0].data - result.motions[1].data).max() > 0.01
    progress = [e for e in events if isinstance(e, Progress)]
    assert progress[0].stage == "loading model"
    assert [(e.step, e.total) for e in progress[1:-1]] == [(i, 5) for i in range(1, 6)]
    assert progress[-1].stage == "scoring"
    assert all(motion.meta["scores"]["jerk_m_s3"] > 0 for motion in result.motions)
    assert isinstance(events[0], Ready)
    assert session.state == "ready" and session.in_flight == ()


def test_the_model_is_loaded_once_for_two_requests(session: ProcessSession) -> None:
    first, _ = outcome(session, session.submit(ask(seed=3)))
    second, events = outcome(session, session.submit(ask(seed=3)))
    assert isinstance(first, Result) and isinstance(second, Result)
    assert not any(isinstance(e, Progress) and e.stage == "loading model" for e in events)
    np.testing.assert_array_equal(first.motions[0].data, second.motions[0].data)


def test_requests_wait_their_turn_and_queued_ones_can_be_cancelled(
    session: ProcessSession,
) -> None:
    first = session.submit(ask("slow", steps=20))
    second = session.submit(ask("slow"))
    third = session.submit(ask())
    session.cancel(second)
    ended: dict[str, str] = {}
    for event in collect(
        session, lambda found: sum(isinstance(e, Result | Failure) for e in found) == 3
    ):
        if isinstance(event, Result):
            ended[event.id] = "result"
        elif isinstance(event, Failure):
            ended[event.id] = event.code
    # the cancelled one ends while the first still runs
    assert list(ended.items()) == [(second, "cancelled"), (first, "result"), (third, "result")]


def test_cancel_takes_effect_at_the_next_step(session: ProcessSession) -> None:
    request_id = session.submit(ask("slow", steps=1000))
    collect(session, lambda found: any(isinstance(e, Progress) and e.step >= 2 for e in found))
    assert session.state == "busy"
    session.cancel(request_id)
    failure, events = outcome(session, request_id)
    assert isinstance(failure, Failure) and failure.code == "cancelled"
    # nothing of a cancelled job is shown any more
    assert not any(isinstance(e, Progress) for e in events)
    assert isinstance(outcome(session, session.submit(ask()))[0], Result)


def test_cancel_of_an_unknown_request_is_ignored(session: ProcessSession) -> None:
    session.cancel("nobody")
    request_id = session.submit(ask())
    session.cancel("nobody")
    assert isinstance(outcome(session, request_id)[0], Result)


def test_bad_values_are_refused_before_they_are_sent(session: ProcessSession) -> None:
    with pytest.raises(InvalidRequest, match="prompt is empty"):
        session.submit(ask(prompt="  "))
    assert session.state == "stopped"


def test_one_request_cannot_be_in_flight_twice(session: ProcessSession) -> None:
    request = ask("slow")
    request_id = session.submit(request)
    with pytest.raises(InvalidRequest, match="already"):
        session.submit(request)
    assert isinstance(outcome(session, request_id)[0], Result)


@pytest.mark.parametrize(
    ("model", "code", "text"),
    [
        ("broken", "internal", "ZeroDivisionError: bad step"),
        ("quitter", "internal", "SystemExit"),
        ("not-finite", "internal", "not finite"),
        ("bad-meta", "format", "JSON"),
        ("no-such-model", "model_not_found", "no-such-model"),
    ],
)
def test_a_bad_request_fails_alone(
    session: ProcessSession, model: str, code: str, text: str
) -> None:
    failure, _ = outcome(session, session.submit(ask(model)))
    assert isinstance(failure, Failure)
    assert failure.code == code and text in failure.message
    if code == "internal" and model != "not-finite":
        assert "Traceback" in failure.detail
    assert isinstance(outcome(session, session.submit(ask()))[0], Result)


def test_what_libraries_print_goes_to_the_log_and_not_into_the_stream(
    session: ProcessSession, tmp_path: Path
) -> None:
    result, _ = outcome(session, session.submit(ask("noisy")))
    assert isinstance(result, Result)
    session.stop()
    text = (tmp_path / "log" / "backend.log").read_text(encoding="utf-8", errors="replace")
    for printed in ("loading shards \u2713", "raw bytes on descriptor one", "child of the library"):
        assert text.count(printed) == 5
    assert any("raw bytes on descriptor one \ufffd" in line for line in session.log_tail(200))


def test_models_are_listed_also_while_a_job_runs(session: ProcessSession) -> None:
    request_id = session.submit(ask("slow", steps=1000))
    query = session.list_models()
    events = collect(session, lambda found: any(isinstance(e, Models) for e in found))
    models = next(e for e in events if isinstance(e, Models))
    assert models.id == query
    assert {"starter", "fake"} <= {info.name for info in models.models}
    session.cancel(request_id)


@POSIX
def test_a_killed_backend_fails_every_job_and_restarts(session: ProcessSession) -> None:
    pid = running_pid(session)
    first, second = session.submit(ask("slow", steps=1000)), session.submit(ask())
    collect(session, lambda found: any(isinstance(e, Progress) and e.step for e in found))
    os.kill(pid, signal.SIGKILL)
    events = collect(session, lambda found: sum(isinstance(e, Failure) for e in found) == 2)
    failures = [e for e in events if isinstance(e, Failure)]
    assert [e.id for e in failures] == [first, second]
    assert {e.code for e in failures} == {"service"}
    assert "signal 9" in failures[0].message and failures[0].hint == "Press Restart."
    assert session.state == "dead" and isinstance(session.error, ServiceError)
    with pytest.raises(ServiceError, match="Restart"):
        session.submit(ask())
    session.restart()
    assert isinstance(outcome(session, session.submit(ask()))[0], Result)


def test_a_crash_carries_the_last_lines_of_the_log(session: ProcessSession) -> None:
    failure, _ = outcome(session, session.submit(ask("dies")))
    assert isinstance(failure, Failure) and failure.code == "service"
    assert "exit code 70" in failure.message
    assert failure.detail.splitlines()[-1] == "segfault is near"


@POSIX
def test_a_backend_that_stops_answering_is_declared_dead(
    server_command: list[str], server_env: dict[str, str | None]
) -> None:
    session = ProcessSession(server_command, server_env, heartbeat=0.1, silence=1.0)
    try:
        pid = running_pid(session)
        os.kill(pid, signal.SIGSTOP)
        failure = collect(session, lambda found: any(isinstance(e, Failure) for e in found))[-1]
        assert isinstance(failure, Failure) and "stopped answering" in failure.message
        wait_until(lambda: not is_alive(pid), "the hung backend to be killed")
    finally:
        session.stop()


def test_heartbeats_keep_a_long_step_alive(
    server_command: list[str], server_env: dict[str, str | None]
) -> None:
    session = ProcessSession(server_command, server_env, heartbeat=0.1, silence=1.5)
    try:
        # one step of three seconds: pongs are all that is heard meanwhile
        result, _ = outcome(session, session.submit(ask("long", steps=1)))
        assert isinstance(result, Result)
    finally:
        session.stop()


def test_stop_ends_the_child_in_the_middle_of_a_step(session: ProcessSession) -> None:
    pid = running_pid(session)
    request_id = session.submit(ask("stuck"))
    collect(session, lambda found: any(isinstance(e, Progress) for e in found))
    session.stop(timeout=10.0)
    assert session.state == "stopped"
    assert [(e.id, e.code) for e in session.events() if isinstance(e, Failure)] == [
        (request_id, "cancelled")
    ]
    if sys.platform != "win32":
        assert not is_alive(pid)


@POSIX
def test_stop_without_patience_ends_the_child_in_the_background(session: ProcessSession) -> None:
    pid = running_pid(session)
    session.stop(timeout=0.0)
    assert session.state == "stopped"
    wait_until(lambda: not is_alive(pid), "the child to end")


def test_a_session_can_be_started_again_after_stop(session: ProcessSession) -> None:
    assert isinstance(outcome(session, session.submit(ask()))[0], Result)
    session.stop()
    session.stop()
    assert isinstance(outcome(session, session.submit(ask()))[0], Result)


def test_no_thread_is_left_behind(session: ProcessSession) -> None:
    before = set(threading.enumerate())
    assert isinstance(outcome(session, session.submit(ask()))[0], Result)
    session.stop()
    wait_until(lambda: set(threading.enumerate()) <= before, "the session's threads to end")


HOST_SCRIPT = """
import os, signal, sys, time
from backend.wire.control import Ready
from backend.wire.messages import Progress, Request
from blender_addon.client import ProcessSession

session = ProcessSession(sys.argv[1:])
session.submit(Request("a person walks", model="stuck", cleanup=False))
pid = None
while True:
    for event in session.events():
        if isinstance(event, Ready):
            pid = event.pid
        if isinstance(event, Progress):
            print(pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
"""


@POSIX
def test_the_backend_ends_when_its_host_is_killed(
    server_command: list[str], server_env: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOST_SCRIPT, *server_command],
        env={**os.environ, **server_env},
        stdout=subprocess.PIPE,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    wait_until(lambda: not is_alive(pid), "the orphaned backend to end")


def test_a_missing_program_is_a_failure_of_the_request() -> None:
    session = ProcessSession(["/no/such/python", "-m", "backend"])
    failure, _ = outcome(session, session.submit(ask()))
    assert isinstance(failure, Failure) and failure.code == "service"
    assert "/no/such/python does not exist" in failure.message and failure.hint
    assert session.state == "dead"
    session.stop()
    assert session.state == "stopped"


def test_a_missing_program_is_told_without_a_request_too() -> None:
    session = ProcessSession(["/no/such/python"])
    session.start()
    (failure,) = collect(session, bool)
    assert isinstance(failure, Failure) and failure.id == "" and failure.code == "service"


def test_a_child_that_ends_at_once_shows_what_it_said() -> None:
    session = ProcessSession([sys.executable, "-c", "raise SystemExit('no module named torch')"])
    failure, _ = outcome(session, session.submit(ask()))
    assert isinstance(failure, Failure)
    assert "exit code 1" in failure.message and "no module named torch" in failure.message
    session.stop()


def test_a_restart_does_not_quote_the_old_log() -> None:
    script = "import sys; sys.stdin.buffer.read(1); sys.exit(sys.argv[1])"
    session = ProcessSession([sys.executable, "-c", script, "old words"])
    failure, _ = outcome(session, session.submit(ask()))
    assert isinstance(failure, Failure) and "old words" in failure.message
    session.command = (sys.executable, "-c", "raise SystemExit(3)")
    session.restart()
    (failure,) = collect(session, bool)
    assert isinstance(failure, Failure) and "exit code 3" in failure.message
    assert "old words" not in failure.message + failure.detail
    session.stop()


def test_a_bug_in_the_reader_ends_the_session_with_a_word(
    session: ProcessSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(header: object, payload: object) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(codec, "decode", broken)
    failure, _ = outcome(session, session.submit(ask()))
    assert isinstance(failure, Failure) and failure.code == "internal"
    assert "TypeError: a bug" in failure.message and "Traceback" in failure.detail


def test_a_child_that_never_answers_is_given_up() -> None:
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    session = ProcessSession(command, start_timeout=1.0, heartbeat=0.1)
    failure, _ = outcome(session, session.submit(ask()))
    assert isinstance(failure, Failure) and "did not answer" in failure.message
    session.stop()


def test_a_program_that_is_no_backend_is_recognised() -> None:
    script = "print('Welcome!' * 20000, flush=True); input()"
    session = ProcessSession([sys.executable, "-c", script])
    failure, _ = outcome(session, session.submit(ask()))
    assert isinstance(failure, Failure) and "Welcome!" in failure.message
    session.stop()


@POSIX
def test_a_login_shell_may_talk_before_the_backend_does(
    server_command: list[str], server_env: dict[str, str | None]
) -> None:
    script = 'echo "Last login: yesterday"; exec "$@"'
    session = ProcessSession(["sh", "-c", script, "sh", *server_command], server_env)
    try:
        assert isinstance(outcome(session, session.submit(ask()))[0], Result)
        assert "Last login: yesterday" in session.log_tail(200)
    finally:
        session.stop()


@POSIX
def test_a_wrapper_is_ended_together_with_its_child(
    server_command: list[str], server_env: dict[str, str | None]
) -> None:
    # the shell stays between us and the backend, like "conda run" does
    session = ProcessSession(["sh", "-c", '"$@"; true', "sh", *server_command], server_env)
    pid = running_pid(session)
    session.submit(ask("stuck"))
    collect(session, lambda found: any(isinstance(e, Progress) for e in found))
    os.kill(pid, signal.SIGSTOP)
    session.stop(timeout=1.0)
    wait_until(lambda: not is_alive(pid), "the backend behind the wrapper to end")


def test_another_protocol_version_is_named(tmp_path: Path) -> None:
    version = framing.PROTOCOL_VERSION + 1
    script = tmp_path / "newer.py"
    script.write_text(
        "import struct, sys\n"
        'header = b\'{"type":"ready"}\'\n'
        f"sys.stdout.buffer.write(struct.pack('>4sHII', b'KNTP', {version}, len(header), 0))\n"
        "sys.stdout.buffer.write(header); sys.stdout.flush(); sys.stdin.read()\n"
    )
    session = ProcessSession([sys.executable, str(script)])
    failure, _ = outcome(session, session.submit(ask()))
    assert isinstance(failure, Failure) and failure.code == "service"
    assert f"protocol {version}" in failure.message and "same Kinetype version" in failure.hint
    session.stop()


def test_a_command_that_says_something_else_is_a_problem_of_the_backend(tmp_path: Path) -> None:
    """So that the panel offers Restart and the preferences, where the command is."""
    session = ProcessSession((sys.executable, "-c", "print('hello, ' * 20)"))
    failure, _ = outcome(session, session.submit(ask()))
    assert isinstance(failure, Failure) and failure.code == "service"
    assert "hello" in failure.message and "kinetype serve" in failure.hint
    assert isinstance(session.error, ServiceError)
    session.stop()
