"""Optional libraries."""

import json
import sys

import pytest

from fieldguide.errors import MissingExtra
from fieldguide.optional import require


def test_a_library_that_is_there_is_returned() -> None:
    assert require("json", extra="train") is json


def test_one_that_is_missing_is_named_with_the_extra_that_brings_it() -> None:
    with pytest.raises(MissingExtra, match="fieldguide_nowhere is not installed") as caught:
        require("fieldguide_nowhere.inside", extra="train")
    assert caught.value.hint == "pip install 'fieldguide[train]'"


def test_one_that_is_blocked_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    with pytest.raises(MissingExtra, match="sqlite3"):
        require("sqlite3", extra="parquet")
