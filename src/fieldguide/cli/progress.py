"""Progress for a person: a bar with a rate and the time left on a terminal, a line per step elsewhere."""

import sys
from types import TracebackType

from rich.console import Console
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


class BarProgress:
    """A `Progress` on the error stream; a context manager."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._lines = not sys.stderr.isatty()
        self._bars = RichProgress(
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
        self._task: TaskID | None = None

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
        self._task = self._bars.add_task(what, total=total)
        if self._lines:
            self._console.print(f"{what}{f': {total}' if total else ''}", markup=False)

    def advance(self, steps: int = 1) -> None:
        """Nothing; the bar is longer."""
        if self._task is not None:
            self._bars.advance(self._task, steps)

    def clear(self) -> None:
        """Nothing; no bar is shown."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
