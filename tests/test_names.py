"""Class names: what is taken, what is refused and why, and which names are one."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import InputMissing, NamesError
from fieldguide.names import MAX_NAME_CHARS, check_name, check_names, match_key, read_names


def test_the_words_before_an_address_are_its_label(tmp_path: Path) -> None:
    cell = "https://a.example The RHS on it https://b.example Wikipedia https://c.example"
    (tmp_path / "names.csv").write_text(f"name,links\nrose,{cell}\ntulip,\n", encoding="utf-8")
    assert read_names(str(tmp_path / "names.csv"))["rose"]["links"] == [
        "https://a.example",
        {"label": "The RHS on it", "url": "https://b.example"},
        {"label": "Wikipedia", "url": "https://c.example"},
    ]


def test_names_with_commas_between() -> None:
    assert read_names(" cat, dog ,Hauskatze") == {"cat": {}, "dog": {}, "Hauskatze": {}}


@pytest.mark.parametrize("heading", ["name,about,link\n", "Name, About ,LINK\n"])
def test_a_csv_with_a_heading(tmp_path: Path, heading: str) -> None:
    file = tmp_path / "names.csv"
    file.write_text(heading + '\ncat,"It purrs, mostly.",https://a.example https://b.example\ndog,,\nbird\n')
    assert read_names(str(file)) == {
        "cat": {"about": "It purrs, mostly.", "links": ["https://a.example", "https://b.example"]},
        "dog": {},
        "bird": {},
    }


def test_the_column_of_names_need_not_be_the_first(tmp_path: Path) -> None:
    file = tmp_path / "names.csv"
    file.write_text("about,name\nIt purrs.,cat\nIt barks.,dog\n")
    assert read_names(str(file)) == {"cat": {"about": "It purrs."}, "dog": {"about": "It barks."}}


def test_columns_hold_names_in_other_languages(tmp_path: Path) -> None:
    file = tmp_path / "names.csv"
    file.write_text("name_de,name,name-pt-BR,Name_la\nKatze,cat,gato,\nHund,dog,cachorro,Canis\n")
    assert read_names(str(file)) == {
        "cat": {"names": {"de": "Katze", "pt-br": "gato"}},
        "dog": {"names": {"de": "Hund", "pt-br": "cachorro", "la": "Canis"}},
    }


@pytest.mark.parametrize("suffix", [".csv", ".txt", ".CSV"])
def test_a_list_without_a_heading_as_editors_save_it(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"names{suffix}"
    file.write_bytes("\ufeffKäfer\r\n\r\nAmsel\r\n".encode())
    assert list(read_names(str(file))) == ["Käfer", "Amsel"]


@pytest.mark.parametrize(
    "text",
    [
        "species\nrose\ntulip\n",
        "Common Name;About\nrose;It has thorns.\ntulip;\n",
        "\ufeffclass_name\tlink\nrose\t\ntulip\t\n",
        "id, Label\n1, rose\n2, tulip\n",
        "species,name\nRosa,rose\nTulipa,tulip\n",
        'CLASS,description\n"rose",x\n"tulip",y\n',
    ],
)
def test_a_heading_is_never_a_class(tmp_path: Path, text: str) -> None:
    file = tmp_path / "names.csv"
    file.write_text(text, encoding="utf-8")
    assert list(read_names(str(file))) == ["rose", "tulip"]


def test_columns_beside_the_names_are_read_under_their_usual_headings(tmp_path: Path) -> None:
    file = tmp_path / "names.tsv"
    file.write_text("species\tdescription\tlinks\nrose\tIt has thorns.\thttps://a.example\ntulip\t\t\n")
    assert read_names(str(file))["rose"] == {"about": "It has thorns.", "links": ["https://a.example"]}


def test_a_name_with_a_comma(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text('Smith, John\n"Miller, Ann"\nBaker\n')
    assert list(read_names(str(file))) == ["Smith, John", "Miller, Ann", "Baker"]
    (tmp_path / "names.csv").write_text('"Smith, John"\nBaker\n')
    assert list(read_names(str(tmp_path / "names.csv"))) == ["Smith, John", "Baker"]
    for heading in ("name\n", ""):
        (tmp_path / "names.csv").write_text(f"{heading}Smith, John\nBaker\n")
        with pytest.raises(NamesError, match=r"cells than its heading|several columns") as caught:
            read_names(str(tmp_path / "names.csv"))
        assert "in quotes" in caught.value.hint


def test_columns_without_a_heading_are_not_guessed(tmp_path: Path) -> None:
    file = tmp_path / "names.csv"
    file.write_text("Art,Farbe\nrose,rot\ntulip,gelb\n")
    with pytest.raises(NamesError, match="does not say which") as caught:
        read_names(str(file))
    assert "name,about,link" in caught.value.hint


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="absent"):
        read_names(str(tmp_path / "absent.csv"))
    (tmp_path / "names.json").write_text('["cat", "dog"]')
    with pytest.raises(NamesError, match="not a list of names"):
        read_names(str(tmp_path / "names.json"))
    file = tmp_path / "names.csv"
    file.write_bytes("Käfer\nAmsel\n".encode("latin-1"))
    with pytest.raises(NamesError, match="UTF-8"):
        read_names(str(file))
    file.write_bytes(b"\n \n")
    with pytest.raises(NamesError, match="empty"):
        read_names(str(file))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("cat", "at least two names; got only 'cat'"),
        ("cat,", "a name is empty"),
        ("cat,,dog", "a name is empty"),
        ("cat,Cat", "'cat' and 'Cat' would be one class"),
        ("sea lion,sea_lion", "would be one class"),
        ("sea  lion,Sea-Lion", "would be one class"),
        ("cat,do/g", "slash"),
        ("cat,do\\g", "slash"),
        ("cat,do\x00g", "invisible"),
        ("cat,do\u202eg", "invisible"),
        ("cat,do\u200bg", "invisible"),
        ("cat," + "x" * (MAX_NAME_CHARS + 1), "121 characters; at most 120"),
    ],
)
def test_names_that_cannot_work(names: str, message: str) -> None:
    with pytest.raises(NamesError, match=message) as caught:
        read_names(names)
    assert caught.value.hint


def test_names_of_every_script_are_taken() -> None:
    names = [
        "x" * MAX_NAME_CHARS,
        "Ärger",
        "猫",
        "\u0645\u06cc\u200c\u062e\u0648",
        "C++",
        "Dr. No",
        "a: b",
        "50 %",
        "'quoted'",
        "🐈",
    ]
    assert check_names(names) == names


def test_bytes_that_are_no_text_make_no_name() -> None:
    with pytest.raises(NamesError, match="invisible"):
        check_name("K\udce4fer")


def test_one_spelling_in_unicode() -> None:
    assert check_name("  Ka\u0308fer ") == "Käfer"
    with pytest.raises(NamesError, match="one class"):
        check_names(["Ka\u0308fer", "Käfer"])


@given(st.text(max_size=150))
def test_a_checked_name_stays_as_it_is(raw: str) -> None:
    try:
        name = check_name(raw)
    except NamesError as error:
        assert error.hint
        return
    assert check_name(name) == name
    assert name == name.strip() == unicodedata.normalize("NFC", name)
    assert 0 < len(name) <= MAX_NAME_CHARS
    name.encode("utf-8")


@given(st.lists(st.text("abB_- cß", min_size=1, max_size=6), min_size=2, max_size=5))
def test_checked_names_are_all_different_to_a_person(names: list[str]) -> None:
    try:
        checked = check_names(names)
    except NamesError:
        return
    assert len({match_key(name) for name in checked}) == len(names)


@given(st.text("abcXYZ", min_size=1, max_size=8), st.text("abcXYZ", min_size=1, max_size=8))
def test_case_spaces_and_dashes_do_not_tell_names_apart(first: str, second: str) -> None:
    spellings = [f"{first} {second}", f" {first}  {second} ", f"{first}_{second}", f"{first}-{second}".upper()]
    assert len({match_key(spelling) for spelling in spellings}) == 1
    assert (match_key(first) == match_key(second)) == (first.lower() == second.lower())
