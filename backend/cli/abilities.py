"""Models that can do more than make a motion from a prompt: found out before they are loaded."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from ..errors import InvalidRequest

READER = "motiongpt"
"""The registered model that reads motions."""


def load(
    options: argparse.Namespace,
    abilities: Sequence[str],
    cannot: str,
    use: str = f"MotionGPT: --model {READER}, or the folder of one",
) -> Any:
    """The pipeline of ``--model``, on ``--device``, from this computer alone with ``--offline``.

    Args:
        abilities: methods of which it must have one.
        cannot: end of the message when it has not ("cannot describe them").
        use: what to use then.

    Raises:
        InvalidRequest: it lacks the ability.
        ModelNotFound: there is no such model.
    """
    if options.offline:
        # read by huggingface_hub when it is imported
        os.environ["HF_HUB_OFFLINE"] = "1"
    from ..pipelines import registry

    registry.check(options.model)
    info = registry.model_info(options.model)
    place = options.model if info is None else info.hub_id or info.path
    kind = registry.kind_of(place, local_files_only=options.offline)
    if not any(hasattr(registry.pipeline_class(kind), name) for name in abilities):
        raise InvalidRequest(
            f"The model {options.model!r} makes motions but {cannot}.",
            f"Use {use}.",
        )
    return registry.load_pipeline(
        options.model, device=options.device, local_files_only=options.offline
    )
