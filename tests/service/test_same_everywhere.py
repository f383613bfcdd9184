"""The same request gives the same motions and meta from every door, for every verb.

Doors: the command line, the engine, a child process that serves, and the add-on's worker thread.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.cli.main import main
from backend.motion.io import npz
from backend.service.engine import Engine
from backend.service.provenance import KEYS
from backend.wire.messages import Describe, Edit, Features, Motion, Request, Result, Sample
from blender_addon.client import InProcessSession, ProcessSession
from tests import model_zoo

from .conftest import REPO, outcome

CASES = ("generate", "edit", "continue", "continue with tokens", "in between", "describe", "sample")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of three tiny models, and a walk whose own model and licence are others."""
    folder = tmp_path_factory.mktemp("models")
    for family in ("dit", "motiongpt", "action_mdm"):
        (folder / f"made-{family}").mkdir()
        model_zoo.tiny(family, folder / f"made-{family}").save_pretrained(folder / family)
    data = model_zoo._swinging_clip(frames=90).astype(np.float32)
    before = {"prompt": "a given walk", "seed": 99, "model": "another", "licence": "its own"}
    params = {"params": {"steps": 777}, "scores": {"jitter": -1.0}}
    npz.write_motion(folder / "walk.npz", Motion(data, meta={**before, **params}))
    return folder


@pytest.fixture(scope="module")
def doors(place: Path) -> Iterator[dict[str, Callable[[Request], Result]]]:
    # as many threads everywhere: sums depend on it in the last bit
    env, threads = {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}, torch.get_num_threads()
    torch.set_num_threads(1)
    patch = pytest.MonkeyPatch()
    patch.setenv("OMP_NUM_THREADS", "1")
    command = [sys.executable, "-m", "backend", "serve", "--device", "cpu", "--offline"]
    child = ProcessSession(command, env, log_path=place / "log")
    thread = InProcessSession(device="cpu")
    engine = Engine(device="cpu")
    answers: dict[str, Result] = {}

    def asked_once(request: Request) -> Result:
        key = f"{request.to_dict() | {'id': ''}} {request.verb} {request.samples}"
        return answers.setdefault(key, answers.get(key) or engine.run(request))

    def through(session: Any) -> Callable[[Request], Result]:
        def run(request: Request) -> Result:
            session.submit(request)
            found, _ = outcome(session, request.id)
            assert isinstance(found, Result), found
            return found

        return run

    yield {"engine": asked_once, "child": through(child), "thread": through(thread)}
    child.stop()
    thread.stop()
    patch.undo()
    torch.set_num_threads(threads)


def asked(case: str, place: Path) -> tuple[Request, list[str]]:
    """A request, and the words that ask for the same on the command line."""
    walk, common = str(place / "walk.npz"), {"seed": 5}
    motion = npz.read_motion(place / "walk.npz")
    given = Motion(motion.data, motion.fps, {**motion.meta, "source": "walk.npz"})
    dit, gpt, actions = (str(place / name) for name in ("dit", "motiongpt", "action_mdm"))
    prompt = "a person waves"
    if case == "generate":
        request = Request(prompt, 2.0, model=dit, steps=3, samples=2, **common)
        words = [case, prompt, "--seconds", "2", "--samples", "2", "--steps", "3", "--model", dit]
    elif case == "edit":
        edit = Edit(given, ((10, 30), (60, 90)), ("upper",), restarts=())
        request = Request(prompt, model=dit, edit=edit, steps=3, guidance_scale=2.0, **common)
        words = [case, walk, "--prompt", prompt, "--keep-frames", "0-10,1-2s", "--model", dit]
        words += ["--regenerate", "upper", "--restarts", "0", "--steps", "3"]
        words += ["--guidance-scale", "2"]
    elif case == "continue":
        request = Request(prompt, model=dit, edit=Edit(given, more=30), steps=3, **common)
        words = [case, walk, "--prompt", prompt, "--seconds", "1", "--steps", "3", "--model", dit]
    elif case == "continue with tokens":
        # the tiny model does not always write a motion: which are missing is part of the answer
        edit = Edit(Motion(given.data[:18], given.fps, given.meta), more=30)
        request = Request("", model=gpt, edit=edit, samples=2, steps=3, cleanup=False, **common)
        words = ["continue", walk, "--share", "0.2", "--seconds", "1", "--model", gpt]
        words += ["--steps", "3", "--no-cleanup", "--samples", "2"]
    elif case == "in between":
        common = {"seed": 31}
        request = Request("", model=gpt, edit=Edit(given, middle=True), **common)
        words = ["continue", walk, "--in-between", "--model", gpt]
    elif case == "describe":
        clip = Features(motion.data, "motion135", motion.fps)
        return Request("", model=gpt, describe=Describe((clip,))), [case, walk, "--model", gpt]
    else:
        task = Sample("jump", frames=20)
        request = Request("", model=actions, sample=task, samples=2, steps=3, **common)
        words = [case, "--checkpoint", actions, "--action", "jump", "--num-samples", "2"]
        words += ["--frames", "20", "--steps", "3", "--out", "joints.npy"]
    return request, [*words, "--seed", str(common["seed"]), "--quiet", "--out", "made.npz"]


