"""Tables as text: what a spreadsheet would run is marked, the rest comes back as it was."""

import csv
import io

import pytest

from fieldguide.text import write_csv


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1+1", "-1e", "-x", "@x", "\tx", "\rx"])
def test_formulas_become_text(cell: str) -> None:
    table = io.StringIO(write_csv(["a"], [[cell]]), newline="")
    assert list(csv.reader(table)) == [["a"], ["'" + cell.replace("\r", " ")]]


def test_a_table_comes_back() -> None:
    rows = [["Käfer, rot", '"x"'], ["猫", "two\nlines"], ["-1", "-0.25"], ["-1e-05", "1e+20"]]
    assert list(csv.reader(write_csv(["a", "b"], rows).splitlines(keepends=True))) == [["a", "b"], *rows]
