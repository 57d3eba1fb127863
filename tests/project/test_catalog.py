"""The catalogue: what is written is there, together or not at all; versions, damage, digests and states."""

import errno
import itertools
import sqlite3
from pathlib import Path

import pytest

from fieldguide.errors import DiskFailed, DiskFull, NoPermission, ProjectDamaged, ProjectTooNew
from fieldguide.project.catalog import Catalog
from fieldguide.project.schema import MIGRATIONS
from fieldguide.records import NO_PRINTS, Grouping, ImageRow, ImageState, Label, Origin, Prints, Verdict


def row(sha256: str, class_name: str = "cat", location: str = "x", split: str = "") -> tuple[ImageRow, Origin, Label]:
    image = ImageRow(sha256, "PNG", 10, 20, 30, "RGB", 1)
    return image, Origin(sha256, "folder", location, given_split=split), Label(sha256, class_name, "folder")


def spoken(sha256: str, verdict: str, check: str = "duplicates") -> Verdict:
    return Verdict(sha256, check, "reject" if verdict == "reject" else "keep", verdict, 0.5)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


def test_images_are_there_after_closing(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_images([row("b"), row("a", "dog", "y", "test")], "2024-01-01")
    with Catalog(file) as catalog:
        assert list(catalog.images().items()) == [("a", row("a")[0]), ("b", row("b")[0])]
        assert catalog.hashes() == {"a", "b"}
        assert catalog.labels() == {"a": {"dog"}, "b": {"cat"}}
        assert catalog.origins() == [row("a", location="y", split="test")[1], row("b")[1]]
        assert catalog.count_origins("folder") == {"cat": 1, "dog": 1}
        assert catalog.locations("folder") == {"x", "y"}
        assert catalog.locations("archive") == set()


def test_the_same_picture_twice_is_one_image_with_two_origins(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_images([row("a"), row("a", location="y")], "t")
        catalog.add_images([row("a")], "later")
        assert len(catalog.images()) == 1
        assert [origin.location for origin in catalog.origins()] == ["x", "y"]


def test_a_block_that_fails_leaves_nothing(file: Path) -> None:
    with Catalog(file) as catalog:
        with pytest.raises(RuntimeError), catalog.transaction():
            catalog.add_images([row("a")], "t")
            raise RuntimeError
        assert catalog.hashes() == set()
        catalog.add_images([row("b")], "t")
        assert catalog.hashes() == {"b"}


def test_rows_that_fail_half_way_leave_nothing(file: Path) -> None:
    with Catalog(file) as catalog:

        def rows() -> "itertools.chain[tuple[ImageRow, Origin, Label]]":
            def fail() -> "list[tuple[ImageRow, Origin, Label]]":
                raise OSError(errno.EIO, "gone")

            return itertools.chain([row("a")], (item for part in [fail] for item in part()))

        with pytest.raises(OSError, match="gone"):
            catalog.add_images(rows(), "t")
        assert catalog.hashes() == set()


def states(catalog: Catalog) -> dict[str, ImageState]:
    return {state.sha256: state for state in catalog.states()}


def test_the_state_of_an_image(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_images([row(name) for name in "abcd"], "t")
        catalog.add_images([row("d", "dog")], "t")
        assert {state.state for state in states(catalog).values()} == {"unchecked"}
        catalog.set_verdicts([spoken(name, "keep", "files") for name in "abc"], "s")
        assert states(catalog)["a"].state == "unchecked", "not every check has spoken"
        catalog.set_verdicts([spoken("c", "reject", "files")], "s")
        catalog.replace_copies([spoken("a", "keep"), spoken("b", "reject")], [Grouping("a", "g", "why")], "s")
        catalog.replace_splits({"a": "test"})
        seen = states(catalog)
        assert [seen[name].state for name in "abcd"] == ["kept", "rejected", "rejected", "unchecked"]
        assert (seen["a"].group_id, seen["b"].group_id) == ("g", "b")
        assert (seen["a"].split, seen["b"].split) == ("test", "")
        assert (seen["a"].class_name, seen["d"].class_name) == ("cat", ""), "two labels are no label"


def test_the_same_label_by_two_hands_is_one_label(file: Path) -> None:
    with Catalog(file) as catalog:
        image, origin, _ = row("a")
        catalog.add_images([row("a"), (image, origin, Label("a", "cat", "person"))], "t")
        assert states(catalog)["a"].class_name == "cat"


def test_verdicts_of_a_check_are_replaced_and_others_stay(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_images([row("a"), row("b")], "t")
        catalog.set_verdicts([spoken("a", "reject", "files")], "first")
        catalog.set_verdicts([spoken("a", "keep", "files"), spoken("b", "keep", "files")], "second")
        catalog.replace_copies([spoken("a", "keep")], [Grouping("a", "g", "why")], "s")
        catalog.replace_copies([spoken("b", "keep")], [], "s")
        assert {name: made_with for name, (_, made_with) in catalog.verdicts("files").items()} == {
            "a": "second",
            "b": "second",
        }
        assert set(catalog.verdicts("duplicates")) == {"b"}
        assert states(catalog)["a"].group_id == "a"


def test_fingerprints_and_splits_and_looks(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_images([row("b"), row("a")], "t")
        catalog.set_fingerprints({"b": Prints(b"1", b"2", b"3", b"4")})
        catalog.set_fingerprints({"b": Prints(b"4", b"5", b"6", b"7"), "a": NO_PRINTS})
        assert catalog.fingerprints() == {"a": NO_PRINTS, "b": Prints(b"4", b"5", b"6", b"7")}
        assert list(catalog.fingerprints()) == ["a", "b"] == catalog.measured()
        assert catalog.prints("b") == Prints(b"4", b"5", b"6", b"7")
        with pytest.raises(KeyError):
            catalog.prints("c")
        catalog.replace_splits({"a": "train", "b": "val"})
        catalog.replace_splits({"b": "test"})
        assert catalog.splits() == {"b": "test"}
        assert catalog.count_looks() == 0
        catalog.add_run("r", "transfer", "digest", "t")
        catalog.add_look("r", "evaluate", "t")
        catalog.add_look("r", "evaluate", "t")
        assert catalog.count_looks() == 2


def test_an_image_must_exist_before_anything_is_said_of_it(file: Path) -> None:
    with Catalog(file) as catalog, pytest.raises(sqlite3.IntegrityError):
        catalog.set_verdicts([spoken("nobody", "keep")], "s")


def test_a_finished_stage_keeps_its_report(file: Path) -> None:
    with Catalog(file) as catalog:
        assert catalog.finished("clean") is None
        catalog.finish("clean", "one", {"kept": {"Käfer": 3}}, "t")
        catalog.finish("clean", "two", {"kept": {"Käfer": 4}}, "t")
    with Catalog(file) as catalog:
        done = catalog.finished("clean")
        assert done is not None
        assert (done.inputs, done.report) == ("two", {"kept": {"Käfer": 4}})


def test_a_digest_does_not_depend_on_the_order_or_the_time_of_writing(tmp_path: Path) -> None:
    rows = [row("a", split="test"), row("b", "dog"), row("c")]
    digests = set()
    for number, order in enumerate(itertools.permutations(rows)):
        with Catalog(tmp_path / f"{number}.db") as catalog:
            catalog.add_images(order, f"time {number}")
            digests.add(catalog.digest("image", "label", "origin", "state"))
    assert len(digests) == 1


def test_a_digest_changes_with_what_it_is_of(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_images([row("a")], "t")
        seen = [catalog.digest("state")]
        catalog.replace_copies([spoken("a", "keep")], [], "s")
        seen.append(catalog.digest("state"))
        catalog.replace_splits({"a": "val"})
        seen.append(catalog.digest("state"))
        catalog.add_images([row("a", "dog")], "t")
        seen.append(catalog.digest("state"))
        assert len(set(seen)) == len(seen)
        before = catalog.digest("image")
        catalog.replace_splits({"a": "test"})
        assert catalog.digest("image") == before
        with pytest.raises(KeyError):
            catalog.digest("state; DROP TABLE image")


def test_an_older_file_is_copied_and_then_brought_forward(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_images([row("a")], "t")
    newer = (*MIGRATIONS, "ALTER TABLE image ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'")
    with Catalog(file, newer) as catalog:
        assert catalog.rows("SELECT sha256, colour FROM image") == [("a", "red")]
    with Catalog(file.with_name(f"catalog.db.v{len(MIGRATIONS)}.bak")) as backup:
        assert backup.hashes() == {"a"}
    with pytest.raises(ProjectTooNew, match=f"schema version {len(newer)}.*up to {len(MIGRATIONS)}"):
        Catalog(file)
    with Catalog(file, newer) as catalog:
        assert catalog.hashes() == {"a"}, "a program that is too old changes nothing"


def test_labels_and_origins_of_an_older_file_are_as_they_were(file: Path) -> None:
    with Catalog(file, MIGRATIONS[:2]) as catalog:
        catalog.write("INSERT INTO image VALUES (?, 'PNG', 1, 2, 3, 'RGB', 1, 't')", [("a",), ("b",)])
        catalog.write("INSERT INTO origin (sha256, source, location, author, licence, licence_url, given_split)"
                      " VALUES (?, 'folder', 'x', 'me', '', '', 'test')", [("a",), ("b",)])  # fmt: skip
        catalog.write("INSERT INTO label VALUES (?, ?, 'folder')", [("a", "cat"), ("b", "cat"), ("b", "dog")])
        before = catalog.digest("image", "label"), catalog.digest("origin"), catalog.digest("state")
    with Catalog(file) as catalog:
        assert (catalog.digest("image", "label"), catalog.digest("origin"), catalog.digest("state")) == before
        assert catalog.labels() == {"a": {"cat"}, "b": {"cat", "dog"}}
        assert [origin.author for origin in catalog.origins()] == ["me", "me"]


def test_a_step_forward_that_fails_leaves_the_old_form(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_images([row("a")], "t")
    with pytest.raises(sqlite3.OperationalError):
        Catalog(file, (*MIGRATIONS, "CREATE TABLE more (x); CREATE TABLE image (x)"))
    with Catalog(file) as catalog:
        assert catalog.hashes() == {"a"}
        assert not catalog.rows("SELECT name FROM sqlite_master WHERE name = 'more'")


def test_where_nothing_may_be_written_it_is_read_and_stays_as_it_is(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Catalog(file, MIGRATIONS[:1]):
        pass
    before = file.read_bytes()
    monkeypatch.setattr("os.access", lambda *_: False)
    with Catalog(file) as catalog:
        assert catalog.hashes() == set()
        with pytest.raises(NoPermission) as caught:
            catalog.add_images([row("a")], "2024-01-01")
        assert file.name in caught.value.message
    assert file.read_bytes() == before and [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_file_that_is_no_database(file: Path) -> None:
    file.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(ProjectDamaged) as caught:
        Catalog(file)
    assert "images/" in caught.value.hint


def test_a_file_with_damaged_pages(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_images([row(f"{number:064}", location="x" * 100) for number in range(500)], "t")
    data = bytearray(file.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    file.write_bytes(data)
    with pytest.raises(ProjectDamaged), Catalog(file) as catalog:
        catalog.images()
        catalog.origins()


def test_a_folder_where_a_file_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(NoPermission):
        Catalog(tmp_path / "absent" / "catalog.db")


def test_a_full_disk(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_images([row("a")], "t")
        pages = catalog.rows("PRAGMA page_count")[0][0]
        catalog.rows(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DiskFull):
            catalog.add_images([row(f"{number:064}", location="x" * 100) for number in range(500)], "t")
        assert catalog.hashes() == {"a"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SQLITE_IOERR_READ", DiskFailed),
        ("SQLITE_IOERR_FSYNC", DiskFailed),
        ("SQLITE_IOERR_SHMSIZE", DiskFull),
        ("SQLITE_IOERR_WRITE", DiskFull),
    ],
)
def test_a_disk_that_fails_is_not_called_full(file: Path, name: str, kind: type[Exception]) -> None:
    failed = sqlite3.OperationalError("disk I/O error")
    failed.sqlite_errorname = name
    with Catalog(file) as catalog, pytest.raises(kind), catalog.transaction():
        raise failed


def test_who_reads_is_not_stopped_by_who_writes(file: Path) -> None:
    with Catalog(file) as writer, Catalog(file) as reader:
        writer.add_images([row("a")], "t")
        with writer.transaction():
            writer.replace_splits({"a": "test"})
            assert reader.splits() == {}
        assert reader.splits() == {"a": "test"}
