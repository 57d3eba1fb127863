"""The error tree: codes, hints, pickling, and what the system's own errors become."""

import errno
import pickle
import re

import pytest

from fieldguide import errors
from fieldguide.errors import BadImage, DiskFull, FieldguideError, NoPermission, translate_os_errors

OURS = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FieldguideError)),
    key=lambda kind: kind.__name__,
)
BRANCHES = [kind for kind in OURS if kind is not FieldguideError]


def test_every_error_has_an_exit_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in OURS]
    assert len(set(codes)) == len(codes)
    assert all(0 < code < 128 and code != 2 for code in codes), "2 is for a wrong use of the command line"


def test_the_tree_at_the_top_is_the_truth() -> None:
    documented = dict(re.findall(r"[├└]── (\w+) +(\d+) ", errors.__doc__ or ""))
    assert documented == {kind.__name__: str(kind.exit_code) for kind in BRANCHES}


@pytest.mark.parametrize("kind", OURS)
def test_an_error_says_what_is_wrong_and_what_to_do(kind: type[FieldguideError]) -> None:
    error = kind("it is broken", "mend it")
    assert (str(error), error.message, error.hint) == ("it is broken", "it is broken", "mend it")
    unpickled = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(unpickled) is kind
    assert (unpickled.message, unpickled.hint) == ("it is broken", "mend it")


def test_a_bad_picture_is_data_and_no_error_of_the_tree() -> None:
    error = BadImage("damaged", "the JPEG is cut")
    assert not isinstance(error, FieldguideError)
    unpickled = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (unpickled.reason, unpickled.detail) == ("damaged", "the JPEG is cut")
    assert str(unpickled) == "damaged: the JPEG is cut"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EFBIG, DiskFull),
        (errno.EACCES, NoPermission),
        (errno.EPERM, NoPermission),
        (errno.EROFS, NoPermission),
    ],
)
def test_space_and_rights_become_ours(code: int, kind: type[FieldguideError]) -> None:
    with pytest.raises(kind, match="writing x") as caught, translate_os_errors("writing x"):
        raise OSError(code, "the system's words", "/some/file")
    assert isinstance(caught.value.__cause__, OSError)
    if kind is NoPermission:
        assert "/some/file" in caught.value.hint


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "gone"), OSError(errno.EIO, "disk"), KeyError("x")])
def test_other_errors_pass_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, translate_os_errors("writing x"):
        raise error
    assert caught.value is error
