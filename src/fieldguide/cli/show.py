"""How each report is printed: on a terminal in a few lines, or as JSON, the same for all."""

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fieldguide.cli.hints import complete_commands
from fieldguide.records import (
    AddReport,
    CleanReport,
    CollectReport,
    CreditsReport,
    DecideReport,
    DeployReport,
    EvaluateReport,
    ExportDataReport,
    ExportReport,
    NewReport,
    Prediction,
    PreviewReport,
    PublishReport,
    RecipesReport,
    ReviewReport,
    ScoreReport,
    SplitReport,
    StatusReport,
    TrainReport,
    TuneReport,
)
from fieldguide.records.reports import BASELINE, CompareReport
from fieldguide.text import break_at_words, format_score, plural, visible

_MAX_ROWS = 60
_NO_EDGE = 1_000_000
_INDENT = 10  # columns, in which the head has the command's name
_SOME = 6  # of classes or reasons in a line
_EXAMPLES = 3  # of the pictures rejected for one reason
_WIDE, _USUAL = 98, 70  # columns that a run's whole row needs, and a row of what matters most
_SHORT = {"no significant difference": "no sig. difference", "too few shared pictures": "too few shared"}


def show(name: str, report: Any, as_json: bool) -> None:
    """Print a report to the output stream."""
    if as_json:
        wide = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        json.dump(_plain(report), sys.stdout, ensure_ascii=not wide, indent=1)
        sys.stdout.write("\n")
        sys.stdout.flush()
        return
    # a name is shown as it is, whatever looks like markup in it; a file has no edge at which a line would break
    width = None if sys.stdout.isatty() else _NO_EDGE
    console = Console(markup=False, emoji=False, highlight=False, width=width)
    _SHOWN[name](console, report)


def _plain(value: Any) -> Any:
    """Return the report as dictionaries, lists and numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _head(console: Console, name: str, text: str) -> None:
    console.print(Text(f"{name:<{_INDENT - 1}} ", style="bold green"), _broken(console, text), sep="", soft_wrap=True)


def _detail(console: Console, text: str, style: str = "dim") -> None:
    console.print(" " * _INDENT + _broken(console, text), style=style, soft_wrap=True)


def _broken(console: Console, text: str) -> str:
    """Return the text broken at words where the line ends; a longer word, such as a path, stays whole to be copied.

    What goes on in the next line stands below the first word of the text.
    """
    words = text.lstrip(" ")
    lead = " " * (len(text) - len(words))
    lines = break_at_words(complete_commands(words), console.width - _INDENT - len(lead))
    return lead + f"\n{' ' * _INDENT}{lead}".join(lines)


def _table(columns: Sequence[str], right: Sequence[str] = (), **options: Any) -> Table:
    """Return an empty table of plain columns, those of `right` set to the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", **options)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def _print_table(console: Console, table: Table) -> None:
    console.print(Padding(table, (0, 0, 0, _INDENT), expand=False))


def _counts(counts: dict[str, int]) -> str:
    """Return `12 rose, 9 tulip`, shortened."""
    parts = [f"{count} {name}" for name, count in counts.items()]
    return ", ".join(parts[:8]) + (f" and {len(parts) - 8} more" if len(parts) > 8 else "")


def _show_new(console: Console, report: NewReport) -> None:
    names = plural(len(report.class_names), "name") if report.class_names else "the labels of whatever is added"
    listed = f": {', '.join(report.class_names[:8])}" + (", ..." if len(report.class_names) > 8 else "")
    _head(console, "new", f"made {report.folder}, a project with {names}{listed if report.class_names else ''}")
    where = f"-C {shlex.quote(report.folder)}"
    first = f"collect --dry-run {where}" if report.sources else f"add FOLDER {where}"
    if report.waiting:
        waiting = ", ".join(report.waiting)
        _detail(console, f"to collect from {waiting} too: set contact and sources under [collect] in fieldguide.toml")
    _detail(console, f"next: fieldguide {first}, then: fieldguide build {where}")


