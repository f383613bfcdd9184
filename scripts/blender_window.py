"""A Blender that has a window, for the scripts that need one: found, or set up; and its screen.

The bpy module has no window, no timers and no mouse. ``KINETYPE_BLENDER`` is the command of Blender
4.2 or later: of a download from blender.org, or of a package. Without it, Debian trixie's Blender
4.3 is set up once in a folder of its own (about 5 minutes, 1.5 GB; Linux, root and debootstrap).
The screen is Xvfb's: no monitor and no graphics card are needed.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("/var/tmp/blender-window")
"""Where Debian's Blender is set up; every clone on the computer uses the same one."""
SUITE = "trixie"
PACKAGES = ["blender", "libegl1", "libgl1-mesa-dri", "libopenblas0-pthread", "python3-numpy"]
TOOLS = ["debootstrap", "xvfb"]
ITS_OWN = {"bin", "boot", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr", "var", "run"}
"""Folders of a Debian system; all others are those of this computer, under the same paths."""
ENTER = """#!/bin/sh
# Blender in {root}, which sees this computer's files under their own paths.
exec unshare --mount --propagation private sh -c '
root={root}
for folder in /*; do
    case " {own} " in *" ${{folder#/}} "*) continue ;; esac
    [ -d "$folder" ] && mkdir -p "$root$folder" && mount --rbind "$folder" "$root$folder"
done
mount --bind /var/tmp "$root/var/tmp"
exec chroot "$root" sh -c "cd \\"\\$1\\" 2>/dev/null; shift; exec blender \\"\\$@\\"" enter "$@"
' enter "$PWD" "$@"
"""
PLAIN = """
import bpy
bpy.context.preferences.view.show_splash = False
bpy.context.preferences.view.use_save_prompt = False
bpy.context.preferences.system.use_region_overlap = False
bpy.ops.wm.save_userpref()
"""
MARK = "WINDOW"
SETTLE_S = 2.0
"""Software rendering needs this long to show what changed."""
COMPLAINTS = ("Traceback", "Error:", "unknown operator", "property not found", "not registered")
"""What Blender prints, and does not raise, when a script names something that is not there."""


class WindowError(Exception):
    """Something a person must fix; the message says what to do."""


def blender() -> list[str]:
    """The command of a Blender with a window, set up if need be.

    Raises:
        WindowError: there is none, and none can be set up here.
    """
    named = shlex.split(os.environ.get("KINETYPE_BLENDER", ""))
    if named:
        if shutil.which(named[0]) is None:
            raise WindowError(f"KINETYPE_BLENDER names {named[0]}, which is not there.")
        return named
    command = FOLDER / "blender"
    if not command.is_file():
        _set_up(command)
    return [str(command)]


def _set_up(command: Path) -> None:
    """Debian's Blender in a folder; the command is written last, so that it means all is there."""
    may = sys.platform.startswith("linux") and os.geteuid() == 0
    if not may or (shutil.which("apt-get") is None and shutil.which("debootstrap") is None):
        raise WindowError(
            "Set KINETYPE_BLENDER to the command of Blender 4.2 or later (blender.org). As root on"
            " Debian or Ubuntu this script sets one up by itself."
        )
    missing = [tool for tool in TOOLS if shutil.which({"xvfb": "Xvfb"}.get(tool, tool)) is None]
    if missing:
        _run(["apt-get", "update"])
        _run(["apt-get", "install", "-y", "--no-install-recommends", *missing])
    root = FOLDER / "root"
    shutil.rmtree(root, ignore_errors=True)  # half a system cannot be taken up again
    root.mkdir(parents=True)
    _run(["debootstrap", "--variant=minbase", SUITE, str(root)])
    (root / "etc" / "mtab").unlink(missing_ok=True)
    (root / "etc" / "mtab").symlink_to("/proc/self/mounts")
    inside = ["chroot", str(root), "apt-get"]
    _run([*inside, "update"])
    _run([*inside, "install", "-y", "--no-install-recommends", *PACKAGES])
    _run([*inside, "clean"])
    partial = command.with_suffix(".part")
    partial.write_text(ENTER.format(root=root, own=" ".join(sorted(ITS_OWN))), encoding="utf-8")
    partial.chmod(0o755)
    partial.replace(command)


def _run(command: list[str]) -> None:
    print("+ " + shlex.join(command), flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    code = subprocess.run(command, env=environment, check=False).returncode
    if code:
        raise WindowError(f"{command[0]} ended with {code}.")


def extension(given: Path | None = None) -> Path:
    """The zip to install: the given one, else the newest in ``dist``, else one that is built now.

    Raises:
        WindowError: the given one is not there.
    """
    if given is not None:
        if not given.is_file():
            raise WindowError(f"There is no extension {given}.")
        return given.resolve()
    subprocess.run([sys.executable, str(ROOT / "scripts" / "build_extension.py")], check=True)
    found = sorted((ROOT / "dist").glob("kinetype-*.zip"), key=lambda path: path.stat().st_mtime)
    return found[-1]


def install(command: list[str], zipped: Path, user: Path) -> dict[str, str]:
    """Install the extension by Blender's own command into a folder for all that a user has.

    Returns:
        The environment in which that Blender is started.
    """
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(user)}
    line = ["--command", "extension", "install-file", "-r", "user_default", "-e", str(zipped)]
    subprocess.run([*command, *line], env=environment, check=True)
    # a script runs too late to keep the splash screen away
    plain = [*command, "--background", "--python-expr", PLAIN]
    subprocess.run(plain, env=environment, check=True, stdout=subprocess.DEVNULL)
    return environment


def drive(
    command: list[str],
    environment: dict[str, str],
    module: str,
    size: tuple[int, int],
    given: list[str],
    on_message: Callable[[dict, Image], None],
) -> int:
    """Open a window on a screen of its own and let a script beside this one drive it.

    Blender calls ``inside(given)`` of the script, and has the mouse of ``Window.event_simulate``
    only. At each :func:`ask` of the script ``on_message`` gets the message and the whole screen.

    Returns:
        0, if the script came to its end and Blender complained about nothing.
    """
    call = f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r}); import {module}"
    window = ["--enable-event-simulate", "--window-geometry", "0", "0", *map(str, size)]
    # a script that fails before its window shows ends Blender
    script = [*window, "--python-exit-code", "1", "--python-expr", f"{call}; {module}.inside()"]
    done = False
    with screen(*size) as shown, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*command, *script, "--", *given],
            env={**environment, "DISPLAY": shown.name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None and process.stdin is not None
        for line in process.stdout:
            kind, _, rest = line.strip().partition(" ")
            if kind != MARK:
                print(line.rstrip(), flush=True)
                continue
            message = json.loads(rest)
            if "done" in message:
                done = True
                break
            time.sleep(SETTLE_S)
            on_message(message, shown.picture())
            process.stdin.write("\n")
            process.stdin.flush()
        code = process.wait(timeout=60)
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    bad = [line for line in said.splitlines() if any(word in line for word in COMPLAINTS)]
    if bad or code or not done:
        print(said, file=sys.stderr)
    print(f"Blender ended with {code}; {len(bad)} complaints on its error output")
    return 0 if done and not code and not bad else 1


class Screen:
    """A virtual screen. ``name`` is what DISPLAY is set to; the pixels are a file."""

    def __init__(self, name: str, pixels: Path) -> None:
        self.name = name
        self._pixels = pixels

    def picture(self) -> Image:
        """What it shows now (X window dump: 32 bits per pixel)."""
        from PIL import Image

        data = self._pixels.read_bytes()
        words = [int.from_bytes(data[i : i + 4], "big") for i in range(0, 100, 4)]
        width, height, stride, colours = words[4], words[5], words[12], words[19]
        start = words[0] + 12 * colours
        order = "BGRX" if words[7] == 0 else "XRGB"
        return Image.frombuffer("RGB", (width, height), data[start:], "raw", order, stride, 1)


@contextmanager
def screen(width: int, height: int) -> Iterator[Screen]:
    """A virtual screen of that many pixels.

    Raises:
        WindowError: there is no Xvfb.
    """
    if shutil.which("Xvfb") is None:
        raise WindowError("Xvfb is missing (`apt-get install xvfb`).")
    with tempfile.TemporaryDirectory(prefix="kinetype-screen-") as folder:
        reader, writer = os.pipe()
        size = ["-screen", "0", f"{width}x{height}x24", "-fbdir", folder, "-nolisten", "tcp"]
        server = subprocess.Popen(["Xvfb", "-displayfd", str(writer), *size], pass_fds=(writer,))
        os.close(writer)
        try:
            with os.fdopen(reader) as number:
                name = f":{number.readline().strip()}"
            yield Screen(name, Path(folder, "Xvfb_screen0"))
        finally:
            server.terminate()
            server.wait()


# inside of Blender


def given() -> list[str]:
    """What follows ``--`` on Blender's command line."""
    return sys.argv[sys.argv.index("--") + 1 :]


def ask(message: dict) -> None:
    """Send a message to the script outside and wait until it was seen to."""
    print(MARK, json.dumps(message), flush=True)
    sys.stdin.readline()


def perform(steps: Iterator[float | None]) -> None:
    """Take one step after the other; Blender draws in between (seconds that a step yields)."""
    import bpy

    def step() -> float | None:
        try:
            return next(steps) or 0.0
        except StopIteration:
            print(MARK, json.dumps({"done": True}), flush=True)
            bpy.ops.wm.quit_blender()
            return None
        except Exception:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)  # Blender would go on showing its window

    bpy.app.timers.register(step, first_interval=2.0, persistent=True)


def crop_of(region: Any, height: int) -> tuple[int, int, int, int]:
    """Where a region lies in a picture of a screen of that height: Blender counts from below."""
    top = height - region.y - region.height
    return (region.x, top, region.x + region.width, top + region.height)


if __name__ == "__main__":
    try:
        print(shlex.join(blender()))
    except WindowError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
