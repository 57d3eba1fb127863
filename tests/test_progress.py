"""Progress on a terminal and in a file: what a person sees of long work."""

import sys

import pytest

from fieldguide.progress import Progress, SilentProgress
from fieldguide.progress.bar import BarProgress

NOTE = "epoch 3 of 20: loss 0.412, 88.3% right; val 85.0%"


class Terminal:
    """An error stream that says it is a terminal, and keeps what it was told."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.told = ""

    def write(self, text: str) -> int:
        self.told += text
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 80 columns in place of the error stream."""
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
        progress._bars.refresh()
        assert NOTE in terminal.told, "an ordinary terminal has room for it"
        assert "64/640" in terminal.told
        progress.note("another")
        terminal.told = ""
        progress._bars.refresh()
        assert "another" in terminal.told and NOTE not in terminal.told
        progress.start("evaluating", 2)
        terminal.told = ""
        progress._bars.refresh()
        assert "another" not in terminal.told and "evaluating" in terminal.told


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