def _show_recipes(console: Console, report: RecipesReport) -> None:
    table = _table(["recipe", "what it makes"])
    for name, about in report.recipes.items():
        table.add_row(visible(name), visible(about))
    console.print(table)
    console.print("make one with: fieldguide new DIR --recipe RECIPE", style="dim")


def _show_collect(console: Console, report: CollectReport) -> None:
    if not report.found and report.plan:
        _head(console, "collect", "a plan; no request was made")
    else:
        total = f"{plural(sum(report.found.values()), 'good picture')} of {plural(len(report.found), 'class')}"
        _head(console, "collect", total + (f", {report.shared} found under two names" if report.shared else ""))
    for line in report.plan if not report.found else ():
        _detail(console, line)
    if report.offered:
        _print_table(console, _collected(report))
    for name, why in report.short.items():
        _detail(console, f"{name}: {why}")
    if report.short and report.again:
        _detail(console, f"to try again: fieldguide collect {' '.join(f'--retry {why}' for why in report.again)}")
    if report.short:
        _detail(console, "add queries or sources under [collect] in fieldguide.toml to find more")


def _collected(report: CollectReport) -> Table:
    """Return a table with a row for each class: how many were offered, fetched and kept, and why others were not."""
    numbers = ("asked", "offered", "fetched", "good")
    table = _table(["class", *numbers, "not kept"], numbers)
    for name, good in list(report.found.items())[:_MAX_ROWS]:
        counts = report.asked, report.offered.get(name, 0), report.fetched.get(name, 0), good
        table.add_row(visible(name), *map(str, counts), _counts(report.reasons.get(name, {})))
    return table


def _show_credits(console: Console, report: CreditsReport) -> None:
    _head(console, "credits", f"CREDITS.csv and credits.html for {plural(report.images, 'picture')} in {report.folder}")
    _detail(console, _counts(report.licences))
    if report.unknown:
        _detail(console, f"the licence of {plural(report.unknown, 'picture')} is unknown")


def _show_add(console: Console, report: AddReport) -> None:
    if report.added_at:
        _show_undone(console, report)
        return
    relabelled, conflicts = sum(report.relabelled.values()), report.conflicts
    _head(console, "add", f"{plural(sum(report.taken.values()), 'picture')} added, {report.known} already known, "
          f"{plural(sum(report.refused.values()), 'file')} refused")  # fmt: skip
    table = _table(["class", "added"], ["added"])
    for name, count in list(report.taken.items())[:_MAX_ROWS]:
        table.add_row(visible(name), str(count))
    if report.taken:
        _print_table(console, table)
    _show_vectors(console, report.vectors)
    if report.given_splits:
        _detail(console, f"splits kept as given: {_counts(report.given_splits)}")
    for name, labels in report.spellings.items():
        _detail(console, f"read as one class, {name}: {', '.join(labels)}; rename one if they are two")
    if relabelled:
        _detail(console, f"relabelled: {_counts(report.relabelled)}, such as {report.examples['relabelled'][0]}")
    if conflicts:
        _detail(console, f"{conflicts} known under another label, such as {report.examples['other_label'][0]}")
        _detail(console, "they are left out while they have both: give --relabel if the new label is right")
    for reason, count in report.refused.items():
        _detail(console, f"{count} x {reason}: {report.examples[reason][0]}")
    if report.number:
        _detail(console, f"this is addition {report.number}; to take it back: fieldguide add --undo {report.number}")


def _show_undone(console: Console, report: AddReport) -> None:
    _head(console, "add", f"addition {report.number} is undone: {report.path}, added {report.added_at}")
    _detail(console, f"taken back: {_counts(report.removed) or 'no label: other additions brought them all'}")
    if report.restored:
        _detail(console, f"labelled again as before: {_counts(report.restored)}")


def _show_review(console: Console, report: ReviewReport) -> None:
    _head(console, "review", report.audit["line"])
    for rule in report.rules:
        _detail(console, f"rule: {visible(rule)}")
    decided = {word: number for word, number in report.counts["decision"].items() if word}
    words = {"keep": "kept", "drop": "dropped", "relabel": "relabelled"}
    if decided:
        _detail(console, ", ".join(f"{decided[word]} {words[word]}" for word in words if word in decided) + " by hand")
        _detail(console, "next: fieldguide build")


