"""Requests for motions of an action, on a pipeline that knows actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import InvalidRequest
from ...wire.messages import Features, Motion, Progress, Request, Result, Sample
from ..calls import Stages
from .names import closest_action


def answer(
    pipeline: Any, request: Request, on_step: Callable[[Progress], None] | None = None
) -> Result:
    """Motions of an action and their joints, ``[T, 66]`` at the model's rate; or the names of all.

    The texts are the number and name of the action, where the model knows actions.

    Args:
        pipeline: with ``actions``, ``fps``, ``infer``, ``used``, ``joints_of`` and ``rigged``.

    Raises:
        InvalidRequest: an unknown action, or a setting that the model does not have.
    """
    asked = request.sample
    assert asked is not None
    if asked.names:
        return Result(request.id, texts=pipeline.actions)
    number = wanted_action(pipeline.actions, asked)
    tell = Stages(request, on_step)
    clips = pipeline.infer(
        [number] * request.samples,
        None if asked.frames is None else [asked.frames] * request.samples,
        seed=request.seed,
        sampler=request.sampler,
        steps=request.steps,
        on_step=tell.steps(),
    )
    name = "" if number is None else pipeline.actions[number]
    texts = () if number is None else (str(number), name)
    joints = tuple(Features(pipeline.joints_of(c), "joints", pipeline.fps) for c in clips)
    if not asked.rig:
        return Result(request.id, texts=texts, clips=joints)
    tell("fitting the skeleton")
    used = pipeline.used(request.guidance_scale, request.steps, request.sampler)
    motions = []
    for seed, clip in enumerate(clips, request.seed):
        data, note = pipeline.rigged(clip)
        params = {"seconds": round(len(clip) / pipeline.fps, 3), **used}
        told = {"prompt": name, "seed": seed, "params": params, "action": name, **note}
        motions.append(Motion(data, meta=told))
    return Result(request.id, tuple(motions), texts=texts, clips=joints)


def wanted_action(actions: tuple[str, ...], asked: Sample) -> int | None:
    """The number of the action asked for; None where the model knows no actions.

    Raises:
        InvalidRequest: no such action, or none where one is needed.
    """
    given = asked.action is not None or asked.number is not None
    if given and not actions:
        raise InvalidRequest("The model was trained without actions.", "Leave the action out.")
    if not given and actions:
        raise InvalidRequest("No action was given.", f"Add one of: {', '.join(actions)}.")
    if asked.action is None:
        return asked.number
    return actions.index(closest_action(asked.action, actions))
