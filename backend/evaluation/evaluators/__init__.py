"""Evaluators by name. Importing one imports torch, so the command line does it on use."""

from __future__ import annotations

from .base import Evaluator
from .hml263 import HumanML263Evaluator
from .motionclip135 import MotionCLIP135Evaluator
from .ms272 import MotionStreamer272Evaluator
from .starter import StarterEvaluator
from .tmr import TMREvaluator

__all__ = [
    "Evaluator",
    "HumanML263Evaluator",
    "MotionCLIP135Evaluator",
    "MotionStreamer272Evaluator",
    "StarterEvaluator",
    "TMREvaluator",
]
