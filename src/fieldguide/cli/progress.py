"""Progress for a person: a bar with a rate and the time left on a terminal, a line per step elsewhere."""

import sys
from collections.abc import Iterable, Mapping
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
from rich.text import Text

__all__ = ["BarProgress"]


class _Rate(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        """The rate, where there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed and task.total else "", style="dim")


class _Bars(RichProgress):
    """Bars, and a line under them of how it goes: beside them a terminal of 80 columns has no room for it."""

    note = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars, and the note where there is one."""
        yield from super().get_renderables()
        if self.note:
            yield Text(self.note, style="dim", no_wrap=True, overflow="ellipsis")


class BarProgress:
    """A `Progress` on the error stream; a context manager."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._lines = not sys.stderr.isatty()
        self._bars = _Bars(
            TextColumn("{task.description:<28}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=self._lines or quiet,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "BarProgress":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def start(self, what: str, total: int | None) -> None:
        """Nothing; a new bar, or a line, for a new piece of work."""
        self.clear()
        if total == 0:
            return
        self._tasks[""] = self._bars.add_task(what, total=total)
        if self._lines:
            self._console.print(f"{what}{f': {total}' if total else ''}", markup=False)

    def say(self, line: str) -> None:
        """Nothing; a line above the bars."""
        self._console.print(line, markup=False, style="dim", soft_wrap=True)

    def note(self, text: str) -> None:
        """Nothing; a line under the bars; nothing where there are no bars, for it changes with every step."""
        self._bars.note = text

    def start_parts(self, what: str, totals: Mapping[str, int]) -> None:
        """Nothing; a bar for each part, as many as fit; a line for all of them where there are no bars."""
        self.clear()
        for part, total in list(totals.items())[: max(1, self._console.height - 4)]:
            self._tasks[part] = self._bars.add_task(part, total=total)
        if self._lines:
            self._console.print(f"{what}: {sum(totals.values())}", markup=False)

    def advance(self, steps: int = 1, part: str = "") -> None:
        """Nothing; the bar is longer."""
        if part in self._tasks:
            self._bars.advance(self._tasks[part], steps)

    def clear(self) -> None:
        """Nothing; no bar and no note is shown."""
        self._bars.note = ""
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks = {}
