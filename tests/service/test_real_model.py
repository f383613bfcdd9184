"""The shipped model through the real command: both sessions, the same motion, a prompt cancel."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import KinetypeError
from backend.pipelines import registry
from backend.text import minilm
from backend.wire import limits
from backend.wire.control import BYTE_STAGES
from backend.wire.messages import Edit, Failure, Progress, Request, Result
from blender_addon.client import InProcessSession, ProcessSession, default_command

from .conftest import collect, outcome


@pytest.fixture(scope="module")
def model() -> str:
    info = registry.model_info(limits.DEFAULT_MODEL)
    if info is None or not info.ready:
        pytest.skip("the starter model is not there")
    try:
        minilm.find_folder(local_files_only=True)
    except KinetypeError as error:
        pytest.skip(f"no text encoder: {error.message}")
    return info.name


def test_both_sessions_make_the_same_motion_and_cancel(model: str) -> None:
    request = Request("a person walks forward", 1.5, seed=4, steps=3, model=model)
    endless = Request("a person walks forward", 4.0, steps=1000, sampler="ddpm", model=model)
    local = InProcessSession(device="cpu", threads=1)
    served = ProcessSession(*default_command(device="cpu", threads=1, offline=True))
    try:
        results = []
        for session in (served, local):
            result, events = outcome(session, session.submit(request))
            assert isinstance(result, Result), result
            results.append(result)
            steps = [e for e in events if isinstance(e, Progress) and e.total]
            assert [e.step for e in steps if e.stage not in BYTE_STAGES] == [0, 1, 2, 3]
            running = session.submit(endless)
            collect(
                session,
                lambda found: any(
                    isinstance(e, Progress) and e.total and e.stage not in BYTE_STAGES
                    for e in found
                ),
            )
            session.cancel(running)
            failure, _ = outcome(session, running)
            assert isinstance(failure, Failure) and failure.code == "cancelled"
        there, here = (result.motions[0] for result in results)
        assert here.data.shape == (45, 135)
        assert here.meta == there.meta
        np.testing.assert_allclose(here.data, there.data, atol=1e-5)
    finally:
        served.stop()
        local.stop()


def test_an_edit_keeps_what_it_should_through_the_real_command(model: str) -> None:
    served = ProcessSession(*default_command(device="cpu", threads=1, offline=True))
    try:
        asked = Request("a person walks forward", 2.0, seed=4, steps=3, model=model)
        made, _ = outcome(served, served.submit(asked))
        assert isinstance(made, Result), made
        [before] = made.motions
        edit = Edit(before, (20, 40), ("upper",))
        wave = Request("a person waves", seed=1, steps=3, model=model, edit=edit)
        result, _ = outcome(served, served.submit(wave))
        bow = Request("a person bows", seed=1, steps=3, model=model, edit=Edit(before, more=30))
        longer, _ = outcome(served, served.submit(bow))
    finally:
        served.stop()
    assert isinstance(result, Result), result
    [after] = result.motions
    changed = after.data != before.data
    assert np.nonzero(changed.any(1))[0].tolist() == list(range(20, 40))
    legs = [3 + 6 * joint for joint in (0, 1, 2, 4, 5, 7, 8, 10, 11)]
    assert not changed[:, :3].any()
    assert not any(changed[:, start : start + 6].any() for start in legs)
    own = after.meta["edit"]["before"]
    assert (own["prompt"], own["seed"], own["model"]) == (asked.prompt, 4, model)
    assert isinstance(longer, Result), longer
    [more] = longer.motions
    assert len(more.data) == len(before.data) + 30
    np.testing.assert_array_equal(more.data[: len(before.data)], before.data)
    speed = np.abs(np.diff(more.data[:, :3], axis=0)).max(1)
    # no jump where it goes on: the pelvis of a walk moves by about 4 cm a frame
    assert speed[len(before.data) - 1] < 0.08
