"""The program on a terminal: a pseudo-terminal of so many columns, and the screen that a person sees in the end."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from command import TIMEOUT_S, environment, words

_CODE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\].*?(?:\x07|\x1b\\)")


class Screen:
    """What a terminal of so many columns shows of a text: rows without end, so that nothing scrolls away."""

    def __init__(self, text: str, columns: int) -> None:
        self._columns = columns
        self._rows: list[list[str]] = [[]]
        self._row = self._column = 0
        at = 0
        while at < len(text):
            code = _CODE.match(text, at)
            if code:
                self._obey(code[1] or "", code[2] or "")
                at = code.end()
            else:
                self._put(text[at])
                at += 1

    @property
    def lines(self) -> list[str]:
        """The rows from the first to the last that holds something, without spaces at their ends."""
        rows = ["".join(row).rstrip() for row in self._rows]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def _put(self, char: str) -> None:
        width = cell_len(char)
        if char == "\r":
            self._column = 0
        elif char == "\n":
            self._go_to(self._row + 1)
        elif char == "\t":
            self._column = min(self._columns - 1, self._column // 8 * 8 + 8)
        elif width and char.isprintable():
            if self._column + width > self._columns:
                self._column = 0
                self._go_to(self._row + 1)
            row = self._rows[self._row]
            row += " " * (self._column + width - len(row))
            row[self._column : self._column + width] = [char, *[""] * (width - 1)]
            self._column += width

    def _go_to(self, row: int) -> None:
        self._row = max(0, row)
        self._rows += [[] for _ in range(self._row + 1 - len(self._rows))]

    def _obey(self, numbers: str, letter: str) -> None:
        number = int(numbers) if numbers.isdigit() else 1
        if letter == "A":
            self._go_to(self._row - number)
        elif letter == "B":
            self._go_to(self._row + number)
        elif letter == "K":
            row = self._rows[self._row]
            self._rows[self._row] = [] if numbers == "2" else row[: self._column]


def run_on_terminal(*arguments: str | Path, columns: int = 80, **how: Any) -> tuple[int, list[str]]:
    """Run the program on a terminal to its end; return its exit code and the lines that then stand on the screen."""
    code, text = record(words(*arguments), columns, **how)
    return code, Screen(text, columns).lines


def record(command: Sequence[str], columns: int, **how: Any) -> tuple[int, str]:
    """Run a command on a terminal to its end; return its exit code and all that it wrote there."""
    driver, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    unset = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES")
    env = {key: value for key, value in environment().items() if key not in unset} | {"TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=env, **how)
    os.close(terminal)
    parts = []
    try:
        while part := os.read(driver, 65536):
            parts.append(part)
    except OSError:  # the last process has closed the terminal
        pass
    finally:
        os.close(driver)
    return process.wait(TIMEOUT_S), b"".join(parts).decode("utf-8", "replace")
