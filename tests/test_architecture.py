"""The layers of DESIGN.md, proved by reading every import in the tree with ``ast``."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
MAX_LINES = 450

MATHS = {"errors", "wire", "motion"}
PARTS = MATHS | {"store", "diffusion", "text", "models"}
ALLOWED = {
    "": {"import_name"},
    "errors": set(),
    "import_name": set(),
    "wire": {"errors"},
    "motion": {"errors", "wire"},
    "store": MATHS,
    "diffusion": MATHS | {"store"},
    "text": MATHS | {"store"},
    "models": MATHS | {"store"},
    "pipelines": PARTS,
    "evaluation": MATHS | {"models", "store", "text", ""},
    "training": PARTS | {"evaluation", "pipelines"},
    "service": PARTS | {"pipelines", "evaluation", ""},
    "batch": PARTS | {"pipelines", "evaluation", "service", ""},
    "cli": PARTS | {"pipelines", "evaluation", "training", "service", "batch", ""},
    "__main__": {"cli"},
}
"""Layer of ``backend`` and the layers that it may import besides itself ('' is the version)."""

PROGRAMS = {"blender_addon/headless.py"}
"""Files outside the command line that Blender starts by path and that answer on stdout."""

UNPICKLERS = {"backend/motion/io/restricted_pickle.py"}
"""The one file that may read pickles: it resolves no name of theirs (see its own tests), and it is
run by a process of its own (``strangers.py``)."""

HEAVY = {"torch", "transformers", "scipy", "huggingface_hub", "safetensors", "numpy", "bpy"}


def sources(folder: str) -> list[Path]:
    """Every Python file under a top-level folder."""
    return sorted((REPO / folder).rglob("*.py"))


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


def imports(path: Path) -> Iterator[tuple[int, str, int]]:
    """Every import of a file as (level, dotted name with the imported names appended, line).

    ``from ..wire import limits`` gives ``(2, "wire.limits", line)``.
    """
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield 0, alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                parts = [node.module, alias.name] if node.module else [alias.name]
                yield node.level, ".".join(parts), node.lineno


def resolved(path: Path) -> Iterator[tuple[str, int]]:
    """Every import of a file as (absolute dotted name, line)."""
    package = path.relative_to(REPO).with_suffix("").parts[:-1]
    for level, target, line in imports(path):
        if level == 0:
            yield target, line
        else:
            base = package[: len(package) - (level - 1)]
            yield ".".join((*base, target)), line


def layer(dotted: str) -> str:
    """The layer that a dotted name below ``backend`` belongs to."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ALLOWED else ""


def test_the_tree_is_where_these_tests_look() -> None:
    assert len(sources("backend")) > 10
    assert len(sources("blender_addon")) > 3


def test_every_backend_file_has_a_layer() -> None:
    unknown = {
        name(path)
        for path in sources("backend")
        if path.relative_to(REPO / "backend").parts[0].removesuffix(".py")
        not in {*ALLOWED, "__init__", "assets"}
    }
    assert not unknown, f"add these to ALLOWED: {sorted(unknown)}"


def test_imports_only_go_down() -> None:
    wrong = []
    for path in sources("backend"):
        dotted = ".".join(path.relative_to(REPO).with_suffix("").parts)
        own = layer(dotted)
        for target, line in resolved(path):
            if target.split(".")[0] != "backend":
                continue
            other = layer(target)
            if other != own and other not in ALLOWED[own]:
                wrong.append(f"{name(path)}:{line} ({own or 'backend'}) imports {target}")
    assert not wrong, "\n".join(wrong)


def graph(folder: str) -> dict[str, set[str]]:
    """Who imports whom below a folder, imports within functions included, annotations not."""
    modules = {}
    for path in sources(folder):
        parts = path.relative_to(REPO).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    found: dict[str, set[str]] = {}
    for module, path in modules.items():
        lazy = {
            inner.lineno
            for node in ast.walk(tree(path))
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for statement in node.body
            for inner in ast.walk(statement)
            if isinstance(inner, ast.ImportFrom)
        }
        targets = {t for t, line in resolved(path) if line not in lazy}
        named = {t if t in modules else t.rpartition(".")[0] for t in targets}
        found[module] = {t for t in named & set(modules) if t != module}
    return found


