"""Decisions: a person outranks the checks, nothing is taken out of the history, undo and redo have no end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldguide.project.additions import Additions
from fieldguide.project.catalog import Catalog
from fieldguide.project.decisions import Author, Choice, Decisions
from fieldguide.project.review_list import Query, ReviewList
from fieldguide.project.schema import MIGRATIONS
from fieldguide.records import Grouping, ImageRow, Label, Origin, Prints, Verdict

CLASSES = ("cat", "dog")
ANN, BEN = Author("ann", "t1"), Author("ben", "t2")
PRINTS = Prints(b"12345678", b"12345678", b"g", b"c")


def row(sha256: str, class_name: str = "cat", *, replaces: bool = False) -> tuple[ImageRow, Origin, Label]:
    image = ImageRow(sha256, "PNG", 10, 20, 30, "RGB", 1)
    return image, Origin(sha256, "folder", f"{class_name}/{sha256}.png"), Label(sha256, class_name, "folder", replaces)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog(tmp_path / "catalog.db") as catalog:
        catalog.add_images([row(name) for name in "abcdef"], "t")
        catalog.add_images([row("f", "dog")], "t")
        catalog.set_class_names(CLASSES)
        catalog.set_fingerprints({name: PRINTS for name in "abcdf"} | {"e": Prints()})
        catalog.set_verdicts([Verdict(name, "files", "keep", "", 480.0) for name in "abcdf"], "s")
        catalog.set_verdicts([Verdict("e", "files", "reject", "truncated: it ends early", 0.0)], "s")
        catalog.replace_copies(
            [
                *(Verdict(name, "duplicates", "keep", "", 0.0) for name in "acd"),
                Verdict("b", "duplicates", "reject", "near_copy: of a", 1.0, "a"),
                Verdict("f", "duplicates", "reject", "two_labels: cat, dog", 1.0),
            ],
            [Grouping("a", "a", "look-alike"), Grouping("b", "a", "look-alike")],
            "s",
        )
        catalog.set_verdicts([Verdict("c", "labels", "suspect", "other_class: probably dog", 0.9)], "s")
        yield catalog


def state(catalog: Catalog, sha256: str) -> tuple[str, str]:
    return next((item.state, item.class_name) for item in catalog.states() if item.sha256 == sha256)


def test_a_decision_outranks_the_verdicts(catalog: Catalog) -> None:
    decisions = Decisions(catalog)
    outcome = decisions.decide(
        [Choice("a", "drop"), Choice("b", "keep"), Choice("f", "relabel", "dog"), Choice("c", "relabel", "dog")],
        ANN,
        CLASSES,
    )
    assert [(item.sha256, item.state) for item in outcome.saved] == [
        ("a", "rejected"), ("b", "kept"), ("f", "kept"), ("c", "kept"),
    ]  # fmt: skip
    assert state(catalog, "a") == ("rejected", "cat")
    assert state(catalog, "b") == ("kept", "cat")
    assert state(catalog, "f") == ("kept", "dog")
    assert state(catalog, "c") == ("kept", "dog")
    assert catalog.labels()["c"] == {"dog"}, "every reader of labels sees the new one"


def test_what_cannot_be_kept_is_refused_with_a_reason(catalog: Catalog) -> None:
    outcome = Decisions(catalog).decide(
        [Choice("e", "keep"), Choice("f", "keep"), Choice("a", "relabel", "horse"), Choice("z", "drop")], ANN, CLASSES
    )
    assert outcome.action == 0 and not outcome.saved
    reasons = dict(outcome.refused)
    assert "cannot be read" in reasons["e"]
    assert "relabel" in reasons["f"]
    assert "'horse'" in reasons["a"]
    assert "no such picture" in reasons["z"]
    assert state(catalog, "e")[0] == "rejected"


def test_a_keep_after_a_relabel_keeps_the_new_class(catalog: Catalog) -> None:
    decisions = Decisions(catalog)
    for choice in (Choice("a", "relabel", "dog"), Choice("a", "drop"), Choice("a", "keep")):
        decisions.decide([choice], ANN, CLASSES)
    assert state(catalog, "a") == ("kept", "dog")
    assert [event.decision for event in decisions.history("a")] == ["relabel", "drop", "keep"]


def test_a_stale_choice_is_not_written_and_can_be_made_again(catalog: Catalog) -> None:
    decisions = Decisions(catalog)
    first = decisions.decide([Choice("a", "drop", revision=0)], ANN, CLASSES)
    second = decisions.decide([Choice("a", "keep", revision=0), Choice("b", "keep", revision=0)], BEN, CLASSES)
    assert second.stale == ("a",)
    assert [item.sha256 for item in second.saved] == ["b"]
    assert state(catalog, "a")[0] == "rejected"
    again = decisions.decide([Choice("a", "keep", revision=first.saved[0].revision)], BEN, CLASSES)
    assert not again.stale
    assert state(catalog, "a")[0] == "kept"
    assert [event.by for event in decisions.history("a")] == ["ann", "ben"]


def test_undo_and_redo_have_no_end(catalog: Catalog) -> None:
    decisions = Decisions(catalog)
    decisions.decide([Choice("a", "drop"), Choice("b", "keep")], ANN, CLASSES)
    decisions.decide([Choice("a", "relabel", "dog")], ANN, CLASSES)
    for _ in range(3):
        decisions.undo(ANN)
        assert state(catalog, "a") == ("rejected", "cat")
        decisions.undo(ANN)
        assert state(catalog, "a") == ("kept", "cat") and state(catalog, "b")[0] == "rejected"
        assert decisions.undo(ANN).action == 0, "there is nothing more to undo"
        assert decisions.can_undo("ann") == (False, True)
        decisions.redo(ANN)
        assert state(catalog, "a")[0] == "rejected" and state(catalog, "b")[0] == "kept"
        decisions.redo(ANN)
        assert state(catalog, "a") == ("kept", "dog")
        assert decisions.redo(ANN).action == 0
    assert len(decisions.history("a")) == 2 + 3 * 4, "nothing leaves the history"


def test_a_new_decision_ends_the_redoing(catalog: Catalog) -> None:
    decisions = Decisions(catalog)
    decisions.decide([Choice("a", "drop")], ANN, CLASSES)
    decisions.undo(ANN)
    decisions.decide([Choice("c", "drop")], ANN, CLASSES)
    assert decisions.redo(ANN).action == 0
    decisions.undo(ANN)
    assert state(catalog, "c")[0] == "kept"


def test_undo_leaves_what_others_decided_since(catalog: Catalog) -> None:
    decisions = Decisions(catalog)
    decisions.decide([Choice("c", "drop")], ANN, CLASSES)
    decisions.decide([Choice("a", "drop"), Choice("d", "drop")], ANN, CLASSES)
    decisions.decide([Choice("a", "keep")], BEN, CLASSES)
    outcome = decisions.undo(ANN)
    assert outcome.stale == ("a",) and [item.sha256 for item in outcome.saved] == ["d"]
    assert state(catalog, "a")[0] == "kept" and decisions.history("a")[-1].by == "ben"
    decisions.decide([Choice("d", "keep")], BEN, CLASSES)
    assert [item.sha256 for item in decisions.undo(ANN).saved] == ["c"], "the next undo takes the action before"


def test_an_undo_that_finds_all_changed_gives_way_to_the_next(catalog: Catalog) -> None:
    decisions = Decisions(catalog)
    decisions.decide([Choice("c", "drop")], ANN, CLASSES)
    decisions.decide([Choice("a", "drop")], ANN, CLASSES)
    decisions.decide([Choice("a", "keep")], BEN, CLASSES)
    assert decisions.undo(ANN).stale == ("a",)
    assert state(catalog, "a")[0] == "kept"
    assert [item.sha256 for item in decisions.undo(ANN).saved] == ["c"]


def test_anybodys_last_action_can_be_undone(catalog: Catalog) -> None:
    decisions = Decisions(catalog)
    decisions.decide([Choice("a", "drop")], ANN, CLASSES)
    decisions.decide([Choice("c", "drop")], BEN, CLASSES)
    shell = Author("command line", "t3")
    assert [decisions.undo(shell, of_anybody=True).saved[0].sha256 for _ in range(2)] == ["c", "a"]
    assert decisions.undo(shell, of_anybody=True).action == 0


def test_decisions_survive_checks_and_additions(catalog: Catalog) -> None:
    decisions = Decisions(catalog)
    decisions.decide([Choice("a", "drop"), Choice("b", "keep"), Choice("c", "relabel", "dog")], ANN, CLASSES)
    catalog.set_verdicts([Verdict("b", "files", "reject", "too_small: 20", 20.0)], "other")
    additions = Additions(catalog)
    addition = additions.open_addition(1, "/x", {}, "t")
    catalog.add_images([row("a"), row("c", "cat", replaces=True)], "t", addition)
    assert [state(catalog, name) for name in "abc"] == [("rejected", "cat"), ("kept", "cat"), ("kept", "dog")]
    additions.undo(1, "t")
    assert [state(catalog, name) for name in "abc"] == [("rejected", "cat"), ("kept", "cat"), ("kept", "dog")]


def test_decisions_change_the_digest_of_what_depends_on_them(catalog: Catalog) -> None:
    decisions = Decisions(catalog)
    before, labels = catalog.digest("state"), catalog.digest("label")
    decisions.decide([Choice("a", "keep")], ANN, CLASSES)
    assert catalog.digest("state") == before, "it was kept already"
    decisions.decide([Choice("a", "drop")], ANN, CLASSES)
    assert catalog.digest("state") != before
    assert catalog.digest("label") == labels
    decisions.decide([Choice("a", "relabel", "dog")], ANN, CLASSES)
    assert catalog.digest("label") != labels
    decisions.undo(ANN), decisions.undo(ANN)
    assert (catalog.digest("state"), catalog.digest("label")) == (before, labels)


def test_the_list_follows_each_decision(catalog: Catalog) -> None:
    listed, decisions = ReviewList(catalog), Decisions(catalog)
    listed.update()
    order = [item.sha256 for item in listed.page(Query())]
    assert order == ["f", "c", "a", "b", "e", "d"], "two labels, suspect label, copies side by side, broken, the rest"
    assert listed.counts()["state"] == {"kept": 2, "rejected": 3, "suspect": 1}
    decisions.decide([Choice("c", "keep"), Choice("b", "keep"), Choice("f", "relabel", "dog")], ANN, CLASSES)
    decisions.decide([Choice("d", "drop")], Author("ann", "t", "audit"), CLASSES)
    counts = listed.counts()
    assert counts["state"] == {"kept": 4, "rejected": 2}
    assert counts["decision"] == {"": 2, "keep": 2, "relabel": 1, "drop": 1}
    assert counts["class_name"] == {"cat": 5, "dog": 1}
    assert counts["audit"] == {"drop": 1} and counts["open"] == {"kept": 1, "rejected": 1}
    for filters in ({"state": "kept"}, {"decision": "keep"}, {"class_name": "dog"}, {"reason": "near_copy"}):
        query = Query(filters=filters)
        assert len(listed.page(query)) == listed.total(query)
    version = listed.update()
    assert [item.sha256 for item in listed.page(Query())] == order, "no place moves under a person's eyes"
    assert listed.counts() == counts, "counted one by one or all at once"
    catalog.finish("clean", "other", {}, "t")
    assert listed.update() == version + 1
    assert listed.counts() == counts
    catalog.replace_splits({"a": "test", "b": "train"})
    catalog.finish("split", "other", {}, "t")
    assert listed.update() == version + 2
    assert listed.counts()["split"] == {"": 4, "test": 1, "train": 1}
    assert [item.sha256 for item in listed.page(Query(filters={"split": "test"}))] == ["a"]


@pytest.mark.parametrize("order", ["worst", "audit", "class"])
@pytest.mark.parametrize(
    "filters", [{}, {"state": "kept"}, {"source": "folder"}, {"source": "folder", "class_name": "cat"}]
)
def test_pages_by_key_and_by_offset_are_the_same(catalog: Catalog, order: str, filters: dict[str, str]) -> None:
    listed = ReviewList(catalog)
    listed.update()
    whole = listed.page(Query(order, filters))  # type: ignore[arg-type]
    assert len(whole) == listed.total(Query(order, filters)) > 0  # type: ignore[arg-type]
    pages = []
    after = None
    for number in range(len(whole)):
        page = listed.page(Query(order, filters, 1, after))  # type: ignore[arg-type]
        assert page == listed.page(Query(order, filters, 1, None, number))  # type: ignore[arg-type]
        after = page[-1].key(order)  # type: ignore[arg-type]
        pages += page
    assert pages == whole


def test_a_project_from_before_decisions_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    earlier = next(number for number, step in enumerate(MIGRATIONS) if "TABLE decision" in step)
    with Catalog(path, MIGRATIONS[:earlier]) as catalog:
        catalog.add_images([row("a")], "t")
    with Catalog(path) as catalog:
        Decisions(catalog).decide([Choice("a", "relabel", "dog")], ANN, CLASSES)
        assert catalog.labels() == {"a": {"dog"}}
        assert catalog.digest("image")