def _show_decide(console: Console, report: DecideReport) -> None:
    if report.undone:
        _head(
            console,
            "decide",
            f"took back {plural(report.undone, 'action')}: {plural(report.restored, 'picture')} as before",
        )
        if report.left:
            _detail(console, f"{plural(report.left, 'picture')} left, decided about since then")
    else:
        counts = {"kept": report.kept, "dropped": report.dropped}
        parts = [f"{count} {word}" for word, count in counts.items() if count]
        parts += [f"{count} relabelled {name}" for name, count in report.relabelled.items()]
        _head(console, "decide", ", ".join(parts))
        if report.copies:
            verb = "stays" if len(report.copies) == 1 else "stay"
            _detail(console, f"{plural(len(report.copies), 'near-copy')} of what is dropped {verb} set aside too")
            _detail(console, f"to take the largest in its place: fieldguide decide --keep {report.copies[0][:12]}")
    _detail(console, "next: fieldguide build")


def _show_clean(console: Console, report: CleanReport) -> None:
    kept, rejected = sum(report.kept.values()), sum(report.rejected.values())
    _head(
        console,
        "clean",
        f"{plural(kept, 'picture')} kept, {rejected} rejected, {plural(report.groups, 'group')} of look-alikes",
    )
    _show_vectors(console, report.vectors)
    if report.nothing_kept:
        _detail(console, report.nothing_kept)
        _detail(console, report.hint)
    for reason, count in report.rejected.items():
        pictures = [item for item in report.rejections if item.reason == reason]
        _detail(console, f"{count} x {reason}")
        for item in pictures[:_EXAMPLES]:
            _detail(console, f"  {visible(str(item))}")
        if len(pictures) > _EXAMPLES:
            _detail(console, f"  and {len(pictures) - _EXAMPLES} more")
    labels = {item.class_name for item in report.rejections if item.reason != "two_labels"}  # which names several
    lost = sorted(labels - set(report.kept) if report.kept else ())
    if lost:
        _detail(console, f"no picture is kept of: {', '.join(lost)}")
    if report.rejections:
        _detail(console, "the whole list: clean/rejected.csv in the project")
    _show_suspicions(console, report)
    if report.report:
        _detail(console, f"pictures and statistics: {report.report} in the project")


def _show_suspicions(console: Console, report: CleanReport) -> None:
    for reason, count in report.suspected.items():
        pictures = [item for item in report.suspicions if item.reason == reason]
        _detail(console, f"{count} x {reason}, kept until you decide")
        for item in pictures[:_EXAMPLES]:
            _detail(console, f"  {visible(str(item))}")
    if report.suspicions:
        _detail(console, "look at them with: fieldguide review; the whole list: clean/suspects.csv in the project")
    for name, share in report.lost.items():
        _detail(console, f"the pictures rejected by {name} hold about {share:.1%} of all good ones, by estimate")
    for why in dict.fromkeys(report.not_run.values()):
        names = ", ".join(name for name, reason in report.not_run.items() if reason == why)
        _detail(console, f"not checked: {names} ({why})")


