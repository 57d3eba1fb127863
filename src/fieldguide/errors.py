"""The errors a person or a program can meet, as one tree.

    FieldguideError                 exit code
    ├── ProjectMissing                  66   no project in this folder
    ├── ProjectExists                   73   the folder is not empty
    ├── ProjectBusy                     75   another command is writing to the project
    ├── ProjectTooNew                    3   made by a newer Fieldguide
    ├── ProjectDamaged                   4   the catalogue cannot be read
    ├── SettingsError                   78   fieldguide.toml is not valid
    ├── NamesError                      64   a list of names that is not valid
    ├── InputMissing                    67   a path that is not there
    ├── InputUnusable                   65   a path or a value that cannot be used
    ├── NotReady                         5   an earlier stage has to run first
    ├── DiskFull                        74   no space left
    ├── DiskFailed                      71   the disk failed to read or write
    ├── NoPermission                    77   no permission to read or write
    ├── GuideDamaged                     6   a guide that is incomplete, altered or unsafe
    ├── ParityError                      7   the exported model disagrees with the trained one
    ├── PortBusy                        69   the port is in use
    ├── MissingExtra                     9   an optional part is not installed
    ├── TrainingDiverged                15   a loss or a weight is NaN or infinite
    ├── OutOfMemory                     16   there is not enough memory
    ├── NetworkDown                     68   a server cannot be reached
    └── SourceError                     76   a source of pictures misbehaves
        ├── RateLimited                 11   the source asks for a pause
        ├── Blocked                     12   the source shows a challenge, a consent page or a refusal
        ├── LayoutChanged               13   the source answered in an unknown form
        ├── KeyNeeded                   10   the source's key is missing or wrong
        └── BadQuery                    14   the source does not accept the query or an option
    BadImage                             -   trouble with one picture: data, never an exit

*A bad image is data; a bad request is an exception.* `BadImage` is raised by the decoder and caught by the
stage, which writes it down as a row; it is not a `FieldguideError`. Everything else carries a `hint`: what to do.

Any stage that reads or writes a project may raise `DiskFull`, `DiskFailed`, `NoPermission`, `ProjectBusy`,
`ProjectTooNew` or `ProjectDamaged`; the docstrings of the stages name only what is their own.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class FieldguideError(Exception):
    """Base of every error that Fieldguide raises on purpose: what is wrong, and a `hint` on what to do."""

    exit_code = 1

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type["FieldguideError"], tuple[str, str]]:
        return type(self), (self.message, self.hint)


class ProjectMissing(FieldguideError):
    """The folder holds no project."""

    exit_code = 66


class ProjectExists(FieldguideError):
    """A new project would overwrite something."""

    exit_code = 73


class ProjectBusy(FieldguideError):
    """Another process holds the project's write lock."""

    exit_code = 75


class ProjectTooNew(FieldguideError):
    """The catalogue or settings were written by a newer Fieldguide."""

    exit_code = 3


class ProjectDamaged(FieldguideError):
    """The catalogue is not a database, is not of a project, or contradicts the folder."""

    exit_code = 4


class SettingsError(FieldguideError):
    """`fieldguide.toml` cannot be read or holds a value that is not allowed."""

    exit_code = 78


class NamesError(FieldguideError):
    """A list of class names that cannot make a classifier."""

    exit_code = 64


class InputMissing(FieldguideError):
    """A path that does not exist."""

    exit_code = 67


class InputUnusable(FieldguideError):
    """A path that exists but holds nothing that can be used, or a value of another kind."""

    exit_code = 65


class NotReady(FieldguideError):
    """A stage was run before what it needs exists."""

    exit_code = 5


class DiskFull(FieldguideError):
    """No space left on the device."""

    exit_code = 74


class DiskFailed(FieldguideError):
    """The device fails to read or write."""

    exit_code = 71


class NoPermission(FieldguideError):
    """The operating system refuses to read or write a path."""

    exit_code = 77


class GuideDamaged(FieldguideError):
    """A guide that is incomplete, altered, unsafe or too new."""

    exit_code = 6


class ParityError(FieldguideError):
    """The exported model does not give the answers of the trained one."""

    exit_code = 7


class PortBusy(FieldguideError):
    """The port to serve on is in use."""

    exit_code = 69


class MissingExtra(FieldguideError):
    """An optional dependency is not installed."""

    exit_code = 9


class TrainingDiverged(FieldguideError):
    """The loss, a gradient or a weight of a training run became NaN or infinite."""

    exit_code = 15


class OutOfMemory(FieldguideError):
    """There is not enough memory, on the processor or on a GPU."""

    exit_code = 16


class NetworkDown(FieldguideError):
    """No network, no such host, or no answer."""

    exit_code = 68


class SourceError(FieldguideError):
    """A source of pictures misbehaves; others may still work."""

    exit_code = 76


class RateLimited(SourceError):
    """The source asks for a pause of `retry_after_s` seconds, 0 where it does not say how long."""

    exit_code = 11

    def __init__(self, message: str, hint: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[type["RateLimited"], tuple[str, str, float]]:  # type: ignore[override]
        return type(self), (self.message, self.hint, self.retry_after_s)


class Blocked(SourceError):
    """The source shows a challenge, a consent page or a refusal instead of results. Nothing is solved or disguised."""

    exit_code = 12


class LayoutChanged(SourceError):
    """The source answered in an unknown form; this is never "no results"."""

    exit_code = 13


class KeyNeeded(SourceError):
    """The source needs a key, and it is missing or wrong."""

    exit_code = 10


class BadQuery(SourceError):
    """The source does not accept the query or one of its options."""

    exit_code = 14


class BadImage(Exception):
    """Bytes that did not become pixels: `reason` is one short word, `detail` a sentence for a person."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["BadImage"], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


@contextmanager
def translate_os_errors(doing: str) -> Iterator[None]:
    """Translate an `OSError` inside the block that is about space, permission or an impossible path.

    Args:
        doing: what is being done, for the message, such as "writing plants/catalog.db".

    Raises:
        DiskFull: on ENOSPC, EDQUOT or EFBIG.
        NoPermission: on EACCES, EPERM or EROFS.
        InputUnusable: on ENAMETOOLONG, ENOTDIR or ELOOP: no such path can exist.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            hint = "free some space and run the same command again"
            raise DiskFull(f"no space left while {doing}", hint) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            where = error.filename or "the path"
            raise NoPermission(f"no permission while {doing}", f"check the owner and the mode of {where}") from error
        if error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP):
            where = str(error.filename or "a path")
            shown = where if len(where) <= 80 else f"{where[:77]}..."
            raise InputUnusable(f"{shown} cannot be a path: {error.strerror}", "check the path") from error
        raise
