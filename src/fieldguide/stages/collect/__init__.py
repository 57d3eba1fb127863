"""The stage that gathers pictures of each name from its sources, until there are as many good ones as asked for.

Charts are drawn on this machine; everything else is searched for, fetched politely and judged as it comes. Every
question, answer and address stands in the catalogue's ledger: an interrupted run goes on where it stopped.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from fieldguide.errors import NotReady, SettingsError
from fieldguide.hashing import hash_text
from fieldguide.net import Client, NetRules
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.project.ledger import Ledger
from fieldguide.records import CollectReport
from fieldguide.records.candidates import DrawingSource
from fieldguide.settings import Settings, digest_json
from fieldguide.sources import draws, open_source
from fieldguide.stages.collect.drawing import draw_pictures
from fieldguide.stages.collect.gathering import Connect, Gathered, gather
from fieldguide.stages.collect.plan import plan_lines
from fieldguide.stages.collect.queries import Wanted, net_rules, wanted_queries

__all__ = ["collect", "inputs"]

_OFF_LINE = ("page", "urls")


def inputs(catalog: Catalog, settings: Settings) -> str:
    """The digest of everything that this stage's result depends on."""
    classes = {name: (one.queries, one.at) for name, one in sorted(settings.classes.items())}
    said = f"{digest_json(settings, 'collect')} {classes} seed {settings.seed}"
    if not (
        len(settings.collect.sources) == 1 and draws(settings.collect.sources[0])
    ):  # what is rejected since makes room for more
        said += f"{settings.clean.model_dump_json()} {settings.images.model_dump_json()} {catalog.rejected()}"
    return hash_text(said + catalog.digest("origin"))


def _connect(rules: NetRules, stop: asyncio.Event) -> Client:
    return Client(rules, stop=stop)


def collect(
    project: Project,
    settings: Settings,
    *,
    progress: Progress,
    retry: Sequence[str] = (),
    dry_run: bool = False,
    connect: Connect = _connect,
) -> CollectReport:
    """Collect pictures of each class, and return how many good ones there are now and why others were not kept.

    Args:
        project: where the originals go.
        settings: the names, the sources, how many of each.
        progress: told of each class.
        retry: reasons (such as "timeout") whose pictures are tried again.
        dry_run: only plan: nothing is asked and nothing is written.
        connect: what makes the client; another one is for tests and intranets.

    Raises:
        SettingsError: no source is chosen, one is unknown, or a setting contradicts another.
        SourceError: every source refuses, asks to wait too long, wants a key, or is not understood.
        NetworkDown: nobody could be reached.
        MissingExtra: something that a source needs is not installed.
        NotReady: a picture could not be drawn, or not one good picture was found.
        KeyboardInterrupt: the person pressed Ctrl-C; what was acknowledged is kept.
    """
    asked = settings.collect
    if not asked.sources:
        message = "no source of pictures is chosen in [collect] of fieldguide.toml"
        raise SettingsError(message, 'set sources = ["openverse"] there, or add pictures with: fieldguide add FOLDER')
    drawing = next(filter(draws, asked.sources), "")
    if drawing and len(asked.sources) > 1:
        raise SettingsError(f"the source '{drawing}' stands alone", f"take the other sources out, or '{drawing}'")
    with project.catalog() as catalog:
        done = catalog.current("collect", inputs(catalog, settings), CollectReport)
        if done and not done.short and not retry and not dry_run:
            return done
        if drawing:
            report = CollectReport(asked.per_class, {})
            if not dry_run:
                source = open_source(drawing)
                assert isinstance(source, DrawingSource)
                report = CollectReport(asked.per_class, draw_pictures(source, project, settings, catalog, progress))
        else:
            wanted = wanted_queries(settings, project.root)
            plan = plan_lines(wanted, asked, net_rules(settings, wanted.sources), os.environ)
            report = CollectReport(asked.per_class, {}, plan=plan)
            _check_contact(settings, wanted)
            if not dry_run:
                _forget(Ledger(catalog), retry)
                report = _search(project, settings, catalog, wanted, (progress, connect), report.plan)
        if not dry_run:
            catalog.finish("collect", inputs(catalog, settings), asdict(report), project.now())
    return report


def _check_contact(settings: Settings, wanted: Wanted) -> None:
    """Nothing; whoever is asked can reach the person.

    Raises:
        SettingsError: there is no contact, and somebody will be asked.
    """
    if not settings.collect.contact and any(name not in _OFF_LINE for name in wanted.sources):
        message = "those who are asked for pictures want to know how to reach you"
        raise SettingsError(message, 'write an address into fieldguide.toml: [collect] contact = "you@example.org"')


def _forget(ledger: Ledger, reasons: Sequence[str]) -> None:
    """Nothing; what failed for these reasons will be tried again.

    Raises:
        SettingsError: nothing failed for one of them.
    """
    failed = ledger.failures()
    strange = [one for one in reasons if one not in failed]
    if strange:
        hint = f"take one of {', '.join(failed)}" if failed else "leave --retry out"
        raise SettingsError(f"no picture failed for {strange[0]!r}", hint)
    ledger.forget(reasons)


def _search(
    project: Project, settings: Settings, catalog: Catalog, wanted: Wanted, means: tuple[Progress, Connect],
    plan: list[str],
) -> CollectReport:  # fmt: skip
    """The report on searching the sources for every name."""
    progress, connect = means
    for line in plan:
        progress.say(line)
    gathered = asyncio.run(gather(project, settings, catalog, wanted, progress, connect))
    if gathered is None:
        raise KeyboardInterrupt
    ledger = Ledger(catalog)
    _check_anything(gathered, ledger)
    return _report(settings, catalog, ledger, gathered, plan)


def _check_anything(gathered: Gathered, ledger: Ledger) -> None:
    """Nothing; there is at least one good picture.

    Raises:
        FieldguideError: the first trouble, where nobody ever offered anything.
        NotReady: pictures were offered, and none is good.
    """
    if sum(gathered.good.values()):
        return
    if gathered.troubles and not ledger.reasons():
        raise next(iter(gathered.troubles.values()))
    reasons = sum((Counter(found) for found in ledger.reasons().values()), Counter())
    said = ", ".join(f"{count} {why or 'waiting'}" for why, count in reasons.most_common(5)) or "none was offered"
    why = next(iter(gathered.short.values()), "")
    raise NotReady(f"not one good picture was found ({said}); {why}", "look at the queries and sources under [collect]")


def _report(settings: Settings, catalog: Catalog, ledger: Ledger, gathered: Gathered, plan: list[str]) -> CollectReport:
    """The report that the ledger gives."""
    reasons = ledger.reasons()
    skipped = ledger.skipped()
    counted = {name: reasons.get(name, Counter()) for name in settings.classes}
    fetched = ledger.count_fetched()
    return CollectReport(
        asked=settings.collect.per_class,
        found=gathered.good,
        offered={name: sum(found.values()) for name, found in counted.items()},
        fetched={name: fetched.get(name, 0) for name in counted},
        reasons={
            name: {
                why: count
                for why, count in (found + skipped.get(name, Counter())).most_common()
                if why not in ("", "kept")
            }
            for name, found in counted.items()
        },
        short=gathered.short,
        shared=sum(len(names) > 1 for names in catalog.labels().values()),
        again=[reason for reason, passing in ledger.failures().items() if passing],
        plan=plan,
    )
