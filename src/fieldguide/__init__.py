"""Fieldguide turns a list of names into an image classifier that a person can trust and publish.

    import fieldguide as fg
    project = fg.new("plants", ["rose", "tulip"])
    project.add("photos", licence="own")
    project.build()
    fg.open_guide("plants/guide").classify("x.jpg").probs

Everything is loaded when it is first used. `fieldguide.stages.build` shows the whole walk: read it first.
"""

import os

# onnxruntime reports its use to its maker, and keeps a number for the computer, unless told before it is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

TYPE_CHECKING = False  # for type checkers; importing `typing` would take half of the time of this import
if TYPE_CHECKING:
    from fieldguide.api import Project, demo, new, open_project
    from fieldguide.errors import FieldguideError
    from fieldguide.guide import Guide, open_guide

__all__ = ["FieldguideError", "Guide", "Project", "__version__", "demo", "new", "open_guide", "open_project"]

__version__ = "0.1.0"

_MODULES = {
    "FieldguideError": "fieldguide.errors",
    "Guide": "fieldguide.guide",
    "Project": "fieldguide.api",
    "demo": "fieldguide.api",
    "new": "fieldguide.api",
    "open_guide": "fieldguide.guide",
    "open_project": "fieldguide.api",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used, so that `import fieldguide` takes a few milliseconds."""
    if name not in _MODULES:
        raise AttributeError(f"module 'fieldguide' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
