"""Evaluators by name: every module in this folder is one, and its name is the module's.

A module holds one :class:`~.parts.judge.Judge` of its own name; what several share lies in
``parts``. Names are known without importing any (they import torch); classes come on use.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from ...errors import InvalidRequest
from .parts.judge import Judge

if TYPE_CHECKING:
    from .hml263 import HumanML263Evaluator as HumanML263Evaluator
    from .joints66 import Joints66Evaluator as Joints66Evaluator
    from .motionclip135 import MotionCLIP135Evaluator as MotionCLIP135Evaluator
    from .ms272 import MotionStreamer272Evaluator as MotionStreamer272Evaluator
    from .parts.base import Evaluator as Evaluator
    from .starter import StarterEvaluator as StarterEvaluator
    from .tmr import TMREvaluator as TMREvaluator


def names() -> tuple[str, ...]:
    """Every evaluator, in alphabetical order."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.ispkg))


def judge_class(name: str) -> type[Judge]:
    """The evaluator of that name, imported now.

    Raises:
        InvalidRequest: there is none.
    """
    if name not in names():
        raise InvalidRequest(
            f"There is no evaluator {name!r}.", f"Use one of: {', '.join(names())}."
        )
    module = importlib.import_module(f".{name}", __name__)
    return next(c for c in vars(module).values() if _is_named(c, name))


def _is_named(value: object, name: str) -> bool:
    return isinstance(value, type) and issubclass(value, Judge) and vars(value).get("name") == name


def __getattr__(name: str) -> type[Judge]:
    """Classes by their own names: ``from backend.evaluation.evaluators import TMREvaluator``."""
    if name == "Evaluator":
        base: type[Judge] = importlib.import_module(".parts.base", __name__).Evaluator
        return base
    if not name.endswith("Evaluator"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module in names():
        found = judge_class(module)
        if found.__name__ == name:
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
