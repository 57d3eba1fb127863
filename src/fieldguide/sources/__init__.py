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

__all__ = ["draws", "known_sources", "open_source"]

GROUP = "fieldguide.sources"
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
    "searxng": "fieldguide.sources.searxng:SearxngSource",
    "smk": "fieldguide.sources.smk:SmkSource",
    "urls": "fieldguide.sources.urls:UrlsSource",
    "wikimedia": "fieldguide.sources.wikimedia:WikimediaSource",
}


def known_sources() -> dict[str, Callable[[], Source | DrawingSource]]:
    """Return name to what makes the source, in order of names: the built-in ones and those of other packages.

    Nothing is imported before one is made, so that another package's fault shows only where its source is used.
    """
    made: dict[str, Callable[[], Source | DrawingSource]] = {
        name: partial(_built_in, place) for name, place in _BUILT_IN.items()
    }
    for entry in entry_points(group=GROUP):
        if entry.name not in made:
            made[entry.name] = partial(_added, entry)
    return dict(sorted(made.items()))


def draws(name: str) -> bool:
    """Return whether the source of this name draws its pictures; one that is unknown or broken does not."""
    if name in _BUILT_IN:
        return False
    try:
        return isinstance(open_source(name), DrawingSource)
    except SettingsError:
        return False


def open_source(name: str) -> Source | DrawingSource:
    """Return the source of this name.

    Raises:
        SettingsError: there is none, or it comes from another package and cannot be used.
    """
    if name in _BUILT_IN:  # looking for what other packages bring takes a while
        return _built_in(_BUILT_IN[name])
    known = known_sources()
    if name not in known:
        near = get_close_matches(name, known, 1, 0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"take one of {', '.join(known)}"
        raise SettingsError(f"there is no source called '{name}'", hint)
    return known[name]()


def _built_in(place: str) -> Source:
    module, _, name = place.partition(":")
    source: Source = getattr(importlib.import_module(module), name)()
    return source


def _added(entry: EntryPoint) -> Source | DrawingSource:
    """Return the source of another package.

    Raises:
        SettingsError: it cannot be imported or made, or is no source.
    """
    package = entry.dist.name if entry.dist else entry.value
    hint = f"update or remove the package '{package}', or take '{entry.name}' out of the settings"
    try:
        source: Source | DrawingSource = entry.load()()
        fits = source.name == entry.name and source.facts is not None
        if not isinstance(source, DrawingSource):
            fits = fits and callable(source.search)
    except (
        ImportError,
        AttributeError,
        SyntaxError,
        TypeError,
        ValueError,
        LookupError,
        OSError,
        RuntimeError,
    ) as error:
        raise SettingsError(f"the source '{entry.name}' cannot be used: {error}", hint) from error
    if not fits:
        raise SettingsError(f"the source '{entry.name}' calls itself by another name", hint)
    return source