def _show_split(console: Console, report: SplitReport) -> None:
    counts = {name: sum(by_class.values()) for name, by_class in report.counts.items()}
    _head(console, "split", f"{_counts(counts)}; {plural(report.groups, 'group')}, none in two splits")
    if report.vectors:
        counts = {name: report.vectors[name] for name in report.counts if name in report.vectors}
        _detail(console, f"of them colour features without a picture, each a group of its own: {_counts(counts)}")
    if report.reasons:
        reasons = ", ".join(f"{count} {reason}" for reason, count in report.reasons.items())
        _detail(console, f"groups of several pictures: {reasons}")
    if report.leaks:
        _detail(console, f"{plural(report.leaks, 'group')} had pictures in two splits as they came; now in one:")
        for pair in report.leaking[:_EXAMPLES]:
            _detail(console, f"  {visible(str(pair))}")
    if report.joined:
        _detail(console, f"{plural(report.joined, 'group')} joined from different splits; now in one, train before val")
    for item in report.set_aside[:_EXAMPLES]:
        _detail(console, f"set aside: {visible(item.location)}: {visible(item.detail)}")
    if report.set_aside:
        more = len(report.set_aside) - _EXAMPLES
        _detail(console, (f"and {more} more; " if more > 0 else "") + "to use them, give: fieldguide split --resplit")
    if report.several:
        _detail(
            console,
            f"a split by chance would cut {report.cut:.1f} of {plural(report.several, 'group')} on average, and "
            f"{report.careless_linked:.1f} of {report.careless_test:.0f} test pictures would have a relative in train",
        )
    if report.careless and report.honest and report.difference:
        low, high = (100 * value for value in report.difference[1:])
        _detail(
            console,
            f"so it would claim {report.careless[0]:.1%} in place of {report.honest[0]:.1%}: "
            f"{report.careless_claim} (95 %: {low:+.1f} to {high:+.1f} points)",
        )
    _detail(console, f"report: {report.page}")


def _show_train(console: Console, report: TrainReport) -> None:
    measured = f"by {report.measured_by}, {report.measured} of {plural(report.images, 'picture')}"
    _head(console, "train", f"{format_score(report.accuracy)} {measured}")
    made_by = f"{report.learner}, {report.backbone}" if report.backbone else report.learner
    _detail(console, f"{made_by} by {report.runtime}, temperature {report.temperature:.2f}, {report.seconds:.0f} s")
    chosen = "; ".join(f"{name}: {value}" for name, value in report.chosen.items())
    _detail(console, f"input: {report.fit} to {report.size} x {report.size} pixels; {chosen}")
    if report.tried:
        _detail(console, "tried: " + "; ".join(f"{name} {value:.1%}" for name, value in report.tried.items()))
    if report.beside:
        scores = "; ".join(f"{name} {format_score(score)}" for name, score in report.beside.items())
        _detail(console, f"side by side: {scores}: {report.learner} is taken")


def _show_tune(console: Console, report: TuneReport) -> None:
    counts = ", ".join(f"{count} {state}" for state, count in report.trials.items() if count)
    _head(console, "tune", f"{counts or 'no trials'}; {report.minutes:.1f} minutes; {report.ended}")
    if report.value is None:
        _detail(console, "no trial has finished yet: run fieldguide tune again to go on")
    else:
        score = format_score((report.value, *report.interval)) if report.interval else f"{report.value:.1%}"
        pictures = f" on {report.pictures} pictures" if report.pictures else ""
        settings = ", ".join(f"{name} = {value}" for name, value in report.params.items())
        _detail(console, f"best: trial {report.best}, {score}{pictures}: {settings}")
        if report.same_as:
            _detail(console, f"it is the same model as the run {report.same_as}, byte for byte")
        if report.written:
            take = f"compare --use {report.same_as}" if report.same_as else "train"
            _detail(console, f"written into fieldguide.toml; next: fieldguide {take}")
        else:
            _detail(console, "fieldguide.toml is left as it was: that run is the current one")
    if report.trials.get("stopped"):
        _detail(console, "the trial that was stopped goes on when fieldguide tune is run again")
    _detail(console, f"report: {report.report}")


def _show_preview(console: Console, report: PreviewReport) -> None:
    _head(console, "preview", f"{report.path}: how {report.augment} changes {plural(report.pictures, 'picture')}")


def _show_compare(console: Console, report: CompareReport) -> None:
    if report.used:
        _show_used(console, report)
    trained = sum(row.learner != BASELINE for row in report.rows)
    runs = plural(trained, "run")
    old = f"; {len(report.outdated)} from other pictures left out" if report.outdated else ""
    _head(console, "compare", f"{runs} and the baseline, on held-out pictures{old}")
    console.print(_compared(report, console.width))
    for group in report.seeds:
        _detail(console, f"{group.learner}, {group.what}: {group.mean:.1%}, standard deviation {group.spread:.2%}, "
                f"of {len(group.names)} seeds")  # fmt: skip
    _detail(console, report.advice, style="")
    if report.report:
        _detail(console, f"report: {report.report}")


