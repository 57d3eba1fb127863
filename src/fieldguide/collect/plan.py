"""What collecting will take, said before it begins. Knows nothing about networks: facts and settings in, lines out."""

import math
from collections.abc import Mapping

from fieldguide.candidates import SourceFacts
from fieldguide.collect.queries import Wanted
from fieldguide.settings import CollectSettings

__all__ = ["plan_lines"]

_DAY_S = 86_400


def plan_lines(wanted: Wanted, asked: CollectSettings, environ: Mapping[str, str]) -> list[str]:
    """A line for each source: the fewest requests, how long they take, what limits it.

    "At least": as if each picture offered were good, and the sources shared the work evenly.

    Args:
        wanted: the queries.
        asked: how many pictures of each class.
        environ: where keys are looked for.
    """
    classes = len(wanted.queries)
    total = classes * asked.per_class
    head = f"{classes} classes x {asked.per_class} = {total:,} pictures, licences: {asked.licences}"
    share = math.ceil(asked.per_class / max(1, len(wanted.sources)))
    lines = [head]
    for name, source in wanted.sources.items():
        queries = sum(1 for found in wanted.queries.values() for one in found if one.source == name)
        lines.append(f"{name}: {_line(source.facts, classes, share, queries, environ)}")
    spread = max((len(source.facts.media_hosts) for source in wanted.sources.values()), default=1)
    lines.append(f"downloads: at one a second from each host, {_span(total / max(1, spread))} or more")
    return lines


def _line(facts: SourceFacts, classes: int, share: int, queries: int, environ: Mapping[str, str]) -> str:
    """What one source will be asked."""
    has_key = bool(facts.key and environ.get(facts.key))
    if facts.key_needed and not has_key:
        return f"needs a key in {facts.key}: nothing will be asked"
    requests = max(queries, classes * math.ceil(share / max(1, facts.page_size)))
    spacing = max((limit.spacing_s for limit in facts.hosts.values()), default=0.0)
    said = [f"{queries} queries, at least {requests:,} requests, {_span(requests * spacing)}"]
    if facts.per_day and not has_key:
        days = requests * _DAY_S / facts.per_day
        said.append(f"{facts.per_day:,} a day without a key: {_span(days)}" if requests > facts.per_day else "")
    if facts.per_query and queries and facts.per_query * queries < share * classes:
        said.append(f"{facts.per_query} pictures per query at most: write more queries")
    if not facts.licence_fields:
        said.append("says no licences: its pictures count as unknown")
    return "; ".join(one for one in said if one)


def _span(seconds: float) -> str:
    """A time as a person says it."""
    for unit, length in (("days", _DAY_S), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or (unit == "min" and seconds >= length):
            return f"{math.ceil(seconds / length)} {unit}"
    return f"{math.ceil(seconds)} s"
