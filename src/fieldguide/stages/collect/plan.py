"""What collecting will take, said before it begins. Knows nothing about networks: facts and settings in, lines out."""

import math
from collections.abc import Mapping

from fieldguide.net import NetRules
from fieldguide.records.candidates import SourceFacts
from fieldguide.settings import CollectSettings
from fieldguide.stages.collect.queries import Wanted

__all__ = ["plan_lines"]

_DAY_S = 86_400


def plan_lines(wanted: Wanted, asked: CollectSettings, rules: NetRules, environ: Mapping[str, str]) -> list[str]:
    """A line for each source: the fewest requests, how long they take, what limits it.

    "At least": as if each picture offered were good, and the sources shared the work evenly.

    Args:
        wanted: the queries.
        asked: how many pictures of each class.
        rules: how gently hosts are asked.
        environ: where keys are looked for.
    """
    classes = len(wanted.queries)
    total = classes * asked.per_class
    head = f"{classes} classes x {asked.per_class} = {total:,} pictures, licences: {asked.licences}"
    share = math.ceil(asked.per_class / max(1, len(wanted.sources)))
    lines = [head]
    for name, source in wanted.sources.items():
        queries = sum(1 for found in wanted.queries.values() for one in found if one.source == name)
        spacing = max((rules.limit(host).spacing_s for host in source.facts.hosts), default=0.0)
        lines.append(f"{name}: {_line(source.facts, classes * share, queries, spacing, environ)}")
    hosts = {host for source in wanted.sources.values() for host in source.facts.media_hosts}
    rate = sum(1 / max(rules.limit(host).spacing_s, 0.01) for host in hosts) or 1 / max(rules.default.spacing_s, 0.01)
    lines.append(f"downloads: {_span(total / rate)} or more, as gently as their hosts are asked")
    return lines


def _line(facts: SourceFacts, pictures: int, queries: int, spacing: float, environ: Mapping[str, str]) -> str:
    """What one source will be asked for so many pictures."""
    has_key = bool(facts.key and environ.get(facts.key))
    if facts.key_needed and not has_key:
        return f"needs a key in {facts.key}: nothing will be asked"
    requests = max(queries, math.ceil(pictures / max(1, facts.page_size)))
    said = [f"{queries} queries, at least {requests:,} requests, {_span(requests * spacing)}"]
    if facts.per_day and not has_key:
        days = requests * _DAY_S / facts.per_day
        more = f", none of that with one in {facts.key}" if facts.key else ""
        said.append(f"{facts.per_day:,} a day without a key: {_span(days)}{more}" if requests > facts.per_day else "")
    if facts.per_query and queries and facts.per_query * queries < pictures:
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
