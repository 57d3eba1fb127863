"""What is searched for: the settings' names, templates, synonyms and options as queries, in their order.

Knows nothing about networks or the ledger.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from yarl import URL

from fieldguide.errors import SettingsError
from fieldguide.hashing import hash_text
from fieldguide.net import NetRules
from fieldguide.records.candidates import DrawingSource, HostLimit, Query, Source
from fieldguide.settings import HostSettings, Settings
from fieldguide.sources import open_source

__all__ = ["Wanted", "as_asked", "net_rules", "wanted_queries"]

_FILES = ("page", "urls")  # sources whose text is a path, told from the project's folder


@dataclass(frozen=True)
class Wanted:
    """Every query that the settings ask for.

    Attributes:
        sources: by name, in the order of the settings.
        queries: class name to its queries, in the order in which they are asked.
    """

    sources: Mapping[str, Source]
    queries: Mapping[str, tuple[Query, ...]]


def wanted_queries(settings: Settings, root: Path) -> Wanted:
    """What the settings ask for.

    Args:
        settings: of the project.
        root: its folder.

    Raises:
        SettingsError: an unknown source, no names, a template that cannot be filled in, or settings that contradict
            each other.
    """
    if not settings.classes:
        raise SettingsError("there are no names to search for", "write them under [classes] in fieldguide.toml")
    opened = {name: open_source(name) for name in settings.collect.sources}
    sources = {name: source for name, source in opened.items() if not isinstance(source, DrawingSource)}
    strange = sorted({*settings.collect.options} - {*sources})
    if strange:
        message = f"[collect.options] speaks of {strange[0]!r}, which is not among the sources"
        raise SettingsError(message, f"add it to sources, or take it out; there are: {', '.join(sources)}")
    _check_said(settings, sources)
    queries = {}
    for class_name in settings.classes:
        found = [one for name in sources for one in _queries(settings, root, class_name, name)]
        queries[class_name] = tuple(dict.fromkeys(found))
    return Wanted(sources, queries)


def _check_said(settings: Settings, sources: Mapping[str, Source]) -> None:
    """Nothing; what the settings say of the sources can be.

    Raises:
        SettingsError: something is said of a source that is not asked, or a source could give nothing that is kept.
    """
    for class_name, one in settings.classes.items():
        strange = sorted({*one.at} - {*sources})
        if strange:
            message = f"[classes] {class_name!r} speaks of {strange[0]!r}, which is not among the sources"
            raise SettingsError(message, f"add it to sources, or take it out; there are: {', '.join(sources)}")
    silent = [name for name, source in sources.items() if not source.facts.licence_fields]
    if silent and settings.collect.licences != "any":
        message = (
            f"{silent[0]} says no licences, so nothing of it is kept under licences = {settings.collect.licences!r}"
        )
        raise SettingsError(message, 'set licences = "any" in [collect] and answer for them yourself, or take it out')
    decided = {"allow", "ignore_robots", "allow_networks"} & {*settings.collect.options.get("browser", {})}
    if decided:
        message = f"[collect.options] browser cannot decide {min(decided)!r}"
        raise SettingsError(
            message, 'decide it for each host: [collect] hosts = {"www.example.org" = {browser = true}}'
        )


def _queries(settings: Settings, root: Path, class_name: str, source: str) -> Iterator[Query]:
    """The queries of a class at a source."""
    options = dict(settings.collect.options.get(source, {}))
    own = options.pop("query", "")
    if source == "browser":
        options |= _leave(settings, options, root)
    chosen = settings.collect
    options[".asked"] = f"{chosen.licences} {chosen.per_query} {chosen.similar_each}"
    for text in settings.classes[class_name].at.get(source) or _texts(settings, class_name, own):
        known = _Frozen(options | ({".file": _stamp(root / text)} if source in _FILES else {}))
        yield Query(source, class_name, text, known, chosen.licences, chosen.contact)


def as_asked(query: Query, root: Path) -> Query:
    """The query as its source is asked: without what only tells it from older ones, and with its path in full."""
    options = {name: value for name, value in query.options.items() if not name.startswith(".")}
    if (root / options.get("spec", "")).is_file():  # a spec of the person's own is told from the project's folder
        options["spec"] = str(root / options["spec"])
    return replace(query, options=options, text=str(root / query.text) if query.source in _FILES else query.text)


def _stamp(path: Path) -> str:
    """What changes when a file, or a folder's files, do: a list that has grown is read again."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    said = [(str(one.relative_to(path)), one.stat().st_size, one.stat().st_mtime_ns) for one in files if one.is_file()]
    return hash_text(repr(said))[:16]