@pytest.mark.parametrize("folder", ["backend", "blender_addon"])
def test_no_import_goes_round_in_a_circle(folder: str) -> None:
    edges = graph(folder)
    edges.pop("blender_addon", None)  # it starts everything, and knows its own name
    done: set[str] = set()

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module not in done:
            for target in sorted(edges.get(module, ())):
                walk(target, (*way, module))
            done.add(module)

    for module in sorted(edges):
        walk(module, ())


def test_backend_imports_are_relative() -> None:
    wrong = [
        f"{name(path)}:{line} imports {target}"
        for path in sources("backend")
        for level, target, line in imports(path)
        if level == 0 and target.split(".")[0] in {"backend", "blender_addon"}
    ]
    assert not wrong, "\n".join(wrong)


def test_backend_relative_imports_stay_inside() -> None:
    """A level too many would reach beside the package, which an installed extension lacks."""
    wrong = []
    for path in sources("backend"):
        depth = len(path.relative_to(REPO).parts) - 1
        wrong += [
            f"{name(path)}:{line} imports {'.' * level}{target}"
            for level, target, line in imports(path)
            if level > depth
        ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("backend", {"bpy", "bpy_extras", "mathutils", "addon_utils", "blender_addon"}),
        ("blender_addon", {"torch", "transformers", "safetensors", "huggingface_hub", "scipy"}),
        ("blender_addon/client", {"bpy", "bpy_extras", "mathutils", "addon_utils"}),
        ("blender_addon/core", {"bpy", "bpy_extras", "mathutils", "addon_utils"}),
        ("backend/motion", {"transformers", "huggingface_hub"}),
    ],
)
def test_forbidden_imports(folder: str, forbidden: set[str]) -> None:
    wrong = [
        f"{name(path)}:{line} imports {target}"
        for path in sources(folder)
        for target, line in resolved(path)
        if target.split(".")[0] in forbidden
    ]
    assert not wrong, "\n".join(wrong)


def test_wire_needs_only_the_standard_library_and_numpy() -> None:
    permitted = {"backend", "numpy", *sys.stdlib_module_names}
    wrong = [
        f"{name(path)}:{line} imports {target}"
        for path in (*sources("backend/wire"), REPO / "backend" / "errors.py")
        for target, line in resolved(path)
        if target.split(".")[0] not in permitted
    ]
    assert not wrong, "\n".join(wrong)


def test_addon_reaches_the_backend_through_one_door() -> None:
    wrong = []
    for path in sources("blender_addon"):
        if name(path) == "blender_addon/backend_access.py":
            continue
        wrong += [
            f"{name(path)}:{line} imports {target}"
            for level, target, line in imports(path)
            if "backend" in target.split(".")[: 1 if level == 0 else None]
        ]
    assert not wrong, "\n".join(wrong)


def test_addon_imports_itself_relatively() -> None:
    wrong = [
        f"{name(path)}:{line} imports {target}"
        for path in sources("blender_addon")
        if name(path) not in PROGRAMS
        for level, target, line in imports(path)
        if level == 0 and target.split(".")[0] == "blender_addon"
    ]
    assert not wrong, "\n".join(wrong)


def loaded_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import backend", HEAVY),
        ("import backend.errors", HEAVY),
        ("import backend.wire.messages", HEAVY - {"numpy"}),
        ("import backend.cli.main", HEAVY),
        # options of 'train' come from the configurations of networks, and it needs torch anyway
        (
            "from backend.cli.main import COMMANDS, build_parser\n"
            "for name in {'', *COMMANDS} - {'train'}: build_parser(name)",
            HEAVY,
        ),
        ("import backend.motion.skeleton", {"torch", "transformers", "bpy"}),
        ("import backend.pipelines.registry", {"torch", "transformers", "bpy"}),
        ("import backend.service.engine", {"torch", "transformers", "bpy"}),
    ],
)
def test_imports_cost_nothing_heavy(statement: str, forbidden: set[str]) -> None:
    assert not loaded_after(statement) & forbidden


CODE = [*sources("backend"), *sources("blender_addon"), *sources("scripts")]


