"""What the settings ask for: queries in their order, how gently hosts are asked, and what it will take.

Knows nothing about the ledger, and asks nobody: settings and the sources' facts in, records and lines out.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from yarl import URL

from fieldguide.errors import SettingsError
from fieldguide.hashing import hash_text
from fieldguide.net import NetRules
from fieldguide.records.candidates import DrawingSource, HostLimit, Query, Source, SourceFacts
from fieldguide.settings import CollectSettings, HostSettings, Settings
from fieldguide.sources import known_sources, open_source
from fieldguide.text import plural

_DAY_S = 86_400
_FILES = ("page", "urls")  # sources whose text is a path, told from the project's folder


@dataclass(frozen=True)
class QueryPlan:
    """Every query that the settings ask for.

    Attributes:
        sources: by name, in the order of the settings.
        queries: class name to its queries, in the order in which they are asked.
    """

    sources: Mapping[str, Source]
    queries: Mapping[str, tuple[Query, ...]]


def plan_queries(settings: Settings, root: Path) -> QueryPlan:
    """Return what the settings ask the sources for.

    Args:
        settings: of the project.
        root: its folder.
    """
    if not settings.classes:
        raise SettingsError("there are no names to search for", "list them under [classes] in fieldguide.toml")
    opened = {name: open_source(name) for name in settings.collect.sources}
    sources = {name: source for name, source in opened.items() if not isinstance(source, DrawingSource)}
    _check_settings(settings, sources)
    queries = {}
    for class_name in settings.classes:
        every = [query for name in sources for query in _queries(settings, root, class_name, name)]
        queries[class_name] = tuple(dict.fromkeys(every))
    return QueryPlan(sources, queries)


def _check_settings(settings: Settings, sources: Mapping[str, Source]) -> None:
    """Check that each source that is spoken of is asked, and can give something that is kept."""
    spoken_of = {"[collect.options]": {*settings.collect.options}}
    known = {*known_sources()}  # what a name is called at a source is true where that is not asked too
    spoken_of |= {f"[classes] {class_name!r}": {*entry.at} - known for class_name, entry in settings.classes.items()}
    for place, names in spoken_of.items():
        if unknown := sorted(names - {*sources}):
            message = f"{place} mentions {unknown[0]!r}, which is not among the sources"
            raise SettingsError(message, f"add it to sources, or remove it; sources are: {', '.join(sources)}")
    unlicensed = [name for name, source in sources.items() if not source.facts.licence_fields]
    if unlicensed and settings.collect.licences != "any":
        policy = settings.collect.licences
        message = f"{unlicensed[0]} states no licences, so none of its pictures is accepted with licences = {policy!r}"
        raise SettingsError(
            message, 'set [collect] licences = "any" and check the licences yourself, or remove the source'
        )
    decided = {"allow", "ignore_robots", "allow_networks"} & {*settings.collect.options.get("browser", {})}
    if decided:
        message = f"{min(decided)!r} cannot be set in [collect.options.browser]"
        raise SettingsError(message, 'set it for each host: [collect] hosts = {"www.example.org" = {browser = true}}')


def _queries(settings: Settings, root: Path, class_name: str, source: str) -> Iterator[Query]:
    collect = settings.collect
    options = dict(collect.options.get(source, {}))
    template = options.pop("query", "")
    if source == "browser":
        options |= _browser_options(settings, options, root)
    options[".asked"] = f"{collect.licences} {collect.per_query} {collect.similar_each}"
    entry = settings.classes[class_name]
    texts = entry.at.get(source) or _texts(entry.queries or (class_name,), (template,) if template else collect.queries)
    for text in texts:
        known = _HashableDict(options | ({".file": _file_stamp(root / text)} if source in _FILES else {}))
        yield Query(source, class_name, text, known, collect.licences, collect.contact)


def source_query(query: Query, root: Path) -> Query:
    """Return the query as its source is asked: without what only tells it from older ones, its path in full."""
    options = {name: value for name, value in query.options.items() if not name.startswith(".")}
    if (root / options.get("spec", "")).is_file():  # a spec of the person's own is told from the project's folder
        options["spec"] = str(root / options["spec"])
    return replace(query, options=options, text=str(root / query.text) if query.source in _FILES else query.text)


def _file_stamp(path: Path) -> str:
    """Return what changes when a file, or a folder's files, do: a list that has grown is read again."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(str(file.relative_to(path)), file.stat()) for file in files if file.is_file()]
    return hash_text(repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]))[:16]


def _texts(names: Sequence[str], templates: Sequence[str]) -> list[str]:
    """Return each template with each synonym in it."""
    try:
        return [template.format(name=name) for template in templates for name in names]
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise SettingsError(
            f"a query in [collect] is not a valid template: {error}", 'the only field is {name}, as in "{name} chart"'
        ) from error


