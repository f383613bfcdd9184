"""``kinetype sample``: motions of one action from an action model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidRequest
from ..wire import limits
from . import console

if TYPE_CHECKING:
    import numpy as np

    from ..pipelines.action_mdm.pipeline import ActionMDMPipeline
    from ..pipelines.mdm.smpl_actions import MDMActions
    from ..wire.messages import Motion
    from .outputs import SampleOutputs

HELP = "make motions of one action with an action model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        help="run or model folder, hub id, or a released checkpoint (.pth; model*.pt + args.json)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--action", help="name of the action, e.g. jump")
    what.add_argument("--action-id", type=int, metavar="N", help="its number instead")
    what.add_argument("--list-actions", action="store_true", help="print the actions and stop")
    parser.add_argument("--num-samples", type=int, default=4, help="(default %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        metavar="PATH",
        help="a folder or .npy for the joints of all samples [N, frames, 66], or .npz .bvh .blend "
        ".mp4 for one file each; repeatable (default: output)",
    )
    parser.add_argument("--frames", type=int, help="frames at the model's rate (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same motions (default 0)")
    parser.add_argument(
        "--sampler",
        choices=(*limits.DIFFUSION_SAMPLERS, "exact"),
        help="'exact' repeats the released script number by number (default: the model's)",
    )
    parser.add_argument("--steps", type=int, help="denoising steps (default: the model's)")
    parser.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(options: argparse.Namespace) -> int:
    """Check what can be checked, sample, write."""
    from . import outputs

    count = options.num_samples
    if not limits.MIN_SAMPLES <= count <= limits.MAX_SAMPLES:
        raise InvalidRequest(
            f"The number of samples is {count}.",
            f"Choose from {limits.MIN_SAMPLES} to {limits.MAX_SAMPLES}.",
        )
    wanted = [path.expanduser() for path in options.out or [Path("output")]]
    joint_files = [p for p in wanted if p.suffix.lower() in ("", ".npy")]
    motions = [p for p in wanted if p not in joint_files]
    planned = outputs.plan(motions, count) if motions else []
    for path in joint_files:
        outputs.check_writable(path / "joints.npy" if path.suffix == "" else path)
    pipeline = _load(options)
    if options.list_actions:
        print(*_actions(pipeline), sep="\n")
        return 0
    number = _wanted_action(_actions(pipeline), options)
    clips = _sample(pipeline, number, options)
    for path in joint_files:
        if path.suffix == "":
            # the name that the released script gives
            path = path / f"generated_action{number or 0}_samples{count}.npy"
        _write_joints(path, [_joints(pipeline, clip) for clip in clips])
        print(path, flush=True)
        console.note(f"(joints at {_fps(pipeline):g} frames per second)")
    if planned:
        _write_motions(pipeline, clips, planned, options, number)
    return 0


def _load(options: argparse.Namespace) -> ActionMDMPipeline | MDMActions:
    from ..pipelines.action_mdm.pipeline import ActionMDMPipeline
    from ..pipelines.mdm.smpl_actions import MDMActions, is_release

    _refuse_other_kinds(options.checkpoint)
    if is_release(options.checkpoint):
        return MDMActions.from_release(options.checkpoint, device=options.device)
    return ActionMDMPipeline.from_pretrained(
        options.checkpoint, device=options.device, local_files_only=options.offline
    )


def _refuse_other_kinds(checkpoint: str) -> None:
    """A model folder that makes no motions of actions is not a damaged one."""
    from ..errors import ArtifactError
    from ..pipelines import kinds
    from ..store.model_folder import local_folder

    if not checkpoint:
        raise InvalidRequest("No checkpoint is named.", "Give the folder of an action model.")
    folder = local_folder(checkpoint)
    if folder is None:
        return
    try:
        kind = kinds.kind_in(folder)
    except ArtifactError:
        return  # a run or a released checkpoint: they have no marker
    if kind != "action_mdm":
        raise InvalidRequest(
            f"The model in {folder} makes motions from text ({kind}), not of actions.",
            f"Use it with: kinetype generate ... --model {folder}",
        )


def _actions(pipeline: ActionMDMPipeline | MDMActions) -> tuple[str, ...]:
    from ..pipelines.mdm.smpl_actions import MDMActions

    return pipeline.actions if isinstance(pipeline, MDMActions) else pipeline.config.actions


def _fps(pipeline: ActionMDMPipeline | MDMActions) -> float:
    from ..pipelines.mdm.smpl_actions import MDMActions

    return pipeline.fps if isinstance(pipeline, MDMActions) else pipeline.config.fps


def _wanted_action(actions: tuple[str, ...], options: argparse.Namespace) -> int | None:
    """The number of the action asked for; None where the model knows no actions."""
    from ..pipelines.action_mdm.names import closest_action

    given = options.action is not None or options.action_id is not None
    if given and not actions:
        raise InvalidRequest("The model was trained without actions.", "Leave the action out.")
    if not given and actions:
        raise InvalidRequest(
            "No action was given.", f"Add --action with one of: {', '.join(actions)}."
        )
    if options.action is None:
        return options.action_id
    name = closest_action(options.action, actions)
    if name != options.action:
        console.note(f"action: {name}")
    return actions.index(name)


def _sample(
    pipeline: ActionMDMPipeline | MDMActions, number: int | None, options: argparse.Namespace
) -> list[np.ndarray]:
    from ..wire.messages import Progress

    lengths = None if options.frames is None else [options.frames] * options.num_samples
    numbers: list[Any] = [number] * options.num_samples
    with console.ProgressBars(quiet=options.quiet) as bars:
        return pipeline.infer(
            numbers,
            lengths,
            seed=options.seed,
            sampler=options.sampler,
            steps=options.steps,
            on_step=lambda done, total: bars.update(Progress("", "sampling", done, total)),
        )


def _joints(pipeline: ActionMDMPipeline | MDMActions, clip: np.ndarray) -> np.ndarray:
    """Joint positions of a clip at the model's rate."""
    from ..motion.representations import motion135
    from ..pipelines.mdm import smpl_actions

    if isinstance(pipeline, smpl_actions.MDMActions):
        return motion135.joints(smpl_actions.to_motion135(clip, pipeline.fps))
    return clip


