"""Where a caller of the Python API wants to see progress: a bar, nowhere, or an object of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from fieldguide.progress import Progress, SilentProgress

ShowProgress = Progress | Literal["auto"] | None


@contextmanager
def open_progress(progress: ShowProgress) -> Iterator[Progress]:
    """Yield where a stage says how far it is: "auto" is a bar on a terminal and in a notebook, None is nowhere."""
    if progress is None:
        yield SilentProgress()
    elif progress != "auto":
        yield progress
    else:
        from fieldguide.progress.bar import BarProgress, can_show_bars

        if not can_show_bars():
            yield SilentProgress()
            return
        with BarProgress() as bars:
            yield bars
