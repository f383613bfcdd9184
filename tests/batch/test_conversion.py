"""Conversion of many files: plan, restart, failures, statistics, workers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.batch import conversion, journal, normalisation
from backend.batch.conversion_settings import ConversionSettings
from backend.batch.workers import Workers
from backend.errors import InvalidRequest
from backend.motion import convert
from backend.motion.io import bvh, load, npz
from backend.motion.representations import hml263, motion135
from backend.motion.skeleton import JOINT_NAMES
from backend.wire.messages import Motion

MotionMaker = Callable[..., np.ndarray]


@pytest.fixture
def folder(tmp_path: Path, make_motion: MotionMaker) -> Path:
    """Three 263 files of 13, 14 and 15 frames, one in a sub-folder."""
    for number, name in enumerate(("a", "sub/b", "c")):
        path = tmp_path / "in" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, convert.motion135_to_hml263(make_motion(21 + 2 * number, seed=number)))
    return tmp_path / "in"


def quick(**changes: object) -> ConversionSettings:
    values: dict[str, object] = {"target": "motion135", "refine_iterations": 3} | changes
    return ConversionSettings(**values).validated()  # type: ignore[arg-type]


def run(folder: Path, settings: ConversionSettings, **options: object) -> list[journal.Record]:
    out = folder.parent / "out"
    jobs = conversion.plan(folder, out, settings)
    return conversion.run(jobs, settings, log=out / journal.NAME, **options)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != journal.NAME
    }


def test_a_folder_keeps_its_structure(folder: Path) -> None:
    settings = quick()
    records = run(folder, settings)
    assert [r.name for r in records] == ["a.npz", "c.npz", "sub/b.npz"]
    motion = npz.read_motion(folder.parent / "out" / "sub" / "b.npz")
    features = np.load(folder / "sub" / "b.npy")
    options = settings.ik_options()
    np.testing.assert_array_equal(
        motion.data, convert.hml263_to_motion135(features, options=options)
    )
    assert motion.meta["source"] == "sub/b.npy" and motion.meta["mpjpe_mm"] == records[2].error_mm
    summary = conversion.summarise(records, settings)
    assert summary["converted"] == 3 and summary["failed"] == summary["skipped"] == 0
    assert summary["mean_mpjpe_mm"] == pytest.approx(np.mean([r.error_mm for r in records]), 1e-3)
    assert summary["frames"] == sum(r.frames for r in records) > 0
    assert any("joints -> motion135" in text for text in summary["lossy_steps"])
    assert json.loads(json.dumps(summary)) == summary


def test_workers_change_nothing(folder: Path, tmp_path: Path) -> None:
    settings = quick()
    records = run(folder, settings)
    jobs = conversion.plan(folder, tmp_path / "parallel", settings)
    assert conversion.run(jobs, settings, workers=Workers(count=2)) == [
        journal.Record(**(r.__dict__ | {"key": ""})) for r in records
    ]
    assert contents(tmp_path / "parallel") == contents(tmp_path / "out")


def test_damaged_files_fail_alone(folder: Path) -> None:
    (folder / "bad.npy").write_bytes((folder / "a.npy").read_bytes()[:300])
    np.save(folder / "nan.npy", np.full((9, 263), np.nan))
    settings = quick()
    records = run(folder, settings)
    summary = conversion.summarise(records, settings)
    assert summary["converted"] == 3 and summary["failed"] == 2
    assert [f["file"] for f in summary["failures"]] == ["bad.npy", "nan.npy"]
    assert "not a readable .npy" in summary["failures"][0]["message"]
    assert "NaN" in summary["failures"][1]["message"]
    assert set(contents(folder.parent / "out")) == {"a.npz", "c.npz", "sub/b.npz"}


def test_skip_existing_makes_again_what_is_missing_or_stale(folder: Path) -> None:
    out, settings = folder.parent / "out", quick()
    first, records = run(folder, settings), run(folder, settings, skip_existing=True)
    assert [r.status for r in records] == ["skipped"] * 3
    assert [r.error_mm for r in records] == [r.error_mm for r in first]

    before = contents(out)
    (out / "a.npz").unlink()
    assert [r.status for r in run(folder, settings, skip_existing=True)].count("skipped") == 2
    assert contents(out) == before

    np.save(folder / "c.npy", np.load(folder / "a.npy"))
    statuses = {r.name: r.status for r in run(folder, settings, skip_existing=True)}
    assert statuses == {"a.npz": "skipped", "c.npz": "converted", "sub/b.npz": "skipped"}
    others = run(folder, quick(refine_iterations=2), skip_existing=True)
    assert [r.status for r in others] == ["converted"] * 3
    # files of unknown origin are left alone
    (out / journal.NAME).unlink()
    (out / "a.npz").write_text("mine")
    assert [r.status for r in run(folder, settings, skip_existing=True)] == ["skipped"] * 3
    assert (out / "a.npz").read_text() == "mine"
    assert [r.status for r in run(folder, settings)] == ["converted"] * 3


def test_a_torn_journal_and_leftovers_of_a_kill(folder: Path) -> None:
    out, settings = folder.parent / "out", quick()
    run(folder, settings)
    before = contents(out)
    log = out / journal.NAME
    log.write_bytes(log.read_bytes()[:-20])
    leftovers = [out / ".a.0123456789ab.npz", out / "..a.0123456789ab.0123456789ab.npz"]
    foreign = out / ".b.0123456789ab.npz"
    for path in (*leftovers, foreign):
        path.write_bytes(b"half")
    records = run(folder, settings, skip_existing=True)
    assert [r.status for r in records] == ["skipped"] * 3
    # a record that was cut means "unknown origin", never a wrong number
    assert [r.error_mm is None for r in records] == [False, False, True]
    foreign.unlink()
    assert contents(out) == before
    assert len(journal.read(log, journal.Record)) == 2


def test_a_kill_between_record_and_rename_leaves_nothing_stale(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, append = folder.parent / "out", journal.append
    run(folder, quick(refine_iterations=2))

    def append_and_die(log: Path, record: journal.Record) -> None:
        append(log, record)
        raise KeyboardInterrupt

    monkeypatch.setattr(journal, "append", append_and_die)
    with pytest.raises(KeyboardInterrupt):
        run(folder, quick(), skip_existing=True)
    monkeypatch.undo()
    assert [r.status for r in run(folder, quick(), skip_existing=True)] == ["converted"] * 3
    restarted = contents(out)
    run(folder, quick())
    assert contents(out) == restarted


def test_no_workers(folder: Path) -> None:
    for workers in (0, -3):
        with pytest.raises(InvalidRequest, match="do nothing"):
            run(folder, quick(), workers=Workers(count=workers))


def test_statistics_are_undone(folder: Path, tmp_path: Path) -> None:
    features = np.load(folder / "a.npy")
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=263), rng.uniform(0.5, 2.0, 263)
    np.save(folder / "Mean.npy", mean)
    np.save(folder / "Std.npy", std)
    np.save(folder / "a.npy", (features - mean) / std)
    settings = quick(
        target="joints", mean=str(folder / "Mean.npy"), std=str(folder / "Std.npy"), source="hml263"
    )
    jobs = conversion.plan(folder, tmp_path / "out", settings)
    assert [job.name for job in jobs] == ["a.npy", "c.npy", "sub/b.npy"]
    [record] = conversion.run(jobs[:1], settings)
    assert record.status == "converted" and record.fps == 20.0
    joints = np.load(tmp_path / "out" / "a.npy")
    np.testing.assert_allclose(joints, hml263.decode_joints(features), atol=1e-4)
    np.save(folder / "Mean.npy", mean[:5])
    np.save(folder / "Std.npy", std[:5])
    normalisation.statistics.cache_clear()
    [record] = conversion.run(jobs[:1], settings)
    assert record.status == "failed" and "263 finite numbers" in record.hint


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (np.zeros(263), np.zeros(263), "all zero"),
        (np.zeros(263), -np.ones(263), "below zero"),
        (np.zeros(263), np.full(263, np.nan), "not finite"),
        (np.full(263, np.inf), np.ones(263), "not finite"),
        (np.zeros(263), np.full(263, 1e30), "beyond 10000"),
        (np.full(263, -1e30), np.ones(263), "beyond 10000"),
        (np.zeros(263), np.ones(262), "263 numbers"),
        (np.zeros((1, 263)), np.ones(263), "one number per column"),
        (np.zeros(263), np.ones(263, dtype=complex), "one number per column"),
        (None, np.ones(263), "no file"),
    ],
)
def test_statistics_that_cannot_be_are_refused(
    folder: Path, tmp_path: Path, mean: np.ndarray | None, std: np.ndarray, message: str
) -> None:
    paths = tmp_path / "Mean.npy", tmp_path / "Std.npy"
    for path, values in zip(paths, (mean, std), strict=True):
        if values is not None:
            np.save(path, values)
    settings = quick(target="joints", mean=str(paths[0]), std=str(paths[1]))
    jobs = conversion.plan(folder / "a.npy", tmp_path / "a.npy", settings)
    with pytest.raises(InvalidRequest, match=message) as caught:
        conversion.run(jobs, settings)
    assert caught.value.hint and not (tmp_path / "a.npy").exists()


def test_normalised_features_get_a_warning(folder: Path, tmp_path: Path) -> None:
    features = np.load(folder / "a.npy")
    rng = np.random.default_rng(0)
    like_network = features + rng.normal(0.0, 0.05, features.shape)
    normal = rng.normal(size=(60, 263))
    for values, warned in ((features, 0), (like_network, 0), (normal, 1)):
        np.save(tmp_path / "in.npy", values)
        settings = quick(target="joints")
        jobs = conversion.plan(tmp_path / "in.npy", tmp_path / "out.npy", settings)
        summary = conversion.summarise(conversion.run(jobs, settings), settings)
        assert summary["converted"] == 1 and len(summary["warnings"]) == warned
        assert all("--mean" in w["message"] for w in summary["warnings"])


def test_rates_and_formats(folder: Path, tmp_path: Path) -> None:
    for settings, name in (
        (quick(target_fps=20.0), "a.npz"),
        (quick(file_format="bvh"), "a.bvh"),
        (quick(file_format="bvh", bvh_style="motionstreamer"), "b.bvh"),
        (quick(file_format="npy", target="ms272"), "a.npy"),
        (quick(file_format="npy", target="smpl85", source_fps=10.0), "b.npy"),
    ):
        jobs = conversion.plan(folder / "a.npy", tmp_path / name, settings)
        [record] = conversion.run(jobs, settings)
        assert record.status == "converted", record.message
        clip = load.read_clip(tmp_path / name)
        assert len(clip.data) == record.frames and clip.fps == record.fps
    assert npz.read_motion(tmp_path / "a.npz").fps == 20.0
    assert len(np.load(tmp_path / "b.npy")) > 1.9 * len(np.load(tmp_path / "a.npy"))
    assert bvh.read(tmp_path / "a.bvh").names[0] == JOINT_NAMES[0]
    assert bvh.read(tmp_path / "b.bvh").names[0] == "Pelvis"
    a, b = (bvh.read_motion(tmp_path / f"{n}.bvh").data for n in "ab")
    np.testing.assert_allclose(motion135.joints(a), motion135.joints(b), atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "motion138"}, "motion138"),
        ({"source": "fbx"}, "fbx"),
        ({"file_format": "mp4"}, "mp4"),
        ({"target": "ms272", "file_format": "bvh"}, "holds motion135"),
        ({"mean": "Mean.npy"}, "belong together"),
        ({"refine_iterations": -1}, "0 or more"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"source_fps": float("nan")}, "not a frame rate"),
        ({"target": "ms272", "target_fps": 60.0}, "30 fps, not 60"),
        ({"bvh_style": "cmu"}, "cmu"),
        ({"method": "lbfgs"}, "lbfgs"),
    ],
)
def test_bad_settings(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        quick(**changes)


def test_bad_places(folder: Path, tmp_path: Path) -> None:
    settings = quick()
    (tmp_path / "empty").mkdir()
    file = folder / "a.npy"
    for source, destination, message in (
        (tmp_path / "none", tmp_path / "out", "no file or folder"),
        (tmp_path / "empty", tmp_path / "out", "no file to convert"),
        (folder, folder, "another folder|cannot take"),
        (folder, file, "cannot take"),
        (file, tmp_path / "a.bvh", "does not end with .npz"),
    ):
        with pytest.raises(InvalidRequest, match=message):
            conversion.plan(source, destination, settings)
    # results inside the input folder are no inputs
    assert len(conversion.plan(folder, folder / "sub", quick(source="hml263"))) == 2


def test_files_of_one_name_and_files_without_a_motion(
    folder: Path, make_motion: MotionMaker
) -> None:
    """Each is handled for itself; none writes over another, and all are counted."""
    motion = Motion(make_motion(30), 30.0)
    npz.write_motion(folder / "a.npz", motion)
    bvh.write_motion(folder / "a.bvh", motion)
    npz.write_motion(folder / "a_npz.npz", motion)  # the name that a.npz gets
    np.savez(folder / "shape.npz", betas=np.zeros(10), gender="neutral")
    (folder / "sub" / "lfs.bvh").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    settings = quick()
    records = run(folder, settings)
    made = {r.source: r.name for r in records if r.status == journal.CONVERTED}
    assert len(set(made.values())) == len(made) == 6
    assert made["a.bvh"] == "a_bvh.npz" and made["a_npz.npz"] != made["a.npz"]
    assert set(contents(folder.parent / "out")) == set(made.values())
    read = npz.read_motion(folder.parent / "out" / made["a.npz"])
    np.testing.assert_allclose(read.data, motion.data, atol=1e-6)
    summary = conversion.summarise(records, settings)
    assert (summary["files"], summary["converted"], summary["failed"]) == (8, 6, 2)
    assert summary["no_motion"] == 2
    assert run(folder, settings, skip_existing=True)[0].status == journal.SKIPPED


def test_every_motion_of_a_file_is_converted_into_a_folder(
    tmp_path: Path, make_motion: MotionMaker
) -> None:
    points = [motion135.joints(make_motion(20, seed=seed)) for seed in range(3)]
    motion = np.stack(points).transpose(0, 2, 3, 1)
    content = {"motion": motion, "lengths": np.array([20, 18, 16])}
    np.save(tmp_path / "results.npy", content, allow_pickle=True)  # type: ignore[arg-type]
    settings = quick(target="joints")
    jobs = conversion.plan(tmp_path / "results.npy", tmp_path / "out", settings)
    assert [job.name for job in jobs] == [f"results_{k:03d}.npy" for k in range(3)]
    records = conversion.run(jobs, settings)
    assert [r.frames for r in records] == [20, 18, 16]
    np.testing.assert_allclose(
        np.load(tmp_path / "out" / "results_002.npy"), points[2][:16], atol=1e-5
    )
    one = quick(target="joints", sample=1)
    [job] = conversion.plan(tmp_path / "results.npy", tmp_path / "one.npy", one)
    assert conversion.convert_job(job, one).frames == 18
    [first] = conversion.plan(tmp_path / "results.npy", tmp_path / "first.npy", settings)
    assert "3 motions" in conversion.convert_job(first, settings).warning
    none = quick(target="joints", sample=3)
    [job] = conversion.plan(tmp_path / "results.npy", tmp_path / "none.npy", none)
    assert "no number 3" in conversion.convert_job(job, none).message


def test_the_summary_holds_what_the_gate_measured(tmp_path: Path, make_motion: MotionMaker) -> None:
    clip = make_motion(30)
    floats = clip.copy()
    floats[:, motion135.SPEC.columns("root_translation").start + 1] += 0.5
    far = clip.copy()
    far[:, motion135.SPEC.columns("root_translation").start + 1] += 50.0
    for name, data in (("good", clip), ("floats", floats), ("far", far)):
        npz.write_motion(tmp_path / "in" / f"{name}.npz", Motion(data, 30.0))
    np.save(tmp_path / "in" / "joints.npy", motion135.joints(clip))
    settings = quick()
    records = run(tmp_path / "in", settings)
    summary = conversion.summarise(records, settings)
    checks = {entry["file"]: entry for entry in summary["checks"]}  # type: ignore[attr-defined]
    assert set(checks) == {"good.npz", "floats.npz", "joints.npy"}
    assert abs(checks["good.npz"]["floor"]) < 0.15
    assert checks["floats.npz"]["floor"] == pytest.approx(
        checks["good.npz"]["floor"] + 0.5, abs=1e-3
    )
    assert 0.0 < checks["joints.npy"]["ik_error_mm"] < 30.0
    assert checks["joints.npy"]["bone_change"] < 1e-3
    warned = {entry["file"]: entry["message"] for entry in summary["warnings"]}  # type: ignore[attr-defined]
    assert "cm above the floor (--ground)" in warned["floats.npz"] and "good.npz" not in warned
    [failure] = summary["failures"]  # type: ignore[misc]
    assert failure["file"] == "far.npz" and "--force" in failure["hint"]
    forced = run(tmp_path / "in", quick(force=True))
    assert all(r.status == journal.CONVERTED for r in forced)
    grounded = run(tmp_path / "in", quick(ground=True, force=True))
    assert all(r.status == journal.CONVERTED for r in grounded)
    for name in ("far", "floats", "good"):
        joints = motion135.joints(npz.read_motion(tmp_path / "out" / f"{name}.npz").data)
        assert abs(np.quantile(joints[..., 1].min(axis=1), 0.02)) < 0.08
