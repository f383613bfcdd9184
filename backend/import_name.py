"""One set of modules under two names: ``kinetype`` (installed) and ``backend`` (in a checkout).

Installed, the package is called ``kinetype``, because ``backend`` is a name that other projects
have too. In a checkout the folder is called ``backend``. Where both can be imported, each name must
give the same module objects: a class that exists twice is not its own instance.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

INSTALLED, CHECKOUT = "kinetype", "backend"


class _Same(Loader):
    """Gives a module that is there already, under a further name."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        # the import system has just put the further name's spec there
        module.__spec__ = self._spec


class _Alias(MetaPathFinder):
    """Finds ``alias.x.y`` as ``name.x.y``."""

    def __init__(self, alias: str, name: str) -> None:
        self.alias, self.name = alias, name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        head, dot, rest = fullname.partition(".")
        if head != self.alias or not dot:
            return None
        module = importlib.import_module(f"{self.name}.{rest}")
        return ModuleSpec(fullname, _Same(module), is_package=hasattr(module, "__path__"))


def share(name: str) -> None:
    """Called by the package as it is imported under ``name``: make the other name mean the same.

    ``backend`` becomes what ``kinetype`` is where that is loaded; else ``kinetype`` becomes what
    ``backend`` is. Nothing is done for an installed ``kinetype`` alone, so that another project's
    ``backend`` stays its own, nor inside an extension, where the package has a longer name.
    """
    if name != CHECKOUT:
        return
    first = sys.modules.get(INSTALLED)
    if first is None:
        sys.modules[INSTALLED] = sys.modules[CHECKOUT]
        sys.meta_path.insert(0, _Alias(INSTALLED, CHECKOUT))
    elif first is not sys.modules[CHECKOUT]:
        sys.modules[CHECKOUT] = first
        # this very module was loaded under both names to get here
        sys.modules[__name__] = sys.modules[f"{INSTALLED}{__name__.removeprefix(CHECKOUT)}"]
        sys.meta_path.insert(0, _Alias(CHECKOUT, INSTALLED))
