"""Sources: where pictures come from, a module each. Only the one that is asked for is imported.

Knows nothing about networks or projects. Third parties add theirs through the entry point group `fieldguide.sources`,
those that search (`Source`) and those that draw (`DrawingSource`); a name that is built in cannot be taken over.
"""

import importlib
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from importlib.metadata import EntryPoint, entry_points

from fieldguide.errors import SettingsError
from fieldguide.records.candidates import DrawingSource, Source

__all__ = ["draws", "known_sources", "needs_contact", "open_source"]

GROUP = "fieldguide.sources"
# what importing and making another package's source may raise
_BROKEN = (ImportError, AttributeError, SyntaxError, TypeError, ValueError, LookupError, OSError, RuntimeError)
_DRAWING = ("painted",)  # of the built-in ones
_WITHOUT_CONTACT = ("page", "urls")  # they read files and lists of a person's own
AnySource = Source | DrawingSource
_BUILT_IN = {
    "artic": "fieldguide.sources.artic:ArticSource",
    "brave": "fieldguide.sources.brave:BraveSource",
    "browser": "fieldguide.sources.web.browser:BrowserSource",
    "cleveland": "fieldguide.sources.cleveland:ClevelandSource",
    "flickr": "fieldguide.sources.flickr:FlickrSource",
    "gbif": "fieldguide.sources.gbif:GbifSource",
    "inaturalist": "fieldguide.sources.inaturalist:InaturalistSource",
    "met": "fieldguide.sources.met:MetSource",
    "openverse": "fieldguide.sources.openverse:OpenverseSource",
    "page": "fieldguide.sources.web.pages:PageSource",
    "painted": "fieldguide.sources.painted:PaintedSource",
    "searxng": "fieldguide.sources.searxng:SearxngSource",
    "smk": "fieldguide.sources.smk:SmkSource",
    "urls": "fieldguide.sources.urls:UrlsSource",
    "wikimedia": "fieldguide.sources.wikimedia:WikimediaSource",
}


def known_sources() -> dict[str, Callable[[], AnySource]]:
    """Return name to what makes the source, in order of names: the built-in ones and those of other packages.

    Nothing is imported before one is made, so that another package's fault shows only where its source is used.
    """
    known: dict[str, Callable[[], AnySource]] = {name: partial(_open_built_in, name) for name in _BUILT_IN}
    for entry in entry_points(group=GROUP):
        known.setdefault(entry.name, partial(_open_added, entry))
    return dict(sorted(known.items()))


def draws(name: str) -> bool:
    """Return whether the source of this name draws its pictures; one that is unknown or broken does not."""
    if name in _BUILT_IN:
        return name in _DRAWING
    try:
        return isinstance(open_source(name), DrawingSource)
    except SettingsError:
        return False


def needs_contact(name: str) -> bool:
    """Return whether whoever runs the source's servers has to be told how to reach the person who asks."""
    return name not in _WITHOUT_CONTACT and not draws(name)


def open_source(name: str) -> AnySource:
    """Return the source of this name.

    Raises:
        SettingsError: there is none, or it comes from another package and cannot be used.
    """
    if name in _BUILT_IN:  # looking for what other packages bring takes a while
        return _open_built_in(name)
    known = known_sources()
    if name not in known:
        near = get_close_matches(name, known, 1, 0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(known)}"
        raise SettingsError(f"there is no source called '{name}'", hint)
    return known[name]()


def _open_built_in(name: str) -> AnySource:
    module, _, class_name = _BUILT_IN[name].partition(":")
    source: AnySource = getattr(importlib.import_module(module), class_name)()
    return source


def _open_added(entry: EntryPoint) -> AnySource:
    package = entry.dist.name if entry.dist else entry.value
    hint = f"update or remove the package '{package}', or take '{entry.name}' out of the settings"
    try:
        source: AnySource = entry.load()()
        fits = source.name == entry.name and source.facts is not None
        if not isinstance(source, DrawingSource):
            fits = fits and callable(source.search)
    except _BROKEN as error:
        raise SettingsError(f"the source '{entry.name}' cannot be used: {error}", hint) from error
    if not fits:
        raise SettingsError(f"the source '{entry.name}' calls itself by another name", hint)
    return source
