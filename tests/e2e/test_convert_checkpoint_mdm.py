"""``kinetype convert-checkpoint mdm`` on released checkpoints, good and bad."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.motion.io import npz
from backend.pipelines.humanml3d import statistics as hml_statistics
from backend.pipelines.mdm import MDMPipeline
from backend.store.config_files import refuse_file
from backend.store.model_folder import Stats
from tests.clip_files import write_clip
from tests.conftest import _swinging_clip
from tests.mdm_files import evaluator_stats, tiny_net, walking_stats, write_release

from .conftest import Kinetype


@pytest.fixture(scope="module")
def stats() -> Stats:
    return walking_stats(_swinging_clip)


@pytest.fixture
def release(tmp_path: Path, stats: Stats) -> Path:
    return write_release(tmp_path / "release", stats=stats)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip")


def test_the_golden_checkpoint_verifies(kit: Path, clip: Path, kinetype_here: Kinetype) -> None:
    checkpoint = kit / "mdm" / "text_enc" / "model000000100.pt"
    done = kinetype_here(
        "convert-checkpoint", "mdm", checkpoint, "out", "--clip", clip, "--verify",
        "--verify-steps", 10,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["max-abs-diff = 0.0", "out"]
    assert "No training statistics" in done.stderr  # the golden checkpoint has none beside it


def test_convert_verify_and_generate(
    release: Path, clip: Path, kinetype: Kinetype, tmp_path: Path
) -> None:
    done = kinetype(
        "convert-checkpoint", "mdm", release, "model", "--clip", clip, "--verify",
        "--licence", "CC0-1.0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "max-abs-diff = 0.0" in done.stdout.splitlines()
    config = json.loads((tmp_path / "model" / "mdm_config.json").read_text())
    assert config["name"] == "release" and config["licence"] == "CC0-1.0"
    blend = ("--out", "x.blend") if find_spec("bpy") else ()
    made = kinetype(
        "generate", "a person walks", "--model", "model", "--seconds", "2.1", "--steps", "3",
        "--out", "x.npz", *blend, "--offline", "--device", "cpu",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    # recent Blenders compress their files with zstandard
    magic = (b"BLENDER", b"\x28\xb5\x2f\xfd")
    assert all((tmp_path / name).read_bytes().startswith(magic) for name in blend[1:])
    motion = npz.read_motion(tmp_path / "x.npz")
    assert motion.data.shape == (63, 135) and motion.meta["licence"] == "CC0-1.0"


def test_the_folder_is_the_checkpoint(
    release: Path, clip: Path, kinetype_here: Kinetype, tmp_path: Path, stats: Stats
) -> None:
    done = kinetype_here("convert-checkpoint", "mdm", release.parent, "model", "--clip", clip)
    assert done.returncode == 0, done.stderr
    pipeline = MDMPipeline.from_pretrained(tmp_path / "model", device="cpu", local_files_only=True)
    expected = tiny_net().state_dict()
    state = pipeline.net.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert torch.equal(pipeline.stats.mean, stats.mean)
    assert torch.equal(pipeline.stats.std, stats.std)


def test_ema_weights_are_taken(
    release: Path, clip: Path, kinetype_here: Kinetype, tmp_path: Path
) -> None:
    average = tiny_net(seed=5).state_dict()
    torch.save({"model": tiny_net().state_dict(), "model_avg": average}, release)
    args = json.loads((release.parent / "args.json").read_text())
    (release.parent / "args.json").write_text(json.dumps({**args, "use_ema": True}))
    done = kinetype_here("convert-checkpoint", "mdm", release, "model", "--clip", clip, "--verify")
    assert done.returncode == 0 and "max-abs-diff = 0.0" in done.stdout, done.stderr
    net = MDMPipeline.from_pretrained(tmp_path / "model", device="cpu").net
    assert torch.equal(net.embed_text.weight, average["embed_text.weight"])


def test_old_archives_with_plain_values_open(
    release: Path, clip: Path, kinetype_here: Kinetype
) -> None:
    """The format before zip files, with training arguments and NumPy numbers beside the tensors."""
    content = {
        "model": tiny_net().state_dict(),
        "args": argparse.Namespace(layers=1),
        "best": np.float64(0.5),
        "curve": np.arange(3.0),
    }
    torch.save(content, release, _use_new_zipfile_serialization=False)
    done = kinetype_here("convert-checkpoint", "mdm", release, "model", "--clip", clip, "--verify")
    assert done.returncode == 0 and "max-abs-diff = 0.0" in done.stdout, done.stderr


def test_checkpoints_trained_here_read_minilm(
    tmp_path: Path, stats: Stats, clip: Path, kinetype_here: Kinetype
) -> None:
    release = write_release(tmp_path / "run", tiny_net(text_encoder="minilm"), stats)
    done = kinetype_here("convert-checkpoint", "mdm", release, "model", "--clip", clip)
    _refused(done, "comes with Kinetype")
    done = kinetype_here("convert-checkpoint", "mdm", release, "model", "--verify")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["max-abs-diff = 0.0", "model"] and not done.stderr
    made = kinetype_here(
        "generate", "walk", "--model", "model", "--seconds", "2", "--steps", "2",
        "--out", "x.npz", "--offline", "--quiet",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr


# ---------------------------------------------------------------- bad input


class _Harmful:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


def _refused(done: object, *named: str) -> None:
    assert done.returncode in (1, 2), done.stdout
    assert done.stderr.startswith("error:") and "hint:" in done.stderr
    for text in named:
        assert text in done.stderr, done.stderr
    assert not Path("model").exists() and not list(Path().glob(".model*"))


def test_code_in_a_checkpoint_does_not_run(release: Path, kinetype_here: Kinetype) -> None:
    mark = release.parent / "ran"
    torch.save({**tiny_net().state_dict(), "x": _Harmful(mark)}, release)
    done = kinetype_here("convert-checkpoint", "mdm", release, "model")
    _refused(done, "could run code", "nothing of it was run")
    assert not mark.exists()


def test_missing_args(release: Path, kinetype_here: Kinetype) -> None:
    (release.parent / "args.json").unlink()
    _refused(kinetype_here("convert-checkpoint", "mdm", release, "model"), "args.json is missing")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"dataset": "cmu"}, "dataset is 'cmu'"),
        ({"dataset": "humanact12"}, "missing embed_action"),
        ({"layers": 3}, "missing seqTransEncoder.layers.1"),
        ({"arch": "gru"}, "unexpected seqTransEncoder.layers.0"),
        ({"unconstrained": True}, "unexpected embed_text"),
        ({"layers": 1.5}, "layers is 1.5, not a whole number"),
        ({"layers": "1"}, "layers is '1', not a whole number"),
        ({"mask_frames": "false"}, "mask_frames is 'false', not true or false"),
        ({"use_ema": "no"}, "use_ema is 'no', not true or false"),
        ({"arch": ["trans_enc"]}, "arch is ['trans_enc'], not a name"),
        ({"context_len": -1}, "context_len is -1"),
    ],
)
def test_args_of_another_model(
    release: Path, kinetype_here: Kinetype, change: dict, named: str
) -> None:
    path = release.parent / "args.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    _refused(kinetype_here("convert-checkpoint", "mdm", release, "model"), named)


def test_an_action_model(tmp_path: Path, kinetype_here: Kinetype) -> None:
    net = tiny_net(joints=25, channels=6, dataset="humanact12", condition="action", actions=12)
    release = write_release(tmp_path / "release", net)
    done = kinetype_here("convert-checkpoint", "mdm", release, "model")
    _refused(done, "25 x 6", "humanact12", "kinetype sample")


def test_nan_and_truncation(release: Path, kinetype_here: Kinetype) -> None:
    state = tiny_net().state_dict()
    state["embed_text.bias"][0] = float("nan")
    torch.save(state, release)
    done = kinetype_here("convert-checkpoint", "mdm", release, "model")
    _refused(done, "embed_text.bias holds NaN")
    release.write_bytes(release.read_bytes()[:-1000])
    _refused(kinetype_here("convert-checkpoint", "mdm", release, "model"), "truncated")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[1, 2]", "must hold a JSON object"),
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_args_that_are_no_arguments(
    release: Path, kinetype_here: Kinetype, text: str, named: str
) -> None:
    (release.parent / "args.json").write_text(text)
    _refused(kinetype_here("convert-checkpoint", "mdm", release, "model"), named)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda value: value.to_sparse(), ("sparse",)),
        (lambda value: value.to("meta"), ("empty (meta)",)),
        (lambda value: value.long(), ("torch.int64", "embed_text.weight")),
        (lambda value: {"a": value}, ("no tensor", "embed_text.weight")),
        (lambda value: value.double() + 1e300, ("NaN or infinite", "embed_text.weight")),
    ],
)
def test_tensors_that_are_no_weights(
    release: Path, kinetype_here: Kinetype, change: Callable, named: tuple[str, ...]
) -> None:
    state = {name: value.detach() for name, value in tiny_net().state_dict().items()}
    state["embed_text.weight"] = change(state["embed_text.weight"])
    torch.save(state, release)
    done = kinetype_here("convert-checkpoint", "mdm", release, "model")
    _refused(done, *named)


def test_no_folder_but_a_model_is_ever_replaced(release: Path, kinetype_here: Kinetype) -> None:
    command = ("convert-checkpoint", "mdm", release)
    for out in (release.parent, release.parent.parent, "", "."):
        done = kinetype_here(*command, out, "--overwrite")
        _refused(done)
        assert release.is_file(), out
    mine = Path("mine")
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    _refused(kinetype_here(*command, mine, "--overwrite"), "not empty", "never replaced")
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_a_model_that_holds_its_checkpoint_is_not_replaced(
    release: Path, kinetype_here: Kinetype
) -> None:
    assert kinetype_here("convert-checkpoint", "mdm", release, "made").returncode == 0
    inside = shutil.copytree(release.parent, "made/source")
    command = ("convert-checkpoint", "mdm", Path(inside) / release.name, "made", "--overwrite")
    _refused(kinetype_here(*command), "would be replaced")
    assert (Path(inside) / release.name).is_file()
    shutil.rmtree(inside)
    again = kinetype_here("convert-checkpoint", "mdm", release, "made", "--overwrite")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("name", ["n" * 300, "release/args.json", "release/args.json/model"])
def test_folders_that_cannot_be_made(release: Path, kinetype_here: Kinetype, name: str) -> None:
    _refused(kinetype_here("convert-checkpoint", "mdm", release, name))


def test_evaluator_statistics(
    release: Path, kinetype_here: Kinetype, stats: Stats, tmp_path: Path
) -> None:
    hml_statistics.write(tmp_path, evaluator_stats(stats))
    given = ("--mean", tmp_path / "Mean.npy", "--std", tmp_path / "Std.npy")
    done = kinetype_here("convert-checkpoint", "mdm", release, "model", *given)
    _refused(done, "evaluator's statistics", "t2m_std.npy")
    done = kinetype_here("convert-checkpoint", "mdm", release, "model", *given[:2])
    _refused(done, "belong together")


def test_folders_that_hold_something_else(
    release: Path, clip: Path, kinetype_here: Kinetype, tmp_path: Path
) -> None:
    done = kinetype_here("convert-checkpoint", "mdm", release, "model", "--clip", release.parent)
    _refused(done, "no CLIP text encoder")
    _refused(kinetype_here("convert-checkpoint", "mdm", clip, "model"), "no model*.pt")
    _refused(kinetype_here("convert-checkpoint", "mdm", "nowhere", "model"), "does not exist")
    done = kinetype_here("convert-checkpoint", "mdm", release, tmp_path / "clip")
    _refused(done, "not empty", "never replaced")
    shutil.copytree(release.parent, tmp_path / "copy")
    done = kinetype_here("generate", "walk", "--model", "copy", "--out", "x.npz", "--quiet")
    _refused(done, "convert-checkpoint")


def test_a_file_in_place_of_its_folder(release: Path, kinetype_here: Kinetype) -> None:
    assert kinetype_here("convert-checkpoint", "mdm", release, "made").returncode == 0
    command = ("generate", "walk", "--out", "x.npz", "--quiet", "--model")
    for name in ("mdm_config.json", "model.safetensors", "config.json"):
        done = kinetype_here(*command, f"made/{name}")
        _refused(done, f"made/{name}", "the folder of the model: 'made'.")
        assert "online" not in done.stderr and done.returncode == 2
    _refused(kinetype_here(*command, release), "is a file", "convert-checkpoint")
    for hub_id in ("somebody/model.v2", "somebody/model.json"):
        refuse_file(hub_id)  # it may be one
