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
from rich.text import Text


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
        return Text(f"{speed:,.0f}/s" if speed and task.total else "", style="dim")


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
        """Show a new bar, or a line, for a new piece of work."""
        self.clear()
        if total == 0:
            return
        self._tasks[""] = self._bars.add_task(what, total=total)
        if self._lines:
            self._console.print(f"{what}{f': {total}' if total else ''}", markup=False)

    def say(self, line: str) -> None:
        """Show a line above the bars."""
        self._console.print(line, markup=False, style="dim", soft_wrap=True)

    def note(self, text: str) -> None:
        """Show a line under the bars; it changes with every step, so nothing where there are no bars."""
        self._bars.note = text

    def start_parts(self, what: str, totals: Mapping[str, int]) -> None:
        """Show a bar for each part, as many as fit; one line for all where there are no bars."""
        self.clear()
        for part, total in list(totals.items())[: max(1, self._console.height - 4)]:
            self._tasks[part] = self._bars.add_task(part, total=total)
        if self._lines:
            self._console.print(f"{what}: {sum(totals.values())}", markup=False)

    def advance(self, steps: int = 1, part: str = "") -> None:
        """Move a bar on."""
        if part in self._tasks:
            self._bars.advance(self._tasks[part], steps)

    def clear(self) -> None:
        """Remove the bars and the note."""
        self._bars.note = ""
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks = {}
