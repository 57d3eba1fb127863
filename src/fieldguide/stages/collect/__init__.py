"""The stage that collects pictures of each name from its sources, until there are as many good ones as asked for.

Charts are drawn on this machine; everything else is searched for, fetched politely and judged as it comes. Every
question, answer and address stands in the catalogue's ledger: an interrupted run continues where it stopped.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from fieldguide.engine import Crash, core_count, map_guarded
from fieldguide.errors import BadImage, NotReady, SettingsError
from fieldguide.hashing import hash_text
from fieldguide.images import read_header
from fieldguide.net import REFUSED_BY_RULES, Client, NetRules
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.catalog import Catalog
from fieldguide.project.ledger import Ledger
from fieldguide.records import CollectReport, ImageRow, Label, Origin
from fieldguide.records.candidates import DrawingSource
from fieldguide.settings import Settings, digest_json
from fieldguide.sources import draws, needs_contact, open_source
from fieldguide.stages.collect.downloads import REFUSED_BY_LIMITS, may_pass
from fieldguide.stages.collect.pipeline import Connect, Outcome, run_classes
from fieldguide.stages.collect.queries import describe_plan, net_rules, plan_queries
from fieldguide.text import plural

__all__ = ["collect", "inputs"]

_REMEDIES = {
    "refused_port": 'if it is a server of yours: [collect.hosts."HOST"] ports = [PORT]',
    "refused_address": 'if it is a server of yours: [collect.hosts."HOST"] private = true',
    "robots": 'with its owner\'s permission: [collect.hosts."HOST"] robots = "ignore"',
}
_BATCH = 32  # drawings written at once
_CPU_S = 60.0
_MEMORY_BYTES = 2**42  # of address space: V8, inside vl-convert, sets aside far more than it uses


def inputs(catalog: Catalog, settings: Settings) -> str:
    """Return the digest of everything that this stage's result depends on."""
    classes = {name: (entry.queries, entry.at) for name, entry in sorted(settings.classes.items())}
    text = f"{digest_json(settings, 'collect')} {classes} seed {settings.seed}"
    if not any(map(draws, settings.collect.sources)):  # what is rejected since makes room for more
        text += f"{digest_json(settings, 'clean')} {settings.images.model_dump_json()} {catalog.rejected()}"
    return hash_text(text + catalog.digest("origin"))


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
    if not settings.collect.sources:
        message = "no source of pictures is set in fieldguide.toml"
        raise SettingsError(
            message, 'set [collect] sources = ["openverse"], or add pictures with: fieldguide add FOLDER'
        )
    drawing = next(filter(draws, settings.collect.sources), "")
    if drawing and len(settings.collect.sources) > 1:
        raise SettingsError(
            f"the source '{drawing}' cannot be combined with others", f"remove the other sources, or '{drawing}'"
        )
    with project.catalog() as catalog:
        if not retry and not dry_run and (done := _complete_report(catalog, settings)):
            return done
        if drawing:
            report = _draw(drawing, project, settings, catalog, progress, dry_run)
        else:
            report = _search(project, settings, catalog, (progress, connect), retry, dry_run)
        if not dry_run:
            catalog.finish("collect", inputs(catalog, settings), asdict(report), project.now())
    return report


def _complete_report(catalog: Catalog, settings: Settings) -> CollectReport | None:
    """Return what the last run reported, where every class has enough and nothing has changed since."""
    finished = catalog.finished("collect")
    if finished is None or finished.report.get("short"):  # asked first: the digest reads every origin
        return None
    return catalog.current("collect", inputs(catalog, settings), CollectReport)


def _draw(
    name: str, project: Project, settings: Settings, catalog: Catalog, progress: Progress, dry_run: bool
) -> CollectReport:
    source = open_source(name)
    assert isinstance(source, DrawingSource)
    todo = _plan_drawings(source, settings, catalog)
    if dry_run:
        total = len(settings.classes) * settings.collect.per_class
        size = f"{plural(len(settings.classes), 'class')} x {settings.collect.per_class}"
        plan = [f"{size} = {plural(total, 'picture')}, drawn by '{name}'; {len(todo)} are still to be drawn"]
        return CollectReport(settings.collect.per_class, {}, plan=plan)
    if todo:
        progress.start("drawing", len(todo))
        _draw_all(source, project, settings, catalog, todo, progress)
    return CollectReport(settings.collect.per_class, catalog.count_origins(source.name))


def _plan_drawings(source: DrawingSource, settings: Settings, catalog: Catalog) -> list[tuple[str, int]]:
    """Return class and number of each drawing that is still to be made.

    Each drawing is known by its class and number, so an interrupted run continues where it stopped and the final set is
    the same.
    """
    unknown = sorted(set(settings.classes) - set(source.class_names))
    if unknown or not settings.classes:
        problem = f"cannot draw {unknown[0]!r}" if unknown else "needs names under [classes]"
        raise SettingsError(f"the source '{source.name}' {problem}", f"it draws: {', '.join(source.class_names)}")
    source.check()
    known = catalog.locations(source.name)
    return [
        (class_name, number)
        for number in range(settings.seed, settings.seed + settings.collect.per_class)
        for class_name in settings.classes
        if f"{class_name}/{number}" not in known
    ]


