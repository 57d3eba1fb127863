"""The edge of the program: every error becomes two lines and an exit code, and a traceback only with --debug.

Exit codes: 0 done, 2 a command or option that does not exist, 130 interrupted, others as in `errors.py`.
"""

import io
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

from fieldguide.cli.hints import complete_commands, remember_command, remember_project, run_again
from fieldguide.errors import FieldguideError, translate_os_errors
from fieldguide.text import break_at_words

_INTERRUPTED = 130
_NO_EDGE = 1_000_000  # columns of a file, in which no line is broken


class _Interrupt:
    """A handler of Ctrl-C that remembers it: libraries that are loading then raise errors of their own."""

    happened = False

    def __call__(self, *_: object) -> None:
        self.happened = True
        raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code.

    Raises:
        SystemExit: always.
    """
    _open_closed_streams()
    remember_project(Path())
    remember_command("")
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or bool(os.environ.get("FIELDGUIDE_DEBUG"))
    words = [word for word in words if word != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a name must not end the work
    interrupt = _Interrupt()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, interrupt)
    try:
        with translate_os_errors("working"):
            code = _run(words)
    except BrokenPipeError:  # the reader of our output has gone, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except (Exception, KeyboardInterrupt) as error:  # the outermost edge of the program
        if debug:
            traceback.print_exc()
        code = _explain(error, interrupt.happened, "--json" in words)
    sys.exit(code)


def _open_closed_streams() -> None:
    """Open what the shell has closed, such as `2>&-`: else the next file, the catalogue, would take the number."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115


def _explain(error: BaseException, interrupted: bool, as_json: bool) -> int:
    """Print an error's two lines and return its exit code."""
    if isinstance(error, FieldguideError):
        return _tell(error.message, error.hint, error.exit_code, as_json)
    if interrupted or isinstance(error, KeyboardInterrupt):
        return _tell("stopped", run_again(), _INTERRUPTED, as_json)
    message = f"{type(error).__name__}: {error}"
    return _tell(message, "this is a bug in Fieldguide: run it again with --debug and report it", 1, as_json)


def _run(words: list[str]) -> int:
    """Run one command and return its exit code; what it raises passes."""
    from typer.main import get_command

    from fieldguide.cli.commands import app

    try:
        code = int(get_command(app).main(words, "fieldguide", standalone_mode=False) or 0)
    except SystemExit as leaving:  # so does typer where the reader of our output has gone
        if isinstance(leaving.__context__, BrokenPipeError):
            raise leaving.__context__ from None
        raise
    except Exception as error:
        if type(error).__name__ == "Abort":
            raise KeyboardInterrupt from error
        # typer carries its own copy of click, whose errors have no public name: they are known by what they offer
        explain = getattr(error, "format_message", None)
        if explain is None:
            raise
        code = int(getattr(error, "exit_code", 2))
        return _tell(_one_line(explain()), _usage_hint(words), code, "--json" in words)
    if code == _INTERRUPTED:  # typer makes an exit of Ctrl-C
        raise KeyboardInterrupt
    return code


def _usage_hint(words: list[str]) -> str:
    from fieldguide.cli.commands import command_names

    command = f"{words[0]} " if words and words[0] in command_names() else ""
    return f"see: fieldguide {command}--help"


def _one_line(message: str) -> str:
    return " ".join(message.split()).rstrip(".")


def _tell(message: str, hint: str, code: int, as_json: bool) -> int:
    """Print an error as two lines, or as JSON for a program, and return its exit code."""
    hint = complete_commands(hint)
    if as_json:
        print(json.dumps({"error": message, "hint": hint, "exit_code": code}), file=sys.stderr)  # noqa: T201
        return code
    width = os.get_terminal_size(sys.stderr.fileno()).columns if sys.stderr.isatty() else _NO_EDGE
    lines = break_at_words(f"fieldguide: {_one_line(message)}", width)
    lines += [f"  {line}" for line in break_at_words(_one_line(hint), width - 2)]
    print("\n".join(lines), file=sys.stderr)  # noqa: T201
    return code
