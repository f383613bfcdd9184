"""MotionGPT and MoGenTS through the real command: progress at each decoding step, and cancel."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.wire.control import BYTE_STAGES
from backend.wire.messages import Failure, Progress, Request, Result
from blender_addon.client import ProcessSession, default_command
from blender_addon.client.session import Event
from tests.mogents_model import unpack_model

from .conftest import collect, outcome

MOTIONGPT = Path(__file__).parents[1] / "parity/golden/motiongpt/artifact"


@pytest.fixture(scope="module")
def served() -> Iterator[ProcessSession]:
    session = ProcessSession(*default_command(device="cpu", threads=1, offline=True))
    yield session
    session.stop()


def steps_of(events: list[Event]) -> list[tuple[int, int]]:
    told = (e for e in events if isinstance(e, Progress) and e.stage not in BYTE_STAGES)
    return [(e.step, e.total) for e in told if e.total]


def test_motiongpt_reports_every_token(served: ProcessSession) -> None:
    request = Request("a person walks", 2.0, samples=2, seed=3, model=str(MOTIONGPT))
    result, events = outcome(served, served.submit(request))
    assert isinstance(result, Result), result
    assert len(result.motions) == 2
    assert any("instead of 2 s" in text for text in result.warnings)  # it ends when it likes
    steps = steps_of(events)
    assert steps == sorted(steps) and len(steps) > 3
    assert {total for _, total in steps} == {127} and steps[-1] == (127, 127)


def test_mogents_reports_every_step_and_stops_between_two(
    served: ProcessSession, tmp_path: Path
) -> None:
    model = str(unpack_model(tmp_path))
    request = Request("a cat", 2.0, seed=3, steps=4, model=model)
    result, events = outcome(served, served.submit(request))
    assert isinstance(result, Result), result
    steps = steps_of(events)
    total = steps[0][1]
    assert steps == [(done, total) for done in range(total + 1)]

    running = served.submit(Request("a cat", 9.8, samples=32, steps=1000, model=model))
    collect(served, lambda found: any(step > 2 for step, _ in steps_of(found)))
    served.cancel(running)
    failure, _ = outcome(served, running)
    assert isinstance(failure, Failure) and failure.code == "cancelled"


def test_a_damaged_tokenizer_is_a_sentence_and_the_service_goes_on(
    served: ProcessSession, tmp_path: Path
) -> None:
    """The tokenizers library panics on it, which is no Exception."""
    damaged = tmp_path / "damaged"
    shutil.copytree(MOTIONGPT, damaged)
    [path] = damaged.rglob("tokenizer.json")
    values = json.loads(path.read_text(encoding="utf-8"))
    values["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    path.write_text(json.dumps(values), encoding="utf-8")
    failure, _ = outcome(served, served.submit(Request("a person walks", model=str(damaged))))
    assert isinstance(failure, Failure), failure
    assert "tokenizer.json cannot be read" in failure.message and failure.hint
    result, _ = outcome(served, served.submit(Request("a person walks", model=str(MOTIONGPT))))
    assert isinstance(result, Result), result