class _Pen:
    """Draws one numbered picture in a worker process."""

    def __init__(self, source: DrawingSource) -> None:
        self._source = source

    def __call__(self, item: tuple[str, int]) -> bytes:
        return self._source.draw(*item)


def _draw_all(
    source: DrawingSource, project: Project, settings: Settings, catalog: Catalog, todo: list[tuple[str, int]],
    progress: Progress,
) -> None:  # fmt: skip
    failed: Counter[tuple[str, str]] = Counter()
    rows: list[tuple[ImageRow, Origin, Label]] = []
    for index, data in map_guarded(_Pen(source), todo, workers=core_count(), cpu_s=_CPU_S, memory_bytes=_MEMORY_BYTES):
        class_name, number = todo[index]
        progress.advance()
        try:
            if isinstance(data, Crash):
                raise BadImage(data.reason, data.detail)
            header = read_header(data, decode_limits(settings))
        except BadImage as error:
            failed[class_name, error.detail] += 1
            continue
        sha256 = project.store_image(data, header.format)
        image = ImageRow(sha256, header.format, len(data), header.width, header.height, header.mode, header.frames)
        location = f"{class_name}/{number}"
        origin = Origin(sha256, source.name, location, source.author, source.licence, source.licence_url)
        rows.append((image, origin, Label(sha256, class_name, "query")))
        if len(rows) == _BATCH:
            catalog.add_images(rows, project.now())
            rows.clear()
    catalog.add_images(rows, project.now())
    if failed:
        class_name, reason = failed.most_common(1)[0][0]
        message = f"{plural(failed.total(), 'picture')} could not be drawn, the first of {class_name!r}: {reason}"
        raise NotReady(message, "run the same command again; if that does not help, report it")


def _search(
    project: Project, settings: Settings, catalog: Catalog, means: tuple[Progress, Connect], retry: Sequence[str],
    dry_run: bool,
) -> CollectReport:  # fmt: skip
    queries = plan_queries(settings, project.root)
    plan = describe_plan(queries, settings.collect, net_rules(settings, queries.sources))
    if not settings.collect.contact and any(map(needs_contact, queries.sources)):
        message = "the sources need to know how to reach you"
        raise SettingsError(message, 'set your address in fieldguide.toml: [collect] contact = "you@example.org"')
    if dry_run:
        return CollectReport(settings.collect.per_class, {}, plan=plan)
    progress, connect = means
    ledger = Ledger(catalog)
    _forget(ledger, retry)
    rules, limits = net_rules(settings, queries.sources), decode_limits(settings)
    ledger.forget(REFUSED_BY_RULES, lambda reason, url, _: rules.allow_now(reason, url))
    ledger.forget(REFUSED_BY_LIMITS, lambda reason, _, refused_by: may_pass(reason, refused_by, limits))
    for line in plan:
        progress.say(line)
    outcome = asyncio.run(run_classes(project, settings, catalog, queries, progress, connect))
    if outcome is None:
        raise KeyboardInterrupt
    _check_outcome(outcome, ledger)
    return _report(settings, catalog, ledger, outcome, plan)


def _forget(ledger: Ledger, reasons: Sequence[str]) -> None:
    """Let what failed for these reasons be tried again."""
    if not reasons:
        return
    failed = ledger.failures()
    unknown = [reason for reason in reasons if reason not in failed]
    if unknown:
        hint = f"use one of {', '.join(failed)}" if failed else "leave --retry out"
        raise SettingsError(f"no download failed with {unknown[0]!r}", hint)
    ledger.forget(reasons)


def _check_outcome(outcome: Outcome, ledger: Ledger) -> None:
    """Check that there is at least one good picture; else raise the first trouble, or why none is good."""
    if any(outcome.good.values()):
        return
    if outcome.errors and not ledger.reasons():
        raise next(iter(outcome.errors.values()))
    reasons = sum((Counter(counts) for counts in ledger.reasons().values()), Counter())
    most = ", ".join(f"{count} {why or 'waiting'}" for why, count in reasons.most_common(5)) or "no results"
    why = next(iter(outcome.short.values()), "")
    hint = _REMEDIES.get(max(reasons, key=lambda reason: reasons[reason], default=""))
    raise NotReady(
        f"no good picture was found ({most}); {why}", hint or "check the queries and sources under [collect]"
    )


def _report(settings: Settings, catalog: Catalog, ledger: Ledger, outcome: Outcome, plan: list[str]) -> CollectReport:
    reasons, skipped, fetched = ledger.reasons(), ledger.skipped(), ledger.count_fetched()
    offered = {name: reasons.get(name, Counter()) for name in settings.classes}
    return CollectReport(
        asked=settings.collect.per_class,
        found=outcome.good,
        offered={name: counts.total() for name, counts in offered.items()},
        fetched={name: fetched.get(name, 0) for name in offered},
        reasons={
            name: {
                why: count
                for why, count in (counts + skipped.get(name, Counter())).most_common()
                if why not in ("", "kept")
            }
            for name, counts in offered.items()
        },
        short=outcome.short,
        shared=catalog.count_shared(),
        again=[reason for reason, transient in ledger.failures().items() if transient],
        plan=plan,
    )
