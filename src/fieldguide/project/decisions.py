"""What a person decided about the pictures: keep, drop, another label. Nothing is ever taken out of the history.

A decision is a row, an undo is another row that brings back what was before it, and the last row about a picture holds.
Rows written together are one action. Whoever writes needs no lock: each call is one transaction of its own, on the
disk when it returns. Knows nothing about files, pages or the network.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fieldguide.project.catalog import Catalog
from fieldguide.project.review_list import ReviewList

_INSERT = """INSERT INTO decision (sha256, decision, class_name, action, undoes, restores, view, by, at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""


@dataclass(frozen=True)
class Choice:
    """What a person chooses for a picture.

    Attributes:
        class_name: the label, for a relabel.
        revision: that of the picture as the person saw it; None takes it as it is.
    """

    sha256: str
    decision: Literal["keep", "drop", "relabel"]
    class_name: str = ""
    revision: int | None = None


@dataclass(frozen=True)
class Author:
    """Who decides, when, and looking at what.

    Attributes:
        by: a name for the person or the browser's tab; undo and redo are for each by itself.
        at: the time.
        view: `audit` where the picture was drawn at random.
    """

    by: str
    at: str
    view: str = ""


@dataclass(frozen=True)
class Decided:
    """A picture after a decision.

    Attributes:
        decision: "" where what was decided is undone.
        class_name: its label as it counts now; "" when it has none or several.
        state: `kept`, `suspect`, `rejected` or `unchecked`.
        revision: grows with each decision about it.
    """

    sha256: str
    decision: str
    class_name: str
    state: str
    revision: int


@dataclass(frozen=True)
class Outcome:
    """What became of an action.

    Attributes:
        action: its number; 0 where nothing was written.
        saved: the pictures that were decided on.
        stale: those that were decided on by others since they were seen, and are as those left them.
        refused: why others cannot be so, by hash.
    """

    action: int
    saved: tuple[Decided, ...] = ()
    stale: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()


class Event(NamedTuple):
    """One row of a picture's history."""

    revision: int
    decision: str
    class_name: str
    at: str
    by: str
    undo: bool


class _Row(NamedTuple):
    """The decision that holds; `outcome` is the row that first said so."""

    revision: int = 0
    decision: str = ""
    class_name: str = ""
    outcome: int = 0


class Decisions:
    """The decisions in an open catalogue."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._list = ReviewList(catalog)

    def decide(self, choices: Sequence[Choice], author: Author, class_names: Collection[str]) -> Outcome:
        """Write what a person chose, all in one action.

        Args:
            choices: each about a picture of the project.
            author: who chooses.
            class_names: the labels that may be given.
        """
        saved: list[str] = []
        stale: list[str] = []
        refused: list[tuple[str, str]] = []
        with self._catalog.transaction():
            action = self._next_id()
            for choice in choices:
                row = self._current(choice.sha256)
                if choice.revision not in (None, row.revision):
                    stale.append(choice.sha256)
                elif objection := self._object_to(choice, class_names):
                    refused.append((choice.sha256, objection))
                else:
                    class_name = choice.class_name if choice.decision == "relabel" else row.class_name
                    self._insert(choice.sha256, _Row(0, choice.decision, class_name, 0), action, 0, author)
                    saved.append(choice.sha256)
            self._list.refresh(saved)
            decided = self._decided(saved)
        return Outcome(action if saved else 0, decided, tuple(stale), tuple(refused))

    def undo(self, author: Author, *, of_anybody: bool = False) -> Outcome:
        """Take back the author's last action that stands, or that of anybody."""
        done, _ = self._stacks("" if of_anybody else author.by)
        return self._revert(done[-1], author) if done else Outcome(0)

    def redo(self, author: Author) -> Outcome:
        """Take back the author's last undo, unless the author has decided something since."""
        _, undone = self._stacks(author.by)
        return self._revert(undone[-1], author) if undone else Outcome(0)

    def can_undo(self, by: str) -> tuple[bool, bool]:
        """Tell whether someone has anything to undo, and to redo."""
        done, undone = self._stacks(by)
        return bool(done), bool(undone)

    def last_id(self) -> int:
        """Return the number of the last decision by anybody; 0 where there is none."""
        return self._next_id() - 1

    def history(self, sha256: str) -> list[Event]:
        """Return what was decided about a picture, the first at first."""
        sql = "SELECT id, decision, class_name, at, by, undoes > 0 FROM decision WHERE sha256 = ? ORDER BY id"
        return [Event(*row)._replace(undo=bool(row[5])) for row in self._catalog.rows(sql, (sha256,))]

    def _next_id(self) -> int:
        return int(self._catalog.rows("SELECT coalesce(max(id), 0) + 1 FROM decision")[0][0])

    def _current(self, sha256: str, before: int = 1 << 62) -> _Row:
        """Return the decision about a picture that holds, or that held before a row."""
        sql = """SELECT id, decision, class_name, CASE restores WHEN -1 THEN id ELSE restores END FROM decision
                 WHERE sha256 = ? AND id < ? ORDER BY id DESC LIMIT 1"""
        rows = self._catalog.rows(sql, (sha256, before))
        return _Row(*rows[0]) if rows else _Row()

    def _insert(self, sha256: str, row: _Row, action: int, undoes: int, author: Author) -> None:
        values = (sha256, row.decision, row.class_name, action, undoes, row.outcome if undoes else -1)
        self._catalog.write(_INSERT, [(*values, author.view, author.by, author.at)])

    def _object_to(self, choice: Choice, class_names: Collection[str]) -> str:
        """Return why a choice cannot be made, or ""."""
        states = self._catalog.rows("SELECT class_name FROM state WHERE sha256 = ?", (choice.sha256,))
        if not states:
            return "there is no such picture in this project"
        if choice.decision == "drop":
            return ""
        if choice.decision == "relabel" and choice.class_name not in class_names:
            return f"{choice.class_name!r} is not among the classes"
        if choice.decision == "keep" and states[0][0] not in class_names:
            return "it has no label of this project, or several: relabel it instead"
        prints = self._catalog.rows("SELECT dhash FROM fingerprint WHERE sha256 = ?", (choice.sha256,))
        return "it cannot be read as a picture" if prints and not prints[0][0] else ""

    def _decided(self, names: Sequence[str]) -> tuple[Decided, ...]:
        """Return what the pictures are now."""
        decided = []
        sql = "SELECT class_name, state FROM review_state WHERE sha256 = ?"
        for sha256 in dict.fromkeys(names):
            row, states = self._current(sha256), self._catalog.rows(sql, (sha256,))
            class_name, state = states[0] if states else ("", "unchecked")
            decided.append(Decided(sha256, row.decision, class_name, state, row.revision))
        return tuple(decided)

    def _stacks(self, by: str) -> tuple[list[int], list[int]]:
        """Return the actions that stand, and the undoings that can be taken back, the last one last."""
        sql = f"""SELECT action, max((SELECT action FROM decision undone WHERE undone.id = decision.undoes))
                  FROM decision {"WHERE by = ?" if by else ""} GROUP BY action ORDER BY action"""
        done: list[int] = []
        undone: list[int] = []
        for action, reverted in self._catalog.rows(sql, (by,) if by else ()):
            if reverted is None:
                done.append(action)
                undone.clear()
            elif reverted in undone:
                undone.remove(reverted)
                done.append(action)
            elif reverted in done:
                done.remove(reverted)
                undone.append(action)
        return done, undone

    def _revert(self, reverted: int, author: Author) -> Outcome:
        """Bring back what was before an action, where nobody has decided otherwise since."""
        saved, stale = [], []
        with self._catalog.transaction():
            action = self._next_id()
            rows = self._catalog.rows("SELECT id, sha256 FROM decision WHERE action = ? ORDER BY id DESC", (reverted,))
            for number, sha256 in rows:
                row, before = self._current(sha256), self._current(sha256, number)
                if row.outcome == self._current(sha256, number + 1).outcome:
                    self._insert(sha256, before, action, number, author)
                    saved.append(sha256)
                else:
                    stale.append(sha256)
            if stale and not saved:  # the action counts as undone, so that the next undo takes the one before it
                self._insert(stale[0], self._current(stale[0]), action, rows[-1][0], author)
            self._list.refresh(saved)
            decided = self._decided(saved)
        return Outcome(action, decided, tuple(dict.fromkeys(stale)))
