"""The shipped model through the real command: both sessions, the same motion, a prompt cancel."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import KinetypeError
from backend.pipelines import registry
from backend.text import minilm
from backend.wire import limits
from backend.wire.messages import Failure, Progress, Request, Result
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
    local = InProcessSession(device="cpu", threads=1, local_files_only=True)
    served = ProcessSession(*default_command(device="cpu", threads=1, offline=True))
    try:
        results = []
        for session in (served, local):
            result, events = outcome(session, session.submit(request))
            assert isinstance(result, Result), result
            results.append(result)
            assert [e.step for e in events if isinstance(e, Progress) and e.total] == [0, 1, 2, 3]
            running = session.submit(endless)
            collect(session, lambda found: any(isinstance(e, Progress) and e.total for e in found))
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
