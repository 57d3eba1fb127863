"""Tables as text: what a spreadsheet would run is marked, a name is never Markdown, the rest comes back as it was."""

import csv
import html
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fieldguide.text import escape_markdown, one_line, write_csv


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1+1", "-1e", "-x", "@x", "\tx", "\rx"])
def test_formulas_become_text(cell: str) -> None:
    table = io.StringIO(write_csv(["a"], [[cell]]), newline="")
    assert list(csv.reader(table)) == [["a"], ["'" + cell.replace("\r", " ")]]


def test_a_table_comes_back() -> None:
    rows = [["Käfer, rot", '"x"'], ["猫", "two\nlines"], ["-1", "-0.25"], ["-1e-05", "1e+20"]]
    assert list(csv.reader(write_csv(["a", "b"], rows).splitlines(keepends=True))) == [["a", "b"], *rows]


MARKS = ["|", "\\", "\\|", "`", "**", "_", "~~", "<b>", "&amp;", "[a](https://x.org)", "![", ":", "$", "\n"]


@given(st.lists(st.sampled_from(MARKS) | st.text(max_size=4), max_size=8).map("".join))
def test_a_name_stays_in_its_cell_and_is_shown_as_it_is(name: str) -> None:
    table = f"| class | n |\n|---|---|\n| {html.escape(escape_markdown(name))} | 7 |\n"
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(table)
    cells = [html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", page, re.DOTALL)]
    assert cells == [one_line(name), "7"]