def _texts(settings: Settings, class_name: str, own: str) -> list[str]:
    """What is searched for: each template with each synonym in it.

    Raises:
        SettingsError: a template has a field other than {name}.
    """
    names = settings.classes[class_name].queries or (class_name,)
    templates = (own,) if own else settings.collect.queries
    try:
        return [template.format(name=name) for template in templates for name in names]
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise SettingsError(
            f"a query in [collect] cannot be filled in: {error}",
            'only {name} may stand in braces, as in "{name} chart"',
        ) from error


def _leave(settings: Settings, options: Mapping[str, str], root: Path) -> dict[str, str]:
    """What a person has decided about driving a browser over the spec's host.

    Raises:
        SettingsError: no spec is named, or there is none of that name.
    """
    from fieldguide.sources.web.specs import load_spec  # late: only a browser needs it

    if "spec" not in options:
        message = "the source 'browser' needs the name of a spec"
        raise SettingsError(message, 'write under [collect.options]: browser = {spec = "NAME"}')
    own = root / options["spec"]
    host = URL(load_spec(str(own) if own.is_file() else options["spec"]).url).host or ""
    decided = settings.collect.hosts.get(host)
    given = {"allow_networks": ",".join(settings.collect.allow_networks)} if settings.collect.allow_networks else {}
    if decided is None:
        return given
    return given | {
        "allow": str(decided.browser).lower(),
        "ignore_robots": str(decided.robots == "ignore").lower(),
    }


class _Frozen(dict[str, str]):
    """Options that can be compared and hashed, so that a query is asked once."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def net_rules(settings: Settings, sources: Mapping[str, Source]) -> NetRules:
    """How gently these sources' hosts are asked, and what a person has decided about others."""
    chosen = settings.collect
    known: dict[str, HostLimit] = {}
    documented: set[str] = {URL(chosen.options.get("searxng", {}).get("base_url", "")).host or ""}  # one's own
    for source in sources.values():
        known |= {**source.facts.hosts, **source.facts.media_hosts}
        if not source.facts.drives_browser:  # pages for people are no interface for programs
            documented |= {*source.facts.hosts, *source.facts.media_hosts}
    freed = {host for host, one in chosen.hosts.items() if one.robots == "ignore"}
    decided = {host: _limit(one, known.get(host, HostLimit())) for host, one in chosen.hosts.items()}
    return replace(
        NetRules(),
        contact=chosen.contact,
        hosts={**known, **decided},
        connections=chosen.connections,
        max_bytes=settings.images.max_bytes,
        max_wait_s=chosen.max_wait_s,
        robots_exempt=frozenset({*documented, *freed}),
        private_hosts=frozenset(_plain(host) for host, one in chosen.hosts.items() if one.private),
        host_ports={_plain(host): frozenset(one.ports) for host, one in chosen.hosts.items() if one.ports},
        allow_networks=chosen.allow_networks,
        ports=frozenset({80, 443, *chosen.ports}),
    )


def _plain(host: str) -> str:
    """A host's name as the client spells it."""
    return host.rstrip(".").lower()


def _limit(said: HostSettings, usual: HostLimit) -> HostLimit:
    """The limit of a host: what a person has decided, else what is usual there."""
    spacing = usual.spacing_s if said.spacing_s is None else said.spacing_s
    return HostLimit(spacing, said.concurrency or usual.concurrency)
