"""Progress for a person: bars with a rate and the time left on a terminal or in a notebook, else a line per step."""

import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

from fieldguide.text import visible

_WIDE = 72  # columns that a bar with a rate and both times needs


def can_show_bars() -> bool:
    """Tell whether bars can be shown: on a terminal, and in a notebook that has ipywidgets."""
    if Console(stderr=True).is_jupyter:
        return find_spec("ipywidgets") is not None
    return sys.stderr.isatty()


class _Rate(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        """Return the rate, where there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed and speed >= 0.5 and task.total else "", style="dim")


class _Count(MofNCompleteColumn):
    """How many steps of how many are done."""

    def render(self, task: Task) -> Text:
        """Return nothing where the number of steps is not known: the time that has passed stands beside it."""
        return super().render(task) if task.total else Text()


class _TimeLeft(TimeRemainingColumn):
    """The time left: of the limit, where the work ends by the clock, else as the rate so far tells."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """Return the time left, where anything is known of it."""
        limit_s = task.fields["limit_s"]
        if limit_s:
            minutes, seconds = divmod(max(0, int(limit_s - (task.elapsed or 0))), 60)
            return Text(f"{minutes // 60}:{minutes % 60:02}:{seconds:02}", style="progress.remaining")
        return super().render(task) if task.total else Text()


class _Bars(RichProgress):
    """Bars, and a line under them of how it goes: beside them a terminal of 80 columns has no room for it."""

    note = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the bars, and the note where there is one."""
        yield from super().get_renderables()
        if self.note:
            yield Text(self.note, style="dim", no_wrap=True, overflow="ellipsis")


class BarProgress:
    """A `Progress` on the error stream; a context manager."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._lines = not can_show_bars()
        wide = self._console.width >= _WIDE
        self._bars = _Bars(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=20 if wide else 6),
            _Count(),
            *([_Rate(), TimeElapsedColumn()] if wide else []),
            _TimeLeft(),
            console=self._console,
            transient=True,
            disable=self._lines or quiet,
        )
        self._tasks: dict[str, TaskID] = {}
        self._outer: TaskID | None = None  # work inside which the current work is done

    def __enter__(self) -> "BarProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def start(self, what: str, total: int | None, limit_s: float = 0.0) -> None:
        """Show a new bar, or a line, for a new piece of work.

        A counted piece of work inside another, such as the features that a cross-validation needs, gives place to it
        again when it is complete: a full bar would stand still while the work goes on.
        """
        self._bars.note = ""
        outer = self._tasks.get("")
        if outer is None or total is None or self._is_finished(outer):
            self._remove_tasks()
        elif total:
            if self._outer is not None:
                self._bars.remove_task(self._outer)
            self._outer = self._tasks.pop("")
            self._bars.update(self._outer, visible=False)
        if total == 0:
            return
        self._add_task("", what, total, limit_s)
        if self._lines:
            limit = f", for at most {limit_s / 60:g} minutes" if limit_s else ""
            self._print(f"{what}{f': {total}' if total else ''}{limit}")

    def say(self, line: str) -> None:
        """Show a line above the bars."""
        self._print(line, style="dim")

    def note(self, text: str) -> None:
        """Show a line under the bars; it changes with every step, so nothing where there are no bars."""
        self._bars.note = visible(text)

    def start_parts(self, what: str, totals: Mapping[str, int]) -> None:
        """Show a bar for each part, as many as fit; one line for all where there are no bars."""
        self._remove_tasks()
        for part, total in list(totals.items())[: max(1, self._console.height - 4)]:
            self._add_task(part, part, total)
        if self._lines:
            self._print(f"{what}: {sum(totals.values())}")

    def advance(self, steps: int = 1, part: str = "") -> None:
        """Move a bar on."""
        if part in self._tasks:
            self._bars.advance(self._tasks[part], steps)
            if self._outer is not None and self._is_finished(self._tasks[part]):
                self._bars.remove_task(self._tasks[part])
                self._tasks, self._outer = {"": self._outer}, None
                self._bars.update(self._tasks[""], visible=True)

    def clear(self) -> None:
        """Erase the bars and the note, so that something else can be printed; the next work shows them again."""
        self._remove_tasks()
        self._bars.stop()

    def _add_task(self, part: str, description: str, total: int | None, limit_s: float = 0.0) -> None:
        self._tasks[part] = self._bars.add_task(visible(description), total=total, limit_s=limit_s)
        self._bars.start()

    def _is_finished(self, task_id: TaskID) -> bool:
        return any(task.finished for task in self._bars.tasks if task.id == task_id)

    def _remove_tasks(self) -> None:
        self._bars.note = ""
        for task in (*self._tasks.values(), self._outer):
            if task is not None:
                self._bars.remove_task(task)
        self._tasks, self._outer = {}, None

    def _print(self, line: str, style: str = "") -> None:
        # a terminal breaks a line at words, a file not at all
        self._console.print(Text(visible(line), style=style), soft_wrap=self._lines)
