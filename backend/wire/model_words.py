"""What is said of a model before it is here, for panel and commands: size, licence, state."""

from __future__ import annotations

from .control import STATES, ModelInfo


def size_text(count: float) -> str:
    """A number of bytes for people."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    if count >= 1e6:
        return f"{count / 1e6:.0f} MB"
    return f"{max(1, round(count / 1e3)) if count else 0} kB"


def download_text(info: ModelInfo) -> str:
    """How much a download of the model fetches, with what comes beside it."""
    size = f"about {size_text(info.size_bytes)}" if info.size_bytes else "of a size nobody stated"
    if info.encoder_bytes:
        size += f", and its text encoder, {size_text(info.encoder_bytes)}, where it is not here yet"
    return size


def licence_text(info: ModelInfo) -> str:
    """The licence, what it says of commercial use, and where it grants nothing."""
    licence = info.licence or "see the model's page"
    use = {"yes": "commercial use allowed", "no": "no commercial use"}.get(info.commercial_use, "")
    text = f"{licence} ({use})" if use and "commercial" not in licence else licence
    told = all(region in text for region in info.excluded_regions)
    return text if told else f"{text}. {regions_text(info)}"


def regions_text(info: ModelInfo) -> str:
    """Where the licence grants nothing; empty where it grants something everywhere."""
    if not info.excluded_regions:
        return ""
    return f"Not licensed for use in: {', '.join(info.excluded_regions)}."


def state_text(info: ModelInfo) -> str:
    """Where its files are."""
    text = STATES.get(info.state, "")
    if info.state == "partial" and info.arrived_bytes:
        whole = f" of {size_text(info.size_bytes)}" if info.size_bytes else ""
        return f"{text}: {size_text(info.arrived_bytes)}{whole}"
    return text


def length_text(info: ModelInfo) -> str:
    """The lengths that it was made for."""
    if info.max_seconds <= 0.0:
        return "as the prompt asks"
    return f"{info.min_seconds:.3g} to {info.max_seconds:.3g} s"


_ABILITIES = {
    "generate": "text",
    "edit": "parts anew",
    "continue": "going on",
    "in_between": "in-between",
    "describe": "says what happens",
    "constrain": "poses, hands, feet, path",
    "segments": "several prompts",
    "estimate_length": "finds the length",
    "sample": "named actions",
}


def abilities_text(info: ModelInfo) -> str:
    """What it can do, in a few words."""
    return ", ".join(_ABILITIES.get(name, name.replace("_", " ")) for name in info.abilities)
