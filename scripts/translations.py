"""What the add-on says in Blender, and what of it lacks a translation.

    python scripts/translations.py              # how much each language has
    python scripts/translations.py --missing    # the texts that a language lacks, as JSON
    python scripts/translations.py --tidy       # leave out what is not said any more, sort the rest

Texts are read from the sources: labels, tooltips and descriptions of operators, panels, menus and
properties, the items of lists of choices, and what panels and reports write out. Texts that are put
together at run time pass through ``translating.said``.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ADDON = ROOT / "blender_addon"
LANGUAGES = ADDON / "languages"
LOCALES = ("de_DE", "es", "fr_FR", "ja_JP", "zh_HANS")
_SHOWN = {"text", "name", "description", "heading", "title"}
_OWN = {"bl_label", "bl_description"}
_SAYS = {"said"}
_NAMES = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*|[A-Z0-9]+(?:_[A-Z0-9]*)+|PYTHON[A-Z]+")
"""Names that programs go by: of threads, types, joints."""


def _constant(node: ast.AST | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.strip() and node.value
    return ""


def _called(node: ast.Call) -> str:
    target = node.func
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


def _choices(node: ast.AST) -> Iterator[str]:
    """Names and tooltips of a literal list of choices ``(id, name, description, ...)``."""
    for one in ast.walk(node):
        if isinstance(one, ast.Tuple) and len(one.elts) >= 3:
            first = [_constant(e) for e in one.elts[:3]]
            if first[0] and first[1] and isinstance(one.elts[2], ast.Constant):
                yield from first[1:]


def _of_class(node: ast.ClassDef) -> Iterator[str]:
    names = {t.id for s in node.body if isinstance(s, ast.Assign)
             for t in s.targets if isinstance(t, ast.Name)}  # fmt: skip
    bases = " ".join(ast.unparse(base) for base in node.bases)
    if "bl_idname" in names and "bl_description" not in names and "Operator" in bases:
        # Blender shows the docstring of an operator as its tooltip
        yield ast.get_docstring(node) or ""


def texts_of(source: str) -> Iterator[str]:
    """The texts that one module shows, some of them twice."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in _SHOWN:
                    yield _constant(keyword.value)
                if keyword.arg == "items":
                    yield from _choices(keyword.value)
            if _called(node) in _SAYS and node.args:
                yield _constant(node.args[0])
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {t.id for t in targets if isinstance(t, ast.Name)}
            if names & _OWN:
                yield _constant(node.value)
            if node.value is not None and any(n.isupper() for n in names):
                yield from _choices(node.value)
        elif isinstance(node, ast.ClassDef):
            yield from _of_class(node)


def texts() -> list[str]:
    """Everything that the add-on says, sorted."""
    found = {
        text
        for path in sorted(ADDON.rglob("*.py"))
        for text in texts_of(path.read_text(encoding="utf-8"))
    }
    return sorted(t for t in found if any(c.isalpha() for c in t) and not _NAMES.fullmatch(t))


def table(locale: str) -> dict[str, str]:
    """What a language has."""
    path = LANGUAGES / f"{locale}.json"
    if not path.is_file():
        return {}
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def main() -> int:
    """Command line; 1 where a language lacks something."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--tidy", action="store_true")
    options = parser.parse_args()
    said = texts()
    lacking = {locale: [t for t in said if t not in table(locale)] for locale in LOCALES}
    if options.tidy:
        LANGUAGES.mkdir(exist_ok=True)
        for locale in LOCALES:
            own = {text: own for text, own in sorted(table(locale).items()) if text in set(said)}
            text = json.dumps(own, ensure_ascii=False, indent=1) + "\n"
            (LANGUAGES / f"{locale}.json").write_text(text, encoding="utf-8")
    if options.missing:
        print(json.dumps(lacking, ensure_ascii=False, indent=1))
    else:
        for locale, missing in lacking.items():
            print(f"{locale:8} {len(said) - len(missing)} of {len(said)} texts")
    return int(any(lacking.values()))


if __name__ == "__main__":
    sys.exit(main())
