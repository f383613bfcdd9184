"""Bounds and defaults of a request, in one place: panel, command line and service read these."""

from __future__ import annotations

MAX_PROMPT_CHARS = 500
MAX_MODEL_CHARS = 4096
"""The longest path of Linux."""
MAX_ID_CHARS = 200
MIN_SECONDS = 0.5
MAX_SECONDS = 60.0
DEFAULT_SECONDS = 4.0
MAX_FPS = 1000.0
"""Frame rate of a motion that is edited."""
MIN_SECONDS_ADDED = 0.05
MAX_FRAMES_ADDED = round(MAX_SECONDS * MAX_FPS)
MAX_CONSTRAINTS = 256
"""Poses, hands, feet and paths of one request."""
MAX_CONSTRAINT_FRAMES = 4000
"""Of one constraint."""
MAX_SEGMENTS = 64
"""Prompts in time of one request."""
DEFAULT_TRANSITION = 0.6
"""Seconds from one prompt to the next."""
MIN_SAMPLES = 1
MAX_SAMPLES = 64
MIN_SEED = 0
MAX_SEED = 2**31 - 1
MIN_GUIDANCE = 0.0
MAX_GUIDANCE = 20.0
IK_PRESETS = ("clean", "published")
"""How joints become rotations: for animation, or as published tables were made."""
MIN_STEPS = 1
MAX_STEPS = 1000
DIFFUSION_SAMPLERS = ("ddim", "ddpm", "dpmpp")
FLOW_SAMPLERS = ("euler", "heun")
"""Of models that follow a flow from noise to data (HY-Motion)."""
SAMPLERS = (*DIFFUSION_SAMPLERS, *FLOW_SAMPLERS)
ACTION_SAMPLERS = (*SAMPLERS, "exact")
"""Of models of actions: "exact" repeats the released script number by number."""
MIN_SPEED, MAX_SPEED = 0.5, 2.0
"""Tempo of what is done, against what the model makes."""
MIN_AMPLITUDE, MAX_AMPLITUDE = 0.5, 1.5
"""How far arms, trunk and head go, and how high jumps are, against what the model makes."""
QUALITIES = ("draft", "standard", "best")
"""Trade of time against quality by name; "standard" is the model's own and always there."""
MAX_COLUMNS = 512
"""Of features that are sent in another representation than motion_135."""
DEFAULT_MODEL = "starter"
