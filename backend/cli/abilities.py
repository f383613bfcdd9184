"""Models that can do more than make a motion from a prompt: found out before they are loaded."""

from __future__ import annotations

import argparse
import os
from typing import Any

READER = "motiongpt"
"""The registered model that reads motions."""


def load(options: argparse.Namespace, ability: str) -> Any:
    """The pipeline of ``--model``, on ``--device``, from this computer alone with ``--offline``.

    Raises:
        InvalidRequest: it lacks the ability.
        ModelNotFound: there is no such model.
    """
    if options.offline:
        # read by huggingface_hub when it is imported
        os.environ["HF_HUB_OFFLINE"] = "1"
    from ..pipelines import registry

    info = registry.find_info(options.model, local_files_only=options.offline)
    info.check_able(ability, registry.list_models())
    return registry.load_pipeline(
        options.model, device=options.device, local_files_only=options.offline
    )