def _show_used(console: Console, report: CompareReport) -> None:
    """Print which run is the current one now, and what that means for the stages behind it."""
    _head(console, "compare", f"{report.used} is now the current run")
    settings = ", ".join(f"{name} = {value}" for name, value in report.written.items())
    _detail(console, f"written into fieldguide.toml: {settings}" if settings else "fieldguide.toml has its settings")
    score = f"evaluated before: {format_score(report.evaluated)}" if report.evaluated else "not evaluated yet"
    _detail(console, score + (f" on {plural(report.evaluated_images, 'test picture')}" if report.evaluated else ""))
    guide = f"guide/ is of {report.guide_run}" if report.guide_run else "no guide is published"
    is_own = report.guide_run == report.used
    _detail(console, "guide/ is of this run" if is_own else f"{guide}; next: fieldguide build")


def _compared(report: CompareReport, width: int) -> Table:
    """Return a table with a row for each run, the recommended one in colour; a narrow one has fewer columns."""
    from fieldguide.stages.compare.report import format_bytes, format_count, format_ms, format_seconds

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("run", no_wrap=True)  # so that it can be copied: compare --use
    table.add_column("accuracy, 95 %", no_wrap=width >= _USUAL)
    wide = width >= _WIDE
    names = ("F1", "params", "file", "p50", "trained") if wide else ("F1", "file", "p50") if width >= _USUAL else ()
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    if names:
        table.add_column("against the best", overflow="fold")
    for row in report.rows[:_MAX_ROWS]:
        share, low, high = row.accuracy
        costs: tuple[str, ...] = (format_bytes(row.bytes), format_ms(row.p50_ms))
        costs = (format_count(row.parameters), *costs, format_seconds(row.train_s)) if wide else costs
        shown = ("-",) * len(costs) if row.learner == BASELINE else costs
        style = "green" if row.name == report.recommended else "dim" if row.learner == BASELINE else ""
        more = (f"{row.macro_f1:.2f}", *shown, _SHORT.get(row.verdict, row.verdict)) if names else ()
        table.add_row(visible(row.name), f"{share:.1%} {low * 100:.1f}-{high * 100:.1f}", *more, style=style)
    return table


def _show_evaluate(console: Console, report: EvaluateReport) -> None:
    _head(console, "evaluate", f"{format_score(report.accuracy)} on {plural(report.test_images, 'test picture')}")
    if report.grouped and report.careless:
        pictures = f", {plural(report.images, 'picture')}" if report.images else ""
        _detail(console, f"grouped cross-validation over all: {format_score(report.grouped)}{pictures}")
        claim = f"; {report.careless_claim}" if report.careless_claim else ""
        _detail(console, f"a careless split would have claimed: {format_score(report.careless)}{claim}")
    else:
        _detail(console, 'no cross-validation over all pictures: set [evaluate] cross_validate = "always" for it')
    weak = sorted(((score["f1"], name) for name, score in report.per_class.items() if score["f1"] < 0.95))[:3]
    if weak:
        _detail(console, "lowest F1: " + ", ".join(_weak(name, report.per_class[name]) for _, name in weak))
    _detail(console, f"report: {report.report}")


def _show_score(console: Console, report: ScoreReport) -> None:
    if report.accuracy:
        _head(console, "evaluate", f"{format_score(report.accuracy)} on {plural(report.scored, 'new picture')}")
    else:
        _head(console, "evaluate", "no picture is of a class that the guide knows")
    if report.declined:
        _detail(console, f"declined {format_score(report.declined)}")
    if report.answered_accuracy:
        _detail(console, f"right in {format_score(report.answered_accuracy)} of the {report.answered} answered")
    if report.others_declined:
        _detail(console, f"of {plural(sum(report.others.values()), 'picture')} of other classes "
                f"({_some(report.others)}), declined {format_score(report.others_declined)}")  # fmt: skip
    if report.log_loss is not None:
        error = "calibration error not shown, too few pictures"
        if report.ece_interval:
            low, high = report.ece_interval
            error = f"calibration error {report.ece:.3f} (95 %: {low:.3f} to {high:.3f})"
        low, high = report.macro_f1_interval
        _detail(
            console,
            f"macro F1 {report.macro_f1:.3f} (95 %: {low:.3f} to {high:.3f}), log loss {report.log_loss:.3f}, {error}",
        )
    rows = [(score["f1"], name) for name, score in report.per_class.items() if score["support"] and score["f1"] < 0.95]
    if rows:
        _detail(console, "lowest F1: " + ", ".join(_weak(name, report.per_class[name]) for _, name in sorted(rows)[:3]))
    left = {status: count for status, count in report.counts.items() if status not in ("scored", "other_class")}
    if left:
        _detail(console, f"not scored: {_some(left)} (see predictions.csv)", "yellow")
    _detail(console, f"report: {report.report}")


