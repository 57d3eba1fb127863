"""Tables as text: what a spreadsheet would run is marked, a name is never Markdown, the rest comes back as it was."""

import csv
import html
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fieldguide.text import break_at_words, escape_markdown, link_label, one_line, plural, visible, write_csv


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


@pytest.mark.parametrize(
    ("count", "noun", "words"),
    [(1, "group", "1 group"), (0, "group", "0 groups"), (2, "class", "2 classes"), (1, "class", "1 class"),
     (3, "query", "3 queries"), (2, "good picture", "2 good pictures")],
)  # fmt: skip
def test_numbers_of_things(count: int, noun: str, words: str) -> None:
    assert plural(count, noun) == words


def test_what_cannot_be_seen_is_shown() -> None:
    assert visible("a\nb\tc\x1b[31m\u202eno") == r"a\nb\tc\x1b[31m\u202eno"
    assert visible("café 桜 🌹 👩‍🌾 وردة [b] :rose:") == "café 桜 🌹 👩‍🌾 وردة [b] :rose:"


def test_a_line_breaks_between_words_only() -> None:
    assert break_at_words("one two-three " + "x" * 30 + " four", 20) == ["one two-three", "x" * 30, "four"]
    assert break_at_words("", 20) == [""]


@pytest.mark.parametrize(
    ("address", "label"),
    [
        ("https://en.wikipedia.org/wiki/Rosa_%C3%97_alba", "en.wikipedia.org: Rosa \u00d7 alba"),
        ("https://www.example.org/", "example.org"),
        ("https://example.org/plants/box-plot.html?x=1", "example.org: box plot"),
        (f"https://example.org/{'x' * 90}", "example.org"),
        ("https://[", "https://["),
    ],
)
def test_a_link_without_a_label_is_called_by_its_place(address: str, label: str) -> None:
    assert link_label(address) == label