def test_files_stay_readable() -> None:
    long = {
        name(path): lines
        for path in [*CODE, *sources("tests")]
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not long, f"split these (limit {MAX_LINES} lines): {long}"


def test_no_drawer_for_odds_and_ends() -> None:
    assert not [name(path) for path in CODE if path.stem in {"utils", "util", "helpers", "misc"}]


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a file with the source text of what is called."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keyword(call: ast.Call, wanted: str) -> object:
    """The constant given for a keyword argument, or None."""
    for argument in call.keywords:
        if argument.arg == wanted and isinstance(argument.value, ast.Constant):
            return argument.value.value
    return None


def test_nothing_unpickles() -> None:
    """A downloaded file must never be able to run code."""
    wrong = []
    for path in CODE:
        for target, line in resolved(path):
            unpickler = target.split(".")[0] in {"pickle", "cPickle", "dill", "joblib", "shelve"}
            if unpickler and name(path) not in UNPICKLERS:
                wrong.append(f"{name(path)}:{line} imports {target}")
        for function, call in calls(path):
            place = f"{name(path)}:{call.lineno} {function}"
            if function == "torch.load":
                wrong.append(f"{place} instead of motion.io.torch_file")
            if function in {"np.load", "numpy.load"} and (
                keyword(call, "allow_pickle") not in {None, False}
            ):
                wrong.append(f"{place} with allow_pickle")
    assert not wrong, "\n".join(wrong)


OWN_ERRORS = {
    *("KinetypeError", "InvalidRequest", "ModelNotFound", "ArtifactError", "FormatError"),
    *("OutputError", "MissingDependency", "ServiceError", "InternalError"),
}
HINTED_TOGETHER = {"backend/wire/codec.py"}
"""All its errors leave through one function, which gives them their hint."""


def test_every_error_says_what_to_do() -> None:
    wrong = []
    for path in [*sources("backend"), *sources("blender_addon")]:
        if name(path) in HINTED_TOGETHER:
            continue
        for function, call in calls(path):
            if function.split(".")[-1] not in OWN_ERRORS or not call.args:
                continue
            hint = call.args[1] if len(call.args) > 1 else None
            open_ended = bool(call.keywords) or any(isinstance(a, ast.Starred) for a in call.args)
            empty = isinstance(hint, ast.Constant) and not hint.value
            if empty or (hint is None and not open_ended):
                wrong.append(f"{name(path)}:{call.lineno} {function} without a hint")
    assert not wrong, "\n".join(wrong)


def test_libraries_do_not_print() -> None:
    wrong = [
        f"{name(path)}:{call.lineno}"
        for path in [*sources("backend"), *sources("blender_addon")]
        if not name(path).startswith("backend/cli/") and name(path) not in PROGRAMS
        for function, call in calls(path)
        if function == "print"
    ]
    assert not wrong, "\n".join(wrong)


def test_no_bare_except() -> None:
    wrong = [
        f"{name(path)}:{node.lineno}"
        for path in CODE
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not wrong, "\n".join(wrong)


def test_annotations_are_lazy() -> None:
    """``from __future__ import annotations`` everywhere: type hints never cost an import.

    Blender reads the annotations of its property classes, so those files may leave it out.
    """
    wrong = [
        name(path)
        for path in [*sources("backend"), *sources("scripts")]
        if tree(path).body
        and not any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__"
            for node in tree(path).body
        )
        and any(not isinstance(node, ast.Expr | ast.Assign) for node in tree(path).body)
    ]
    assert not wrong, "\n".join(wrong)


def test_annotations_say_more_than_any() -> None:
    """Arguments, returns and variables annotated with Any, per 1,000 lines of both packages."""
    lines = found = 0
    for path in [*(REPO / "backend").rglob("*.py"), *(REPO / "blender_addon").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        lines += text.count("\n")
        for node in ast.walk(ast.parse(text)):
            known = getattr(node, "annotation", None) or getattr(node, "returns", None)
            parts = ast.walk(known) if known is not None else ()
            found += any("Any" in (getattr(p, "id", ""), getattr(p, "attr", "")) for p in parts)
    assert 1000 * found / lines < 4.5