def _some(counts: Mapping[str, int]) -> str:
    """Return the first few counts in words."""
    shown = ", ".join(f"{count} {name}" for name, count in list(counts.items())[:_SOME])
    return shown + (f" and {len(counts) - _SOME} more" if len(counts) > _SOME else "")


def _weak(name: str, score: Mapping[str, float]) -> str:
    ends = f" (95 %: {score['f1_low']:.2f} to {score['f1_high']:.2f})" if "f1_low" in score else ""
    return f"{name} {score['f1']:.2f}{ends} on {plural(int(score['support']), 'picture')}"


def _show_publish(console: Console, report: PublishReport) -> None:
    _head(console, "publish", f"{report.guide}/, {report.bytes / 1e6:.1f} MB, {plural(report.examples, 'example')}")
    compared = plural(report.compared, f"{report.compared_on} picture")
    _detail(console, f"agrees with the trained model on {report.agreement:.1%} of {compared}; "
            f"probabilities differ by at most {report.max_difference:.1g}")  # fmt: skip
    accepted, pictures = f"{report.true_accept:.1%}", "test pictures"
    if report.true_accept_interval:
        accepted = format_score((report.true_accept, *report.true_accept_interval))
        pictures = plural(report.test_images, "test picture")
    _detail(console, f"accepts {accepted} of {pictures}")
    _detail(console, f"declines pictures of a similar, unknown class: {_declined(report)}")
    if not report.examples:
        _detail(console, "no examples: no picture has a licence that allows them (see fieldguide add --licence)")


def _declined(report: PublishReport) -> str:
    """Return how many pictures of classes left out would be declined."""
    if report.false_accept is None:
        return "not measured"
    share = f"{1 - report.false_accept:.1%}"
    if report.false_accept_range is None:
        return share
    least, most = (1 - accepted for accepted in reversed(report.false_accept_range))
    of = f"of {plural(report.left_out_images, 'picture')} of {plural(report.left_out, 'class')}"
    return f"{share} {of} ({least:.1%} to {most:.1%} by class)"


def _show_export(console: Console, report: ExportReport) -> None:
    files = plural(report.files, "file")
    _head(console, "export", f"{report.form} in {report.folder}: {files}, {report.bytes / 1e6:.1f} MB")
    if report.unproved:
        _detail(console, f"not compared with the guide: {report.unproved}", "yellow")
    else:
        _detail(console, _agreement(report))
        latency = f"{report.latency_ms:.1f} ms a picture, one at a time (median)"
        _detail(console, f"{latency}; the guide {report.guide_latency_ms:.1f} ms")
    for doubt in report.doubts:
        _detail(console, f"accepted: {doubt}", "yellow")
    for key, value in report.made.items():
        _detail(console, f"{key}: {value}")


def _agreement(report: ExportReport) -> str:
    compared = f"{plural(report.held_out, 'picture')} that it has not learnt"
    decline = f"declines alike for {report.decline_agreement:.2%}"
    differences = (
        f"probabilities differ by {report.max_difference:.2g} at most, {report.mean_difference:.2g} on average"
    )
    return f"the guide's first answer for {report.agreement:.2%} of {compared}; {decline}; {differences}"


