"""A file appears whole or not at all, and what was there before survives a failure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.errors import OutputError
from backend.motion.io.atomic import atomic_path


def test_writes_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "walk.npz"
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".npz" and temporary.parent == target.parent
        temporary.write_text("done")
        assert not target.exists()
    assert target.read_text() == "done"
    assert list(target.parent.iterdir()) == [target]


def test_failure_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "walk.bvh"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_os_errors_become_output_errors(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.npz").mkdir()
    for bad in (tmp_path / "file" / "walk.npz", tmp_path / "folder.npz"):
        with pytest.raises(OutputError, match="Cannot write"), atomic_path(bad) as temporary:
            temporary.write_text("x")
    full = OSError(28, "No space left on device")
    with (
        pytest.raises(OutputError, match="No space left") as caught,
        atomic_path(tmp_path / "a.npz"),
    ):
        raise full
    assert caught.value.hint
    with pytest.raises(OutputError, match="nothing was written"), atomic_path(tmp_path / "b.npz"):
        pass


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError), atomic_path(tmp_path / "a.npz") as temporary:
        temporary.write_text("x")