def _browser_options(settings: Settings, options: Mapping[str, str], root: Path) -> dict[str, str]:
    """Return what a person has decided about driving a browser over the spec's host."""
    from fieldguide.sources.web.specs import load_spec  # late: only a browser needs it

    if "spec" not in options:
        message = "the source 'browser' needs a page spec"
        raise SettingsError(message, 'set [collect.options] browser = {spec = "NAME"}')
    own = root / options["spec"]
    host = URL(load_spec(str(own) if own.is_file() else options["spec"]).url).host or ""
    networks = settings.collect.allow_networks
    decided = {"allow_networks": ",".join(networks)} if networks else {}
    if host in settings.collect.hosts:
        decision = settings.collect.hosts[host]
        decided["allow"] = str(decision.browser).lower()
        decided["ignore_robots"] = str(decision.robots == "ignore").lower()
    return decided


class _HashableDict(dict[str, str]):
    """Options that can be hashed, so that a query that is written twice is asked once."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def net_rules(settings: Settings, sources: Mapping[str, Source]) -> NetRules:
    """Return how gently these sources' hosts are asked, and what a person has decided about others."""
    collect = settings.collect
    known: dict[str, HostLimit] = {}
    documented: set[str] = {URL(collect.options.get("searxng", {}).get("base_url", "")).host or ""}  # one's own
    for source in sources.values():
        known |= {**source.facts.hosts, **source.facts.media_hosts}
        if not source.facts.drives_browser:  # pages for people are no interface for programs
            documented |= {*source.facts.hosts, *source.facts.media_hosts}
    decided = {host: _limit(decision, known.get(host, HostLimit())) for host, decision in collect.hosts.items()}
    plain = {host.rstrip(".").lower(): decision for host, decision in collect.hosts.items()}  # as the client spells it
    return NetRules(
        contact=collect.contact,
        hosts={**known, **decided},
        connections=collect.connections,
        max_bytes=settings.images.max_bytes,
        max_wait_s=collect.max_wait_s,
        robots_exempt=frozenset(
            documented | {host for host, decision in collect.hosts.items() if decision.robots == "ignore"}
        ),
        private_hosts=frozenset(host for host, decision in plain.items() if decision.private),
        host_ports={host: frozenset(decision.ports) for host, decision in plain.items() if decision.ports},
        allow_networks=collect.allow_networks,
        ports=frozenset({80, 443, *collect.ports}),
    )


def _limit(decision: HostSettings, usual: HostLimit) -> HostLimit:
    spacing = usual.spacing_s if decision.spacing_s is None else decision.spacing_s
    return HostLimit(spacing, decision.concurrency or usual.concurrency)


def describe_plan(plan: QueryPlan, settings: CollectSettings, rules: NetRules) -> list[str]:
    """Return a line for each source: the fewest requests, how long they take, what limits it.

    "At least": as if each picture offered were good, and the sources shared the work evenly.
    """
    classes = len(plan.queries)
    total = classes * settings.per_class
    share = math.ceil(settings.per_class / max(1, len(plan.sources)))
    size = f"{plural(classes, 'class')} x {settings.per_class} = {plural(total, 'picture')}"
    lines = [f"{size}, licences: {settings.licences}"]
    for name, source in plan.sources.items():
        queries = sum(query.source == name for queries in plan.queries.values() for query in queries)
        spacing_s = max((rules.limit(host).spacing_s for host in source.facts.hosts), default=0.0)
        lines.append(f"{name}: {_describe_source(source.facts, classes * share, queries, spacing_s)}")
    hosts = {host for source in plan.sources.values() for host in source.facts.media_hosts}
    rate = sum(1 / max(rules.limit(host).spacing_s, 0.01) for host in hosts) or 1 / max(rules.default.spacing_s, 0.01)
    lines.append(f"downloads: {_time(total / rate)} or more, at the pace that their hosts allow")
    return lines


def _describe_source(facts: SourceFacts, pictures: int, queries: int, spacing_s: float) -> str:
    has_key = bool(facts.key and os.environ.get(facts.key))
    if facts.key_needed and not has_key:
        return f"needs a key in {facts.key}: it will not be searched"
    requests = max(queries, math.ceil(pictures / max(1, facts.page_size)))
    parts = [f"{plural(queries, 'query')}, at least {plural(requests, 'request')}, {_time(requests * spacing_s)}"]
    if facts.per_day and not has_key and requests > facts.per_day:
        more = f", none of that with one in {facts.key}" if facts.key else ""
        parts.append(f"{facts.per_day:,} a day without a key: {_time(requests * _DAY_S / facts.per_day)}{more}")
    if facts.per_query and queries and facts.per_query * queries < pictures:
        parts.append(f"{plural(facts.per_query, 'picture')} per query at most: add queries")
    if not facts.licence_fields:
        parts.append("states no licences: they count as unknown")
    return "; ".join(parts)


def _time(seconds: float) -> str:
    """Return a time as a person says it."""
    for unit, length in (("days", _DAY_S), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or (unit == "min" and seconds >= length):
            return f"{math.ceil(seconds / length)} {unit}"
    return f"{math.ceil(seconds)} s"
