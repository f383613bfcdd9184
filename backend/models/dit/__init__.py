"""The diffusion transformer of the starter models."""

from __future__ import annotations

from .config import DiTConfig as DiTConfig
from .layers import Block as Block
from .layers import modulate as modulate
from .layers import sinusoidal as sinusoidal
from .network import DiT as DiT
