"""Exporters: the forms that a guide takes, a module each, and the graph that they all begin with. Only the form that is
asked for is imported.

`onnx` and `colour` write the guide's own graph for the learners. A form joins as a class that satisfies
`contract.Exporter`, with a row in `_BUILT_IN` here and its name in `tests/exporters/test_forms.py`, whose contract
tests it has to pass. Third parties add theirs through the entry point group `fieldguide.exporters`, a class that is
called without arguments; a name that is built in cannot be taken over.
"""

import importlib
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from importlib.metadata import EntryPoint, entry_points

from fieldguide.errors import InputUnusable, SettingsError
from fieldguide.exporters.contract import Exporter

__all__ = ["known_exporters", "open_exporter"]

GROUP = "fieldguide.exporters"
# what importing and making another package's exporter may raise
_BROKEN = (ImportError, AttributeError, SyntaxError, TypeError, ValueError, LookupError, OSError, RuntimeError)
_INSTEAD = {"android": "litert", "tflite": "litert", "ios": "coreml", "browser": "web", "sklearn": "skops"}
_BUILT_IN = {
    "coreml": "fieldguide.exporters.coreml:CoremlExporter",
    "int8": "fieldguide.exporters.int8:Int8Exporter",
    "litert": "fieldguide.exporters.litert:LitertExporter",
    "litert-int8": "fieldguide.exporters.litert:LitertInt8Exporter",
    "onnx": "fieldguide.exporters.onnx_form:OnnxExporter",
    "openvino": "fieldguide.exporters.openvino:OpenvinoExporter",
    "skops": "fieldguide.exporters.skops:SkopsExporter",
    "web": "fieldguide.exporters.web:WebExporter",
}


def known_exporters() -> dict[str, Callable[[], Exporter]]:
    """Return name to what makes the exporter, in order of names: the built-in ones and those of other packages."""
    known: dict[str, Callable[[], Exporter]] = {name: partial(_open_built_in, name) for name in _BUILT_IN}
    for entry in entry_points(group=GROUP):
        known.setdefault(entry.name, partial(_open_added, entry))
    return dict(sorted(known.items()))


def open_exporter(name: str) -> Exporter:
    """Return the exporter of this name.

    Raises:
        InputUnusable: there is none.
        SettingsError: it comes from another package and cannot be used.
    """
    if name in _BUILT_IN:  # looking for what other packages bring takes a while
        return _open_built_in(name)
    known = known_exporters()
    if name not in known:
        near = _INSTEAD.get(name) or next(iter(get_close_matches(name, known, 1, 0.6)), "")
        guess = f"did you mean {near!r}? " if near else ""
        raise InputUnusable(f"{name!r} is no form of a guide", f"{guess}choose one of: {', '.join(known)}")
    return known[name]()


def _open_built_in(name: str) -> Exporter:
    module, _, class_name = _BUILT_IN[name].partition(":")
    exporter: Exporter = getattr(importlib.import_module(module), class_name)()
    return exporter


def _open_added(entry: EntryPoint) -> Exporter:
    package = entry.dist.name if entry.dist else entry.value
    hint = f"update or remove the package '{package}'"
    try:
        exporter = entry.load()()
        fits = isinstance(exporter, Exporter) and exporter.name == entry.name
    except _BROKEN as error:
        raise SettingsError(f"the form '{entry.name}' cannot be used: {error}", hint) from error
    if not fits:
        raise SettingsError(f"the form '{entry.name}' has not what an exporter needs, or another name", hint)
    known: Exporter = exporter
    return known
