"""Progress on a terminal and in a file: what a person sees of long work."""

import sys
import threading

import pytest

from command import TIMEOUT_S
from fieldguide.progress import Progress, SilentProgress
from fieldguide.progress.bar import BarProgress

NOTE = "epoch 3 of 20: loss 0.412, 88.3% right; val 85.0%"


class Terminal:
    """An error stream that says it is a terminal, and remembers the frames that are drawn on it."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.frames: list[str] = []
        self._drawn = threading.Condition()

    def write(self, text: str) -> int:
        with self._drawn:
            self.frames.append(text)
            self._drawn.notify_all()
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True

    def wait_for(self, text: str) -> str:
        """Wait until the newest frame holds the text, and return that frame."""
        with self._drawn:
            assert self._drawn.wait_for(lambda: self.frames and text in self.frames[-1], TIMEOUT_S), self.frames
            return self.frames[-1]


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal of 80 columns in place of the error stream."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return stream


def test_a_note_stands_under_the_bar_whole_until_the_next_work(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with BarProgress() as progress:
        progress.start("training", 640)
        progress.advance(64)
        progress.note(NOTE)
        assert "64/640" in terminal.wait_for(NOTE), "an ordinary terminal has room for it"
        progress.note("another")
        assert NOTE not in terminal.wait_for("another")
        progress.start("evaluating", 2)
        assert "another" not in terminal.wait_for("evaluating")


def test_work_shows_again_when_a_part_of_it_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with BarProgress() as progress:
        progress.start("cross-validating", None)
        progress.start("features", 2)
        progress.advance()
        assert "cross-validating" not in terminal.wait_for("1/2")
        progress.advance()
        assert "features" not in terminal.wait_for("cross-validating"), "a full bar would stand still"
        progress.start("views", 3)
        progress.start("features", 0)
        progress.advance()
        terminal.wait_for("1/3")
        progress.start("features", 1)
        progress.advance()
        progress.advance()
        assert "views" in terminal.wait_for("2/3")
        progress.start("writing", None)
        assert "views" not in terminal.wait_for("writing")


def test_work_that_ends_by_the_clock_shows_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with BarProgress() as progress:
        progress.start("trials", 40, limit_s=7200)
        terminal.wait_for("1:59:5")


def test_a_note_leaves_nothing_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with BarProgress() as progress:
        progress.start("training", 640)
        progress.note(NOTE)
        progress.say("a long line " * 20)
    assert capsys.readouterr().err == f"training: 640\n{'a long line ' * 20}\n", "and no line is broken there"


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    progress: Progress = SilentProgress()
    progress.start("training", 3)
    progress.start_parts("training", {"a": 3})
    progress.note(NOTE)
    progress.say(NOTE)
    progress.advance()
    assert capsys.readouterr() == ("", "")
