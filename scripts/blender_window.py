"""A Blender that has a window, for the scripts that need one: found, or set up; and its screen.

The bpy module has no window, no timers and no mouse. ``KINETYPE_BLENDER`` is the command of Blender
4.2 or later: of a download from blender.org, or of a package. Without it, Debian trixie's Blender
4.3 is set up once in a folder of its own (about 5 minutes, 1.5 GB; Linux, root and debootstrap).
The screen is Xvfb's: no monitor and no graphics card are needed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("/var/tmp/blender-window")
"""Where Debian's Blender is set up; every clone on the computer uses the same one."""
SUITE, MIRROR = "trixie", "http://deb.debian.org/debian"
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
    _run(["debootstrap", "--variant=minbase", SUITE, str(root), MIRROR])
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


def script(module: str, width: int, height: int) -> list[str]:
    """Arguments with which Blender opens a window and calls ``inside()`` of a script beside this.

    Blender then has the mouse of ``Window.event_simulate`` only. What follows ``--`` is left to the
    script. A script that fails before its window shows ends Blender with 1.
    """
    call = f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r}); import {module}"
    window = ["--enable-event-simulate", "--window-geometry", "0", "0", str(width), str(height)]
    return [*window, "--python-exit-code", "1", "--python-expr", f"{call}; {module}.inside()"]


def complaints(printed: str) -> list[str]:
    """The lines of Blender's error output that mean a mistake of ours."""
    return [line for line in printed.splitlines() if any(word in line for word in COMPLAINTS)]


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


if __name__ == "__main__":
    try:
        print(shlex.join(blender()))
    except WindowError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
