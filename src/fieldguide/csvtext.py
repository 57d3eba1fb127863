"""Tables as CSV text that a spreadsheet shows and never runs."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

__all__ = ["write_csv"]

_NEGATIVE = re.compile(r"-\d+(\.\d+)?(e[+-]?\d+)?", re.ASCII)


def write_csv(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The text of a table; a cell that a spreadsheet would take for a formula is marked as text by a quote.

    A plain negative number is none.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(heading)
    table.writerows([_as_text(cell) for cell in row] for row in rows)
    return text.getvalue()


def _as_text(cell: str) -> str:
    """The cell; the writer does not quote a lone carriage return, which readers take for the end of a row."""
    plain = cell.replace("\r", " ")
    formula = cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not _NEGATIVE.fullmatch(cell)
    return f"'{plain}" if formula else plain
