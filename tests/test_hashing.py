"""SHA-256 of texts and files."""

from pathlib import Path

from fieldguide.hashing import hash_file, hash_text


def test_a_text_and_a_file_of_it_have_the_same_hash(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("grün".encode())
    assert hash_file(tmp_path / "file") == hash_text("grün")
    # FIPS 180-2, appendix B.1
    assert hash_text("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
