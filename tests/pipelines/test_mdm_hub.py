"""A published MDM from a hub on this computer: download, resume, revisions, offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import _swinging_clip
from tests.hub_server import COMMIT, Hub, run_hub_client, serve_hub
from tests.mdm_files import tiny_pipeline, walking_stats

REPO = "ZeyuLing/hftrainer-mdm-humanml3d"
SECOND = "89abcdef0123456789abcdef0123456789abcdef"

CLIENT = """
import json, sys
from backend.store import hub
hub.CHUNK_BYTES = 1000  # a megabyte in earnest, more than these files have
from backend.errors import KinetypeError
from backend.pipelines.mdm import MDMPipeline
from backend.pipelines.registry import load_pipeline, model_info
for job in json.loads(sys.argv[1]):
    name = job.pop("name")
    answer = {"ready": model_info("mdm").ready, "fix": model_info("mdm").fix}
    try:
        if job.pop("registry", False):
            pipeline = load_pipeline(name, device="cpu", **job)
        else:
            pipeline = MDMPipeline.from_pretrained(name, device="cpu", **job)
        clip = pipeline.infer_t2m(["walk"], [40], seed=1)[0]
        answer |= {"sum": float(clip.astype("f8").sum()), "folder": str(pipeline.folder)}
    except KinetypeError as error:
        answer |= {"code": error.code, "message": error.message, "hint": error.hint}
    print(json.dumps(answer))
"""

DOWNLOAD = """
import sys
from backend.cli.main import main
sys.exit(main(["models", "--download", "mdm"]))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A whole artifact and files that must not be fetched."""
    folder = tmp_path_factory.mktemp("published")
    stats = walking_stats(_swinging_clip)
    made = tiny_pipeline(stats, folder / "clip").save_pretrained(folder / "model")
    found = {path.name: path.read_bytes() for path in made.iterdir()}
    return {**found, "README.md": b"# MDM", "optimizer.pt": b"pickle"}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The same with other weights."""
    folder = tmp_path_factory.mktemp("second")
    stats = walking_stats(_swinging_clip)
    made = tiny_pipeline(stats, folder / "clip", seed=9).save_pretrained(folder / "model")
    return {path.name: path.read_bytes() for path in made.iterdir()}


def ask(home: Path, address: str, *jobs: dict, offline: bool = False) -> tuple[list[dict], str]:
    done = run_hub_client(CLIENT, home, address, json.dumps(jobs), offline=offline)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def gets(hub: Hub) -> list[str]:
    """Names of the files that were downloaded."""
    return [
        path.rsplit("/", 1)[-1]
        for method, path in hub.requests
        if method == "GET" and "/resolve/" in path
    ]


def test_download_resume_and_use_offline(files: dict[str, bytes], tmp_path: Path) -> None:
    with serve_hub({REPO: files}) as (address, hub):
        hub.drops = {"model.safetensors"}
        jobs = {"name": "mdm", "registry": True}, {"name": REPO}
        (got, again), bars = ask(tmp_path, address, *jobs)
        assert "message" not in got, got
        assert not got["ready"] and got["fix"] == "Download it."
        # the broken download went on where it had stopped, and was not repeated
        assert [(p.rsplit("/", 1)[-1], n > 0) for p, n in hub.ranges] == [
            ("model.safetensors", True)
        ]
        assert gets(hub).count("model.safetensors") == 2
        assert again["sum"] == got["sum"] and again["ready"]
        assert "%" in bars  # a progress bar was shown
        assert not {"README.md", "optimizer.pt"} & set(gets(hub))
    (offline,), _ = ask(tmp_path, address, {"name": REPO}, offline=True)  # the server is gone
    assert offline["sum"] == got["sum"] and Path(offline["folder"]).name == COMMIT


def test_revisions_are_pinned(
    files: dict[str, bytes], other: dict[str, bytes], tmp_path: Path
) -> None:
    with serve_hub({REPO: files}) as (address, hub):
        hub.revisions = {SECOND: {REPO: other}}
        (first, second, unknown), _ = ask(
            tmp_path,
            address,
            {"name": REPO},
            {"name": REPO, "revision": SECOND},
            {"name": REPO, "revision": "v9"},
        )
    assert first["sum"] != second["sum"] and Path(second["folder"]).name == SECOND
    assert unknown["code"] == "model_not_found" and "v9" in unknown["message"]


def test_a_revision_in_the_name(
    files: dict[str, bytes], other: dict[str, bytes], tmp_path: Path
) -> None:
    pinned = {"name": f"{REPO}@{SECOND}", "registry": True}
    with serve_hub({REPO: files}) as (address, hub):
        hub.revisions = {SECOND: {REPO: other}}
        (online,), _ = ask(tmp_path, address, pinned)
        assert Path(online["folder"]).name == SECOND
    # nothing else was fetched: offline the plain name has no model, and says what there is
    (again, plain), _ = ask(tmp_path, address, pinned, {"name": REPO}, offline=True)
    assert again["sum"] == online["sum"] and not again["ready"]
    assert plain["code"] == "model_absent" and f"{REPO}@{SECOND}" in plain["hint"]


def test_what_cannot_be_had(files: dict[str, bytes], tmp_path: Path) -> None:
    without_std = {name: data for name, data in files.items() if name != "Std.npy"}
    with serve_hub({REPO: files, "someone/half": without_std}) as (address, _):
        (nobody, half, local), _ = ask(
            tmp_path,
            address,
            {"name": "someone/nobody"},
            {"name": "someone/half"},
            {"name": REPO, "local_files_only": True},
        )
    assert nobody["code"] == "model_not_found" and "someone/nobody" in nobody["message"]
    assert half["code"] == "artifact" and "Std.npy" in half["message"]
    assert local["code"] == "model_absent" and "Download it first" in local["hint"]
    # no network at all: nothing listens at that address any more
    (dead, offline), _ = ask(
        tmp_path / "new", address, {"name": REPO}, {"name": REPO, "local_files_only": True}
    )
    assert (dead["code"], offline["code"]) == ("model_not_found", "model_absent")
    assert "could not be downloaded" in dead["message"]


def test_an_artifact_without_its_text_encoder(files: dict[str, bytes], tmp_path: Path) -> None:
    """As the published one is: CLIP is found by name, and offline one is told what to do."""
    bare = {n: d for n, d in files.items() if n not in ("clip.safetensors", "vocab.json")}
    config = json.loads(bare["mdm_config.json"])
    bare["mdm_config.json"] = json.dumps(
        {k: config[k] for k in ("model_type", "guidance_param", "config")}
    ).encode()
    clip = {n: files[n] for n in ("merges.txt", "vocab.json")}
    clip["config.json"] = json.dumps(
        {"model_type": "clip", "text_config": {"num_attention_heads": 1}}
    ).encode()
    clip["model.safetensors"] = files["clip.safetensors"]
    repos = {REPO: bare, "openai/clip-vit-base-patch32": clip}
    with serve_hub(repos) as (address, hub):
        fetched = run_hub_client(DOWNLOAD, tmp_path, address)
        assert fetched.returncode == 0, fetched.stderr
        assert gets(hub).count("model.safetensors") == 2  # MDM's and CLIP's
        hub.repos = {REPO: bare}
        (lost,), _ = ask(tmp_path / "new", address, {"name": REPO})
    assert lost["code"] == "missing_dependency"
    assert "openai/clip-vit-base-patch32" in lost["message"] and "--clip" in lost["hint"]
    (found,), _ = ask(tmp_path, address, {"name": REPO}, offline=True)
    assert "sum" in found, found
