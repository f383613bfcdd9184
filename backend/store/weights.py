"""Tensors on disk: read whole or refused, held against the network that they are for, written.

Nothing here unpickles. Every failure names the file and says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..errors import ArtifactError
from ..motion.io.atomic import atomic_path
from ..motion.io.bounds import MAX_HEADER_BYTES
from . import watch
from .config_files import COPY_HINT

Network = TypeVar("Network", bound=nn.Module)
SAME_MODEL = "The two files must come from the same model. " + COPY_HINT
_SHOWN = 3
"""Tensors named in a message for each way in which they may not fit."""
_HALF_LIMIT = torch.finfo(torch.float16).max
_DRAWS = frozenset({"normal_", "uniform_", "trunc_normal_", "bernoulli_", "random_"})

# ---------------------------------------------------------------- reading


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file on the CPU, floats as float32.

    Raises:
        ArtifactError: missing, truncated or corrupt, or a tensor holds NaN or infinity.
    """
    tensors = read_tensors(path)
    for name, value in tensors.items():
        if value.is_floating_point():
            tensors[name] = value.float()
            if not torch.isfinite(tensors[name]).all():
                raise ArtifactError(f"{path}: {name} holds NaN or infinite values.", COPY_HINT)
    return tensors


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The same as they are stored, whatever numbers they hold."""
    try:
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
        if header > MAX_HEADER_BYTES:
            # the reader would take 2 kB of memory for each tensor that is listed
            raise ValueError(f"its list of tensors has {header} bytes")
        return _each(path)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing.", COPY_HINT) from error
    except (SafetensorError, OSError, ValueError) as error:
        size = f"{path.stat().st_size} bytes" if path.is_file() else "no file"
        raise ArtifactError(
            f"{path} is truncated or corrupt ({size}).", COPY_HINT, str(error)
        ) from error


def _each(path: Path) -> dict[str, Tensor]:
    found = {}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118  (it is no dictionary)
            found[name] = file.get_tensor(name)
            watch.loaded(found[name].nbytes)
    return found


# ---------------------------------------------------------------- networks


class _NoDraws(TorchFunctionMode):
    """Leaves out the random numbers that a new network begins with.

    Weights replace them at once, and on the meta device drawing them would import torch's compiler,
    which takes longer than the rest of a cold start.
    """

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        if getattr(func, "__module__", "") == "torch.nn.init" or func.__name__ in _DRAWS:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def undrawn(make: Callable[[], Network]) -> Network:
    """The network that ``make`` builds, its weights whatever memory held: they must be loaded."""
    with _NoDraws():
        return make()


def outline(make: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """The state of the network that ``make`` describes, without its numbers: it takes no memory."""
    with torch.device("meta"):
        return undrawn(make).state_dict()


def filled(
    make: Callable[[], Network],
    tensors: Mapping[str, Tensor],
    complaint: str,
    hint: str = SAME_MODEL,
    *,
    recomputed: Sequence[str] = (),
    finite: bool = False,
) -> Network:
    """A network with these weights, built only once they are seen to fit.

    A damaged configuration may ask for more memory than there is.

    Args:
        make: builds the network that the configuration describes.
        complaint: beginning of the message where they do not fit.
        recomputed: endings of the names of buffers that the network computes itself; the file's own
            are ignored.
        finite: complain of NaN and infinite values too.

    Raises:
        ArtifactError: names, shapes or kinds of numbers do not fit; both sides are listed.
    """
    ignored = tuple(recomputed)
    kept = {name: value for name, value in tensors.items() if not name.endswith(ignored)}
    expected = {k: v for k, v in outline(make).items() if not k.endswith(ignored)}
    check_fit(kept, expected, complaint, hint, finite=finite)
    network = undrawn(make)
    network.load_state_dict(kept, strict=not ignored)
    return network


def load_network(
    make: Callable[[], Network],
    path: Path,
    *,
    config: str = "config.json",
    recomputed: Sequence[str] = (),
) -> Network:
    """:func:`filled` from a safetensors file.

    Args:
        config: name of the configuration's file, for messages.

    Raises:
        ArtifactError: as :func:`load_tensors` and :func:`filled`.
    """
    complaint = f"{path} does not fit {config}"
    return filled(make, load_tensors(path), complaint, recomputed=recomputed)


def load_weights(module: nn.Module, path: Path, *, config: str = "config.json") -> None:
    """Fill ``module`` from a safetensors file; names and shapes must match exactly.

    Args:
        config: name of the file that described ``module``, for messages.

    Raises:
        ArtifactError: as :func:`load_network`.
    """
    tensors = load_tensors(path)
    check_fit(tensors, module.state_dict(), f"{path} does not fit {config}", SAME_MODEL)
    module.load_state_dict(tensors)


def check_fit(
    tensors: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    complaint: str,
    hint: str,
    *,
    finite: bool = False,
) -> None:
    """Raise :class:`ArtifactError` unless tensors are those of a network.

    Args:
        expected: the network's state (:func:`outline`).
        complaint: beginning of the message; what does not fit follows, all of it in the detail.
        finite: complain of NaN and infinite values too.
    """
    missing = [f"missing {name}" for name in expected if name not in tensors]
    extra = [f"unexpected {name}" for name in tensors if name not in expected]
    wrong = []
    for name in (name for name in expected if name in tensors):
        own, given = expected[name], tensors[name]
        if given.shape != own.shape:
            sizes = f"{list(given.shape)} in the file, {list(own.shape)} in the configuration"
            wrong.append(f"{name} is {sizes}")
        elif given.is_floating_point() != own.is_floating_point():
            wrong.append(f"{name} is {given.dtype}, not {own.dtype}")
        elif finite and not torch.isfinite(given).all():
            wrong.append(f"{name} holds NaN or infinite values")
    problems = [*missing, *extra, *wrong]
    if problems:
        shown = [*missing[:_SHOWN], *extra[:_SHOWN], *wrong[:_SHOWN]]
        more = f" and {len(problems) - len(shown)} more" if len(problems) > len(shown) else ""
        text = f"{complaint}: {'; '.join(shown)}{more}."
        raise ArtifactError(text, hint, "\n".join(problems))


# ---------------------------------------------------------------- saving


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], *, dtype: torch.dtype = torch.float32
) -> None:
    """Write a safetensors file whole or not at all, floats as ``dtype``.

    Raises:
        ArtifactError: a value is not finite, or too large for float16.
        OutputError: the file cannot be written.
    """
    ready = {}
    for name, value in tensors.items():
        value = value.detach().cpu().contiguous()
        if value.is_floating_point():
            limit = _HALF_LIMIT if dtype == torch.float16 else float("inf")
            if not (value.abs() < limit).all():
                raise ArtifactError(
                    f"{name} holds NaN, infinite or too large values and was not saved.",
                    "The training diverged; take an earlier state.",
                )
            value = value.to(dtype)
        ready[name] = value.clone()
    with atomic_path(path) as temporary:
        # save_file would make the file readable for its owner only
        temporary.write_bytes(save(ready, metadata={"format": "pt"}))
