"""Paretune searches a network's architecture, compression and training together.

    import paretune

    study = paretune.Study("plates.yaml")
    study.run(trials=40)
    study.pick("latency <= 5 ms").export("exported")

What the command line does, these names do in Python; docs/python.md describes them. A name is
imported when it is used first, so that `import paretune` itself costs nothing.

The three subpackages are relative links to folders of the repository: `paretune.spaces` (what a
search can change), `paretune.objectives` (what it measures) and `paretune.search` (the engine and
the command line).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paretune.search.errors import UserError
    from paretune.search.interface.front import StudyFront
    from paretune.search.interface.functions import (
        catalogue,
        compare,
        init,
        profile,
        retarget,
        verify,
        without_waiting,
    )
    from paretune.search.interface.study import Study
    from paretune.search.interface.trial import Trial
    from paretune.search.optimizing.function import optimize

__version__ = "0.1.0"

__all__ = [
    "Study",
    "StudyFront",
    "Trial",
    "UserError",
    "__version__",
    "catalogue",
    "compare",
    "init",
    "optimize",
    "profile",
    "retarget",
    "verify",
    "without_waiting",
]

_MODULES = {
    "Study": "interface.study",
    "StudyFront": "interface.front",
    "Trial": "interface.trial",
    "UserError": "errors",
    "catalogue": "interface.functions",
    "compare": "interface.functions",
    "init": "interface.functions",
    "optimize": "optimizing.function",
    "profile": "interface.functions",
    "retarget": "interface.functions",
    "verify": "interface.functions",
    "without_waiting": "interface.functions",
}
"""Name -> its module in the room `search`."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'paretune' has no attribute '{name}'")
    from importlib import import_module

    value = getattr(import_module(f"paretune.search.{_MODULES[name]}"), name)
    globals()[name] = value  # the next use finds it there
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
