"""Keys of how a job is rendered, read from every format and refused with their place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.batch import preflight, render_check, rendering
from backend.batch.job_file import Job, alike, read_jobs
from backend.batch.render_settings import RenderSettings, read_frames
from backend.errors import FormatError, InvalidRequest, OutputError


def test_the_same_render_in_json_csv_and_yaml(tmp_path: Path) -> None:
    (tmp_path / "hero.blend").touch()
    hero = str(tmp_path / "hero.blend")
    (tmp_path / "c.json").write_text('[{"type": "root2d"}]')
    place = str(tmp_path / "c.json")
    forms = {
        "a.json": json.dumps(
            [{"prompt": "walk", "character": hero, "armature": "Rig", "camera": "Shot", "fps": 24,
              "width": 640, "height": 400, "engine": "cycles", "render_samples": 8,
              "frames": [1, 50], "outputs": ["png", "mp4"], "constraints": [{"type": "root2d"}]}]
        ),
        "a.csv": "prompt,character,armature,camera,fps,width,height,engine,render_samples,frames,"
        "outputs,constraints\n"
        f"walk,{hero},Rig,Shot,24,640,400,cycles,8,1-50,png mp4,{place}\n",
        "a.yaml": f"- prompt: walk\n  character: {hero}\n  armature: Rig\n  camera: Shot\n"
        "  fps: 24\n  width: 640\n  height: 400\n  engine: cycles\n  render_samples: 8\n"
        f"  frames: 1-50\n  outputs: [png, mp4]\n  constraints: {place}\n",
    }  # fmt: skip
    found = []
    for name, text in forms.items():
        (tmp_path / name).write_text(text)
        (job,) = read_jobs(None, tmp_path / name, {})
        assert job.request == {"prompt": "walk", "seed": 0, "constraints": [{"type": "root2d"}]}
        found.append(RenderSettings.of(job.render))
    assert found[0] == found[1] == found[2]
    assert found[0] == RenderSettings(
        hero, "Rig", "Shot", 24.0, 640, 400, "cycles", 8, (1, 50), ("mp4", "png")
    )


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"character": "none.blend"}, "no .blend file"),
        ({"character": __file__}, "no .blend file"),
        ({"camera": "Shot"}, "belongs to a character"),
        ({"engine": "luxcore"}, "workbench, cycles, eevee"),
        ({"fps": 0}, "fps"),
        ({"fps": True}, "fps"),
        ({"width": 1}, "width"),
        ({"width": 64.5}, "whole number"),
        ({"frames": "9-1"}, "range of frames"),
        ({"frames": "all"}, "range of frames"),
        ({"outputs": "gif"}, "mp4, png, blend"),
        ({"outputs": []}, "mp4, png, blend"),
        ({"armature": 3}, "armature"),
    ],
)
def test_what_cannot_be_rendered_is_refused(values: dict, says: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        RenderSettings.of(values)
    assert says in f"{error.value.message} {error.value.hint}"


def test_ranges_of_frames() -> None:
    assert read_frames("1-50") == (1, 50) and read_frames(" 7 ") == (7, 7)
    assert read_frames("0..3") == (0, 3)


def test_a_constraint_file_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{}")
    (tmp_path / "j.json").write_text(
        json.dumps([{"prompt": "walk", "constraints": str(tmp_path / "c.json")}])
    )
    with pytest.raises(FormatError, match="no list"):
        read_jobs(None, tmp_path / "j.json", {})


def test_jobs_that_would_be_the_same_motion_are_found() -> None:
    jobs = [Job("a", {"prompt": "x", "seed": 1}), Job("b", {"prompt": "x", "seed": 2})]
    assert alike(jobs) == []
    assert alike([*jobs, Job("c", {"prompt": "x", "seed": 1}, {"fps": 24})]) == [("a", "c")]


def test_too_little_space_is_said_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job("a", {"prompt": "x", "seconds": 10.0, "samples": 100}, {"outputs": "png"})
    needed = render_check.space_needed([job])
    # 100 sequences of 300 pictures
    assert 1e9 < needed < 1e11
    monkeypatch.setattr(preflight, "free_bytes", lambda folder: 1_000_000_000)
    with pytest.raises(OutputError, match="are free"):
        preflight.check_space(tmp_path / "deep" / "out", needed)
    preflight.check_space(tmp_path, 1_000_000)


def test_keys_depend_on_all_that_the_pictures_depend_on(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"motion")
    hero = tmp_path / "hero.blend"
    hero.write_bytes(b"hero")

    def key(**render: object) -> str:
        (item,) = rendering.plan([Job("a", {}, render)], tmp_path, {"a": ("a.npz",)})  # type: ignore[arg-type]
        return item.key

    keys = [key(), key(fps=24), key(width=64), key(engine="cycles"), key(character=str(hero))]
    hero.write_bytes(b"other")
    rendering.character_identity.cache_clear()
    keys.append(key(character=str(hero)))
    (tmp_path / "a.npz").write_bytes(b"another motion")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    (tmp_path / "a.npz").write_bytes(b"motion")
    assert key() == keys[0]


def test_a_motion_travels_with_its_item(tmp_path: Path) -> None:
    import pickle

    path = tmp_path / "a.npz"
    path.write_bytes(b"motion")
    for carries, content in ((True, b"motion"), (False, b"")):
        (item,) = rendering.plan([Job("a", {})], tmp_path, {"a": ("a.npz",)}, carries=carries)
        assert pickle.loads(pickle.dumps(item)).content == content
        assert item.content == b""