@pytest.mark.parametrize("case", CASES)
def test_every_door_gives_the_same(
    case: str, place: Path, doors: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    request, words = asked(case, place)
    results = {name: run(request) for name, run in doors.items()}
    first = results["engine"]
    for door, other in results.items():
        assert (other.warnings, other.texts) == (first.warnings, first.texts)
        assert len(other.motions) == len(first.motions)
        for one, two in zip(first.motions, other.motions, strict=True):
            assert one.data.tobytes() == two.data.tobytes() and one.fps == two.fps, door
            assert json.loads(json.dumps(one.meta)) == json.loads(json.dumps(two.meta))
        for a, b in zip(first.clips, other.clips, strict=True):
            assert a.data.tobytes() == b.data.tobytes()
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--device", "cpu", "--offline"]) == 0
    printed = capsys.readouterr()
    for motion in first.motions:
        index = motion.meta["seed"] - request.seed
        name = f"made_{index:02d}.npz" if request.samples > 1 else "made.npz"
        written = npz.read_motion(tmp_path / name)
        assert written.data.tobytes() == motion.data.tobytes()
        assert written.meta == json.loads(json.dumps(motion.meta))
    for text in first.warnings:
        assert text in printed.err
    if case == "describe":
        assert printed.out.strip() == first.texts[0]
    if case == "sample":
        joints = np.load(tmp_path / "joints.npy")
        assert np.array_equal(joints, np.stack([clip.data for clip in first.clips]))


@pytest.mark.parametrize("case", [case for case in CASES if case != "describe"])
def test_every_motion_tells_where_it_came_from(case: str, place: Path, doors: Any) -> None:
    request, _ = asked(case, place)
    for motion in doors["engine"](request).motions:
        meta = motion.meta
        assert set(KEYS) <= set(meta) and meta["model"] == request.model
        assert len(meta["model_sha256"]) == 64 and len(meta["date"]) == 10
        assert meta["params"]["seconds"] > 0 and meta["params"].get("steps") != 777
        if request.edit is not None:
            note = next(meta[key] for key in ("edit", "continued", "in_between") if key in meta)
            assert note["before"]["licence"] == "its own" and meta["licence"] != "its own"
            assert meta["source"] == "walk.npz" and meta["prompt"] == request.prompt
        if case in ("generate", "edit", "continue"):
            assert meta["params"]["steps"] == 3
            assert meta["params"]["sampler"] == ("ddim" if case == "generate" else "ddpm")
        if case != "sample":
            assert meta["scores"]["jitter"] != -1.0


def test_the_hash_follows_the_weights(place: Path, tmp_path: Path) -> None:
    from backend.store.fingerprint import fingerprint

    files = ("config.json", "model.safetensors")
    for name in files:
        (tmp_path / name).write_bytes((place / "dit" / name).read_bytes())
    before = fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("words")
    assert fingerprint(tmp_path) == before  # no weight
    (tmp_path / "stats.npy").write_bytes(b"1")
    changed = fingerprint(tmp_path)
    (tmp_path / "stats.npy").write_bytes(b"2")
    assert len({before, changed, fingerprint(tmp_path)}) == 3
