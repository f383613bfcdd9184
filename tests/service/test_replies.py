"""A backend may be broken, or anybody's program: what it sends is held against what was asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend.wire import codec
from backend.wire.control import Log, ModelInfo, Models, Ready
from backend.wire.messages import Edit, Failure, Motion, Progress, Request, Result
from backend.wire.skeleton import MOTION_DIM
from blender_addon.client import replies
from blender_addon.client.logfile import LogFile
from blender_addon.client.session import MAX_EVENTS, Session


class _Link:
    def open(self) -> None:
        pass

    def send(self, message: codec.Message) -> None:
        pass

    def close(self, timeout: float) -> None:
        pass


class _Held(Session):
    """A session whose backend says what the test says."""

    def _new_link(self) -> _Link:
        return _Link()

    def hear(self, *messages: codec.Message) -> None:
        assert self._link is not None
        for message in messages:
            self._received(self._link, message)


@pytest.fixture
def session() -> _Held:
    found = _Held(LogFile(None))
    found.start()
    found.hear(Ready("x"))
    found.events()
    return found


def motion(frames: int = 30, fps: float = 30.0, **meta: Any) -> Motion:
    return Motion(np.zeros((frames, MOTION_DIM)), fps, meta)


REQUEST = Request("walk", samples=2)


@pytest.mark.parametrize(
    ("motions", "said"),
    [
        ((), "0 motions for 2"),
        ((motion(),) * 3000, "3000 motions for 2"),
        ((motion(fps=0.01), motion()), "0.01 frames per second, not 30"),
        ((motion(fps=60.0), motion()), "60 frames per second, not 30"),
        ((motion(1831), motion()), "1831 frames, more than 1830"),
        ((Motion(np.full((9, MOTION_DIM), np.nan)),), "numbers that are none"),
        ((Motion(np.full((9, MOTION_DIM), 1e30)),), "far away"),
    ],
)
def test_a_result_that_does_not_fit_fails_the_request(
    session: _Held, motions: tuple[Motion, ...], said: str
) -> None:
    asked = session.submit(REQUEST)
    session.hear(Result(asked, motions))
    [failure] = session.events()
    assert isinstance(failure, Failure) and failure.id == asked and failure.code == "service"
    assert said in failure.message and "same Kinetype version" in failure.hint
    assert session.state == "ready"


def test_results_that_fit_pass(session: _Held) -> None:
    edit = Request("", edit=Edit(motion(40, 24.0), frames=(3, 9)))
    best = Request("walk", samples=5, keep_best=True)
    for request, result in (
        (REQUEST, (motion(), motion(45))),
        (REQUEST, (motion(),)),
        (edit, (motion(40, 24.0),)),
        (best, (motion(),)),
    ):
        asked = session.submit(request)
        session.hear(Result(asked, result, seconds_taken=2.0))
        [found] = session.events()
        assert isinstance(found, Result) and found.seconds_taken == 2.0
        assert [len(m.data) for m in found.motions] == [len(m.data) for m in result]
        fewer = request is REQUEST and len(result) == 1
        assert found.warnings == (("1 of 2 motions were made.",) if fewer else ())
    asked = session.submit(best)
    session.hear(Result(asked, (motion(), motion())))
    [failure] = session.events()
    assert isinstance(failure, Failure) and "2 motions for 1" in failure.message


def test_a_flood_does_not_fill_the_memory_and_hides_no_result(session: _Held) -> None:
    asked = session.submit(REQUEST)
    for step in range(5000):
        session.hear(Progress(asked, "s" * 5000, step, 5000), Log("error", "x"), Models("", ()))
    session.hear(Result(asked, (motion(),)))
    events = session.events(10**6)
    assert len(events) == MAX_EVENTS + 1 and isinstance(events[-1], Result)
    assert max(len(e.stage) for e in events if isinstance(e, Progress)) == replies.MAX_STAGE


def test_texts_can_be_drawn_and_lists_end(session: _Held) -> None:
    asked = session.submit(REQUEST)
    half = "a\ud800b" * 5000
    info = ModelInfo(half, half, abilities=(half,))
    session.hear(
        Models("", (info,) * 1000),
        Progress(asked, "\udfff"),
        Failure(asked, half, half, half, half),
    )
    models, progress, failure = session.events()
    assert isinstance(models, Models) and len(models.models) == replies.MAX_MODELS
    assert isinstance(progress, Progress) and isinstance(failure, Failure)
    texts = [models.models[0].name, models.models[0].abilities[0], progress.stage]
    for text in [*texts, failure.message, failure.hint, failure.detail]:
        assert text.encode() and len(text) <= replies.MAX_DETAIL
    result = Result("x", (motion(),), warnings=(half,) * 1000)
    bounded = replies.bounded(result)
    assert isinstance(bounded, Result) and len(bounded.warnings) == replies.MAX_WARNINGS


def test_notes_can_be_kept_in_a_file() -> None:
    deep: dict[str, Any] = {}
    for _ in range(900):
        deep = {"a": deep}
    for notes in (deep, {"a": list(range(60_000))}, {"a": [[0] * 300] * 300}):
        assert list(replies.kept_notes(notes)) == ["warnings"]
    good = {"prompt": "walk", "seed": 3, "scores": {"jerk": 1.5}, "warnings": ["x"], "none": None}
    assert replies.kept_notes(good) == good
    assert replies.kept_notes({"seed": "3; rm", "\ud800": "\ud800"}) == {"?": "?"}
