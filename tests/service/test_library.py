"""The librarian against a hub on this computer: progress, cancel, resume, what is ours."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.errors import (
    ArtifactError,
    Cancelled,
    InvalidRequest,
    KinetypeError,
    ModelAbsent,
    ModelNotFound,
    OutputError,
)
from backend.pipelines import registry
from backend.service.engine import Engine
from backend.service.library import Librarian
from backend.store import hub, hub_cache, own_models
from backend.wire.messages import Progress, Request
from backend.wire.tasks import ModelTask, TaskDone
from tests.clip_files import write_clip
from tests.conftest import _swinging_clip
from tests.hub_server import Hub, serve_hub
from tests.mdm_files import walking_stats, write_release

REPO = "ZeyuLing/hftrainer-mogents-humanml3d"
OTHER = "someone/words"
FILES = {
    "mogents_config.json": json.dumps({"config": {}}).encode(),
    "vq.safetensors": bytes(range(256)) * 1600,
    "README.md": b"# MoGenTS",
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub, an empty cache and an empty home; MoGenTS's own text encoder is not looked for."""
    with serve_hub({REPO: dict(FILES), OTHER: {"vocab.json": b"{}"}}) as (address, found):
        for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN", "TRANSFORMERS_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
        monkeypatch.setenv("KINETYPE_HOME", str(tmp_path / "home"))
        monkeypatch.setattr(hub, "CHUNK_BYTES", 10_000)
        monkeypatch.setattr(own_models, "_home", [])
        monkeypatch.setattr("backend.service.library._fetch_text_encoder", lambda folder: None)
        yield found


def do(verb: str, **values: str) -> TaskDone:
    return Librarian().run(ModelTask("t", verb, **values))


def state() -> str:
    info = registry.model_info("mogents")
    assert info is not None
    return info.state


def test_generate_tells_size_and_licence_and_fetches_nothing(server: Hub) -> None:
    with pytest.raises(ModelAbsent) as caught:
        Engine().run(Request("a person walks", model="mogents"))
    assert caught.value.detail == "mogents"
    for words in ("not on this computer", "1.2 GB", REPO, "research use", "no commercial use"):
        assert words in caught.value.message
    for name in (REPO, OTHER, f"{OTHER}@main"):
        with pytest.raises(ModelAbsent, match="not on this computer") as caught:
            Engine().run(Request("a person walks", model=name))
        assert caught.value.detail == name and "Download it first" in caught.value.hint
    assert server.requests == []


def test_cancel_while_the_hub_stalls_then_resume_then_remove(server: Hub) -> None:
    """The second try asks for the rest only; what another program fetched is never removed."""
    server.pace = 100_000
    seen: list[Progress] = []
    cancelled = [0.0]

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if progress.step > 100_000:
            server.pace = 1  # nothing comes any more
            cancelled[0] = time.monotonic()
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        Librarian().run(ModelTask("t", "download", "mogents"), stop)
    assert {p.stage for p in seen} == {"downloading"}
    assert seen[-1].total == sum(map(len, FILES.values()))
    assert state() == "partial"
    info = registry.model_info("mogents")
    assert info is not None and not info.ready and info.arrived_bytes > 100_000
    with pytest.raises(ModelAbsent, match="only partly downloaded"):
        Engine().run(Request("a person walks", model="mogents"))

    server.pace = None
    done = do("download", model="mogents")
    assert "checked" in done.text and done.model == "mogents"
    assert [first > 100_000 for path, first in server.ranges if "vq" in path] == [True]
    folder = hub_cache.snapshot(REPO)
    assert folder is not None
    assert (folder / "vq.safetensors").read_bytes() == FILES["vq.safetensors"]
    assert state() == "downloaded"

    do("remove", model="mogents")
    assert state() == "absent" and not hub_cache.repository(REPO).exists()
    hub.download(REPO, ["*"])  # as another program would
    assert state() == "found"
    with pytest.raises(OutputError, match="not downloaded by Kinetype"):
        do("remove", model="mogents")
    do("download", model="mogents")
    assert state() == "found"


