"""The names that docs/api.md promises: they exist, take these arguments, give these shapes."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend import diffusion
from backend.cli.main import COMMANDS
from backend.evaluation import evaluators, metrics
from backend.models.mdm import load_upstream
from backend.models.mdm.fast import FastMDM
from backend.motion import convert, skeleton
from backend.motion.representations import hml263, motion135, ms272, smplrifke205

from .mdm_files import tiny_net, write_release

API = (Path(__file__).resolve().parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
FRAMES = 20

PIPELINES = {
    "dit": "DiTPipeline",
    "mdm": "MDMPipeline",
    "motiongpt": "MotionGPTPipeline",
    "mogents": "MoGenTSPipeline",
    "action_mdm": "ActionMDMPipeline",
}
STABLE_COMMANDS = {
    *("generate", "models", "convert", "convert-checkpoint", "evaluate", "train", "sample"),
    *("visualise", "batch", "serve", "doctor"),
}


def arguments(function: Callable[..., Any]) -> dict[str, str]:
    """Each argument with how it may be given: "positional" or "keyword", "=" if it may be left."""
    kinds = {inspect.Parameter.KEYWORD_ONLY: "keyword"}
    return {
        name: kinds.get(given.kind, "positional") + ("=" * (given.default is not given.empty))
        for name, given in inspect.signature(function).parameters.items()
    }


def takes(function: Callable[..., Any], **expected: str) -> bool:
    """Are these the arguments, apart from further ones that may be left out?"""
    given = arguments(function)
    given.pop("self", None)
    further = {n: k for n, k in given.items() if n not in expected}
    optional = all(k.endswith("=") or n == "options" for n, k in further.items())
    same = {n: k for n, k in given.items() if n in expected} == expected
    return optional and same


@pytest.mark.parametrize("module", PIPELINES)
def test_pipelines(module: str) -> None:
    pipeline = getattr(importlib.import_module(f"backend.pipelines.{module}"), PIPELINES[module])
    load = dict.fromkeys(["device", "local_files_only", "revision"], "keyword=")
    assert takes(pipeline.from_pretrained, name_or_path="positional", **load)
    assert takes(pipeline.save_pretrained, directory="positional")
    # the two models that can decide it themselves may be asked without lengths
    lengths = "positional=" if module in ("motiongpt", "mogents") else "positional"
    assert takes(pipeline.infer_t2m, captions="positional", lengths=lengths, seed="keyword=")
    assert takes(pipeline.generate, request="positional", on_step="positional=")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_representations(clip: np.ndarray, dtype: type) -> None:
    root, rotations = motion135.unpack(clip[:FRAMES].astype(dtype))
    assert root.shape == (FRAMES, 3) and rotations.shape == (FRAMES, 22, 3, 3)
    x = motion135.pack(root, rotations)
    assert x.shape == (FRAMES, 135) and np.allclose(x, clip[:FRAMES], atol=1e-6)
    # the first two columns of the matrix, row by row
    assert np.allclose(x[0, 3:9], rotations[0, 0, :, :2].reshape(-1), atol=1e-6)

    joints = skeleton.forward_kinematics(rotations, root)
    assert joints.shape == (FRAMES, 22, 3) and np.allclose(joints[:, 0], root, atol=1e-6)
    assert np.allclose(skeleton.forward_kinematics(rotations, root, offsets=None), joints)
    tensors = skeleton.forward_kinematics(torch.from_numpy(rotations), torch.from_numpy(root))
    assert np.allclose(tensors.numpy(), joints, atol=1e-5)

    features = hml263.encode(joints)
    assert features.shape == (FRAMES - 1, 263)
    assert hml263.decode_joints(features).shape == (FRAMES - 1, 22, 3)

    features = ms272.encode(joints, rotations)
    assert features.shape == (FRAMES, 272)
    assert ms272.decode_joints(features).shape == (FRAMES, 22, 3)
    decoded, path = ms272.decode(features)
    assert decoded.shape == (FRAMES, 22, 3, 3) and path.shape == (FRAMES, 3)
    # parent-relative rotations come back; the heading and place of the first frame do not
    assert np.allclose(decoded[:, 1:], rotations[:, 1:], atol=1e-4)

    turn = smplrifke205.Z_UP_FROM_Y_UP.astype(dtype)
    upright = rotations.copy()
    upright[:, 0] = turn @ rotations[:, 0]
    all_joints = smplrifke205.joints24(rotations, root) @ turn.T
    features = smplrifke205.encode(upright, root @ turn.T, all_joints)
    assert features.shape == (FRAMES, 205)
    for given in ({}, {"first_angle": 0.5}):
        parts = smplrifke205.decode(features, **given)
        assert [p.shape[1:] for p in parts] == [(22, 3, 3), (3,), (24, 3)]
        assert all(isinstance(part, np.ndarray) for part in parts)


def test_conversions(clip: np.ndarray) -> None:
    root, rotations = motion135.unpack(clip)
    features = hml263.encode(skeleton.forward_kinematics(rotations, root))
    assert convert.hml263_to_joints(features).shape == (len(features), 22, 3)
    for function, given, width in (
        (convert.hml263_to_motion135, features, 135),
        (convert.hml263_to_motion272, features, 272),
        (convert.motion135_to_motion272, clip, 272),
        (convert.motion272_to_motion135, convert.motion135_to_motion272(clip), 135),
    ):
        made = function(given)
        seconds = len(given) / (20.0 if given is features else 30.0)
        assert made.shape[1] == width and abs(len(made) - 30.0 * seconds) <= 2
    route = convert.convert(features, "hml263", "ms272")
    assert route.data.shape[1] == 272 and route.lossy_steps
    assert all(step.name for step in route.lossy_steps)


def test_metrics() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(320, 8))
    made = real + rng.normal(scale=0.1, size=real.shape)
    assert metrics.frechet_distance(real, real) == pytest.approx(0.0, abs=1e-6)
    assert metrics.frechet_distance(real, made + 1.0) > 5.0
    ranks = metrics.r_precision(made, real)
    assert np.shape(ranks) == (3,) and 0.0 <= ranks[0] <= ranks[1] <= ranks[2] <= 1.0
    assert metrics.matching_score(real, real) == pytest.approx(0.0, abs=1e-6)
    assert metrics.diversity(real, rng=np.random.default_rng(0)) > 0.0
    assert metrics.multimodality(real.reshape(10, 32, 8)) > 0.0
    assert set(metrics.prdc(real, made)) == {"precision", "recall", "density", "coverage"}
    still = np.broadcast_to(rng.normal(size=(1, 22, 3)), (FRAMES, 22, 3))
    assert metrics.physical_metrics(still, 30)["jerk_m_s3"] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    "name",
    ["HumanML263", "Joints66", "MotionStreamer272", "MotionCLIP135", "TMR"],
)
def test_evaluators(name: str) -> None:
    evaluator = getattr(evaluators, f"{name}Evaluator")
    assert takes(evaluator.from_pretrained, folder="positional", device="keyword=")
    assert takes(evaluator.embed_motions, motions="positional")
    assert takes(evaluator.embed_texts, captions="positional")


@pytest.mark.parametrize("batch", [1, 3])
def test_a_released_mdm_through_the_sampling_function(tmp_path: Path, batch: int) -> None:
    """The network as it is and its fast form agree, with guidance and any batch."""
    write_release(tmp_path / "release", tiny_net())
    net = load_upstream(tmp_path / "release")
    text = torch.randn(1, batch, 512, generator=torch.Generator().manual_seed(0))
    y = {"text_embed": text}
    x = torch.randn(batch, 263, 1, 12, generator=torch.Generator().manual_seed(1))
    assert net(x, torch.full((batch,), 5), y).shape == x.shape

    schedule = diffusion.Schedule(net.config.noise_schedule, net.config.diffusion_steps)
    setting: dict[str, Any] = {"schedule": schedule, "sampler": "ddim", "steps": 4, "y": y}
    released = diffusion.sample(net, x.shape, guidance=2.5, x_t=x, noise=x.clone, **setting)
    frames_first = x[:, :, 0].mT
    fast = diffusion.sample(
        FastMDM(net), frames_first.shape, guidance=2.5, x_t=frames_first, noise=x.clone, **setting
    )
    assert torch.allclose(released[:, :, 0].mT, fast, atol=1e-4)
    plain = diffusion.sample(net, x.shape, guidance=1.0, x_t=x, noise=x.clone, **setting)
    assert not torch.allclose(plain, released, atol=1e-3)
    drawn = diffusion.sample(
        net, x.shape, guidance=2.5, generator=torch.Generator().manual_seed(3), **setting
    )
    assert drawn.shape == x.shape


def test_commands() -> None:
    assert set(COMMANDS) >= STABLE_COMMANDS
    table = API.split("## Command line")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`([\w-]+)", " ".join(rows))) == set(COMMANDS)


def test_every_dotted_name_of_the_page_exists() -> None:
    """``backend.x.y`` and ``backend.x.{a, b}``: import as far as possible, then attributes."""
    code = re.sub(r"```.*?```", "", API, flags=re.DOTALL)
    found = set()
    for stem, group in re.findall(r"`(backend(?:\.\w+)*)\.\{([^}]*)\}", code):
        found |= {f"{stem}.{part.strip()}" for part in group.split(",")}
    found |= {name.rstrip(".") for name in re.findall(r"`(backend(?:\.\w+)+)", code)}
    assert len(found) > 30
    missing = sorted(name for name in found if not _exists(name))
    assert not missing


def _exists(dotted: str) -> bool:
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            target: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            if not hasattr(target, part):
                return False
            target = getattr(target, part)
        return True
    return False