def _show_deploy(console: Console, report: DeployReport) -> None:
    state = "" if report.written else " (as it was)"
    files = f"{plural(report.files, 'file')}, {report.bytes / 1e6:.1f} MB"
    _head(console, "deploy", f"{report.to} in {report.folder}: {files}{state}")
    if report.insecure:
        _detail(console, "insecure: whoever can reach it can use the guide, with no key", "yellow")
    _detail(console, "put it online with (README.md there says more):")
    for command in (f"cd {shlex.quote(report.folder)}", *report.commands):  # each stays whole to be copied
        console.print(f"{' ' * _INDENT}  {visible(command)}", soft_wrap=True)


def _show_export_data(console: Console, report: ExportDataReport) -> None:
    counts = {part: sum(by_class.values()) for part, by_class in report.counts.items()}
    total = plural(sum(counts.values()), "picture")
    _head(console, "export-data", f"{total} as {report.to} in {report.folder}, {report.bytes / 1e6:.1f} MB")
    if len(counts) > 1:
        _detail(console, _counts(counts))
    if report.size:
        _detail(console, f"scaled down to {report.size} pixels on the shorter side")
    for original, reason in list(report.left_out.items())[:_SOME]:
        _detail(console, f"left out: {visible(original)}: {reason}", "yellow")
    if len(report.left_out) > _SOME:
        _detail(console, f"and {len(report.left_out) - _SOME} more: see export.json there", "yellow")


def _show_predict(console: Console, answers: list[Prediction]) -> None:
    rows = [[visible(cell) for cell in _answer_cells(answer)] for answer in answers]
    if not console.is_terminal:  # a line each, for pipes and files
        sys.stdout.writelines("\t".join(row) + "\n" for row in rows)
        return
    table = _table(["picture", "answer", "", "then, or the reason"], [""])
    for answer, row in zip(answers, rows, strict=True):
        table.add_row(row[0], row[1] if answer.error else visible(answer.summary), *row[2:])
    console.print(table)


def _answer_cells(answer: Prediction) -> tuple[str, str, str, str]:
    if answer.error:
        return answer.path, "not readable", "", answer.error
    ranked = [(name, f"{prob:.1%}") for name, prob in answer.probs.items() if prob >= 0.005]
    if answer.declined:
        return answer.path, "none of these", "", "nearest: " + ", ".join(f"{name} {prob}" for name, prob in ranked)
    if answer.parent:
        every = ", ".join(f"{name} {prob}" for name, prob in ranked)
        return answer.path, answer.summary, f"{answer.parent_prob:.1%}", every
    return answer.path, ranked[0][0], ranked[0][1], ", ".join(f"{name} {prob}" for name, prob in ranked[1:])


def _show_vectors(console: Console, count: int) -> None:
    """Say how many of the images that were told of are none."""
    if count:
        _detail(console, f"{count} of them are colour features without a picture, for the learner colour")


def _show_status(console: Console, report: StatusReport) -> None:
    _head(console, "status", f"{report.name}: {plural(report.images, 'picture')}, {report.kept} kept")
    styles = {"done": "green", "out of date": "yellow", "not run": "dim"}
    table = Table.grid(padding=(0, 1, 0, 0), pad_edge=True)  # else Rich cuts names where a column is empty
    for stage in report.stages:
        table.add_row(stage.stage, Text(stage.state, style=styles[stage.state]), visible(stage.summary))
    _print_table(console, table)
    _show_vectors(console, report.vectors)
    if report.suggestion:
        _detail(console, report.suggestion)
    _detail(console, f"next: {report.next_command}")


_SHOWN: dict[str, Callable[[Console, Any], None]] = {
    "new": _show_new,
    "recipes": _show_recipes,
    "collect": _show_collect,
    "credits": _show_credits,
    "add": _show_add,
    "clean": _show_clean,
    "decide": _show_decide,
    "review": _show_review,
    "split": _show_split,
    "train": _show_train,
    "tune": _show_tune,
    "preview": _show_preview,
    "compare": _show_compare,
    "evaluate": _show_evaluate,
    "score": _show_score,
    "publish": _show_publish,
    "export": _show_export,
    "export_data": _show_export_data,
    "deploy": _show_deploy,
    "predict": _show_predict,
    "status": _show_status,
}