def test_lies_are_not_kept_and_a_text_encoder_is_no_model(server: Hub) -> None:
    server.damages = {"vq.safetensors"}
    with pytest.raises(ArtifactError, match=r"damaged: vq\.safetensors"):
        do("download", model="mogents")
    info = registry.model_info("mogents")
    assert info is not None and not info.ready and info.state in ("partial", "absent")
    folder = Path(do("download", model=OTHER).text.split(": ")[-1])
    assert [path.name for path in folder.iterdir()] == ["vocab.json"]
    with pytest.raises(ModelNotFound):
        do("download", model="someone/nobody")


def test_a_folder_is_linked_used_by_name_and_forgotten(server: Hub, tmp_path: Path) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    with pytest.raises(ArtifactError, match="holds no model"):
        do("link", place=str(place))
    (place / "mogents_config.json").write_text("{}")
    first, second = (do("link", place=str(place)).model for _ in range(2))
    assert (first, second) == ("mine", "mine-2")
    info = registry.find_info("mine", local_files_only=True)
    assert (info.state, info.path, info.family) == ("linked", str(place), "mogents")
    do("remove", model="mine-2")
    assert registry.model_info("mine-2") is None and place.is_dir()
    place.rename(tmp_path / "moved")
    info = registry.model_info("mine")
    assert info is not None and not info.ready and "is gone" in info.problem
    with pytest.raises(ArtifactError, match="is gone"):
        registry.find_info("mine")
    do("remove", model="mine")
    assert (tmp_path / "moved" / "mogents_config.json").is_file()
    for verb, model in (("remove", "starter"), ("download", "starter")):
        with pytest.raises(InvalidRequest, match="comes with Kinetype"):
            do(verb, model=model)


@pytest.mark.parametrize(
    ("verb", "values"),
    [
        ("burn", {"model": "x"}),
        ("download", {}),
        ("link", {"model": "x"}),
        ("convert", {"place": "  "}),
        ("download", {"model": "x" * 10_000}),
    ],
)
def test_bad_tasks_are_refused(server: Hub, verb: str, values: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        do(verb, **values)
    assert caught.value.hint or "long" in caught.value.message


def test_a_file_of_links_that_is_damaged_hides_no_model(server: Hub, tmp_path: Path) -> None:
    own_models.home().mkdir()
    for text in ("{", "[]", '{"linked": 3, "begun": {"a": 1}, "downloaded": [4]}', "\xff"):
        (own_models.home() / own_models.FILE).write_bytes(text.encode("latin-1"))
        assert own_models.record() == own_models.Record()
        assert any(info.name == "starter" for info in registry.list_models())


def test_what_is_no_release_names_those_that_can_be_converted(server: Hub, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"x")
    with pytest.raises(KinetypeError, match="no released checkpoint") as caught:
        do("convert", place=str(tmp_path / "file.bin"))
    assert "mdm" in caught.value.hint and "momask" in caught.value.hint


@pytest.mark.slow
def test_a_release_is_converted_compared_used_and_removed(server: Hub, tmp_path: Path) -> None:
    release = write_release(tmp_path / "release", stats=walking_stats(_swinging_clip))
    encoder = write_clip(tmp_path / "clip")
    seen: list[str] = []
    task = ModelTask("t", "convert", place=str(release), text_encoder=str(encoder))
    done = Librarian().run(task, lambda progress: seen.append(progress.stage))
    assert "max-abs-diff = 0.0" in done.text and seen
    info = registry.model_info(done.model)
    assert info is not None and (info.state, info.family, info.ready) == ("converted", "mdm", True)
    result = Engine(device="cpu").run(
        Request("a person walks", 2.1, steps=2, model=done.model, cleanup=False)
    )
    assert result.motions[0].data.shape == (63, 135)
    do("remove", model=done.model)
    assert registry.model_info(done.model) is None and own_models.converted() == {}
    assert release.exists()

    def stop(_: Progress) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        Librarian().run(task, stop)
    assert list((own_models.home() / own_models.FOLDER).iterdir()) == [], "nothing half is left"
    bad = tmp_path / "model000000007.pt"
    bad.write_bytes(b"no checkpoint")
    with pytest.raises(KinetypeError) as caught:
        do("convert", place=str(bad))
    assert caught.value.hint and own_models.converted() == {}