def _motion(pipeline: ActionMDMPipeline | MDMActions, clip: np.ndarray, meta: Any) -> Motion:
    from ..pipelines.action_mdm import pipeline as action_mdm
    from ..pipelines.mdm import smpl_actions
    from ..wire.messages import Motion

    if isinstance(pipeline, smpl_actions.MDMActions):
        return Motion(smpl_actions.to_motion135(clip), meta=meta)
    data, error = action_mdm.to_motion135(clip, pipeline.config.fps)
    return Motion(data, meta={**meta, "ik_error_mm": error})


def _write_joints(path: Path, clips: list[np.ndarray]) -> None:
    import numpy as np

    from ..motion.io.atomic import atomic_path

    stacked = np.stack(clips).reshape(len(clips), len(clips[0]), -1).astype(np.float32)
    with atomic_path(path) as temporary:
        np.save(temporary, stacked, allow_pickle=False)


def _write_motions(
    pipeline: ActionMDMPipeline | MDMActions,
    clips: list[np.ndarray],
    planned: list[SampleOutputs],
    options: argparse.Namespace,
    number: int | None,
) -> None:
    from . import blender, outputs

    for index, (clip, files) in enumerate(zip(clips, planned, strict=True)):
        meta = {
            "prompt": "" if number is None else _actions(pipeline)[number],
            "seed": options.seed + index,
            "model": str(options.checkpoint),
        }
        motion = _motion(pipeline, clip, meta)
        for path in files.motion_files:
            outputs.write_motion(path, motion)
            print(path, flush=True)
        if files.blender_files:
            blender.export(motion, files.blender_files, quiet=options.quiet)
            print(*files.blender_files, sep="\n", flush=True)
