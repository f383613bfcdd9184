"""One way to save for every family: whole or not at all, never over what somebody else keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.errors import OutputError
from backend.pipelines.registry import load_pipeline
from backend.store.new_folder import check_free, new_folder, saved_here
from tests.model_zoo import FAMILIES, tiny

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=FAMILIES)
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny(request.param, tmp_path_factory.mktemp(request.param))


def foreign(folder: Path) -> Path:
    """Another program's project: the same file names, and work that nobody has twice."""
    folder.mkdir()
    for name, text in {
        "config.json": json.dumps({"architectures": ["BertModel"], "sha256": "of nothing"}),
        "mdm_config.json": "{}",
        "model_index.json": '{"_class_name": "MotionGPT"}',
        "model.safetensors": "weights of months",
        "stats.safetensors": "theirs",
        "Mean.npy": "theirs",
        "thesis.txt": "nobody has it twice",
    }.items():
        (folder / name).write_text(text)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# ---------------------------------------------------------------- every family


@pytest.mark.parametrize("overwrite", [False, True])
def test_no_family_saves_over_a_foreign_folder(
    pipeline: Any, tmp_path: Path, overwrite: bool
) -> None:
    there = foreign(tmp_path / "theirs")
    before = contents(there)
    with pytest.raises(OutputError, match="never replaced"):
        pipeline.save_pretrained(there, overwrite=overwrite)
    assert contents(there) == before
    assert [p.name for p in tmp_path.iterdir()] == ["theirs"]


def test_a_model_of_our_own_is_replaced_when_asked(pipeline: Any, tmp_path: Path) -> None:
    folder = pipeline.save_pretrained(tmp_path / "model")
    assert saved_here(folder)
    saved = contents(folder)
    with pytest.raises(OutputError, match="not empty") as caught:
        pipeline.save_pretrained(folder)
    assert "overwrite" in caught.value.hint
    (folder / "left over.txt").write_text("of the model before")
    assert pipeline.save_pretrained(folder, overwrite=True) == folder
    assert contents(folder).keys() == saved.keys()
    load_pipeline(folder, device="cpu", local_files_only=True)


def test_a_run_of_training_is_no_model_to_replace(pipeline: Any, tmp_path: Path) -> None:
    folder = pipeline.save_pretrained(tmp_path / "run")
    (folder / "state.pt").write_bytes(b"hours")
    with pytest.raises(OutputError, match="training run"):
        pipeline.save_pretrained(folder, overwrite=True)
    assert (folder / "state.pt").read_bytes() == b"hours"


# ---------------------------------------------------------------- the folder


def test_a_folder_with_a_record_that_does_not_hold_is_foreign(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    record = {"sha256": {"model.safetensors": "0" * 64}}
    (folder / "config.json").write_text(json.dumps(record))
    assert not saved_here(folder)  # the file that it names is not there
    (folder / "model.safetensors").write_bytes(b"x")
    assert saved_here(folder)
    (folder / "config.json").write_text('{"sha256": {"model.safetensors": "short"}}')
    assert not saved_here(folder)


def test_links_are_followed(tmp_path: Path) -> None:
    """A link that is replaced would leave the model where it points, and look saved."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    with new_folder(tmp_path / "link") as folder:
        (folder / "made").write_text("x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "made").read_text() == "x"


def test_who_comes_first_keeps_the_name(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="not empty"),
        new_folder(tmp_path / "model") as folder,
    ):
        (folder / "mine").write_text("x")
        foreign(tmp_path / "model")  # another process was faster
    assert (tmp_path / "model" / "thesis.txt").is_file()
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("name", ["~nobody_of_that_name/model", "x" * 300, ""])
def test_impossible_names_are_refused_in_words(name: str) -> None:
    with pytest.raises(OutputError) as caught:
        check_free(name)
    assert caught.value.hint


def test_a_killed_save_leaves_the_old_model(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing: the model that was there is whole, byte by byte."""
    folder = tiny("dit", tmp_path).save_pretrained(tmp_path / "model")
    before = contents(folder)
    script = (
        "import sys, time\n"
        "from backend.store.new_folder import new_folder\n"
        "with new_folder(sys.argv[1], overwrite=True) as folder:\n"
        "    (folder / 'config.json').write_text('half')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], cwd=REPO, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "writing\n"
    child.kill()
    child.wait()
    assert contents(folder) == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Cannot write"), new_folder(tmp_path / "model"):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_asking_changes_nothing(tmp_path: Path) -> None:
    assert check_free(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert not list(tmp_path.iterdir())
