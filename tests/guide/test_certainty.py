"""How sure an answer is, and the genus in place of a species that is unsure."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from command import ran
from fieldguide.errors import GuideDamaged
from fieldguide.guide import Guide, open_guide, write_manifest
from fieldguide.guide.certainty import Ranks
from fieldguide.project import Project
from fieldguide.records import Prediction
from fieldguide.stages.predict import answer_table

NAMES = ("Rosa canina", "Rosa gallica", "Typha", "Ruscus aculeatus")
PARENTS = {"Rosa canina": "Rosa", "Rosa gallica": "Rosa", "Ruscus aculeatus": "Ruscus"}
ROWS = [{"name": name, "parent": PARENTS.get(name, "")} for name in NAMES]


def answer(*probs: float, declined: bool = False, about: dict[str, Any] | None = None) -> Prediction:
    """Return what a guide of these classes answers when its model gives these probabilities."""

    class Session:
        def run(self, names: list[str], feed: dict[str, object]) -> list[np.ndarray[Any, Any]]:
            return [np.array([probs], np.float32), np.array([-1.0], np.float32)]

    threshold = 0.0 if declined else -2.0
    ranks = Ranks.of(about or {}, ROWS)
    guide: Guide = replace(_EMPTY, session=Session(), threshold=threshold, ranks=ranks)
    return guide.answer(np.zeros((1, 8, 8, 3), np.uint8), ["x"])[0]


_EMPTY: Guide = Guide(None, {}, NAMES, (), 0.0, ("JPEG",), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("probs", "parent", "summary"),
    [
        ((0.95, 0.03, 0.01, 0.01), "", "Rosa canina"),  # sure of the species
        ((0.7, 0.2, 0.05, 0.05), "", "leaning Rosa canina"),
        ((0.5, 0.4, 0.05, 0.05), "Rosa", "some Rosa"),  # which rose is open, that it is one is not
        ((0.4, 0.1, 0.3, 0.2), "", "Rosa canina or Typha"),  # not even that
        ((0.1, 0.1, 0.3, 0.5), "", "Ruscus aculeatus or Typha"),  # a genus of one species says no more
    ],
)
def test_the_genus_is_the_answer_where_it_is_sure_and_the_species_is_not(
    probs: tuple[float, ...], parent: str, summary: str
) -> None:
    given = answer(*probs)
    assert (given.parent, given.summary) == (parent, summary)
    assert given.class_name == NAMES[int(np.argmax(probs))]
    assert given.parent_prob == pytest.approx(0.9 if parent else 0.0)
    assert answer_table([given], 1).splitlines()[1].startswith(f"x,{parent or given.class_name},")


def test_what_is_none_of_these_is_no_kind_of_them() -> None:
    given = answer(0.5, 0.4, 0.05, 0.05, declined=True)
    assert (given.parent, given.class_name, given.summary) == ("", "", "none of these")


def test_a_class_that_others_are_a_kind_of_counts_as_one_of_them() -> None:
    ranks = Ranks.of({}, [{"name": "Rosa"}, {"name": "Rosa canina", "parent": "Rosa"}, {"name": "Typha"}])
    assert ranks.find_parent({"Rosa": 0.5, "Rosa canina": 0.4, "Typha": 0.1}) == ("Rosa", 0.9)
    assert ranks.find_parent({"Typha": 0.5, "Rosa": 0.5, "Rosa canina": 0.0}) == ("", 0.0)


def test_the_limit_is_the_guide_s_own() -> None:
    assert answer(0.7, 0.2, 0.05, 0.05, about={"unsure_below": 0.8}).parent == "Rosa"


def test_a_published_guide_knows_its_genera(built: Project) -> None:
    built.write_settings({"classes.circle.parent": "round", "classes.square.parent": "angular",
                          "classes.triangle.parent": "angular", "publish.unsure_below": 0.9})  # fmt: skip
    ran("publish", "-C", built.root)
    guide = open_guide(built.guide_folder)
    assert guide.ranks == Ranks({"square": "angular", "triangle": "angular"}, 0.9)
    about = json.loads((built.guide_folder / "guide.json").read_text(encoding="utf-8"))
    assert {row["name"]: row["parent"] for row in about["classes"]}["circle"] == "round"
    about["classes"][0]["parent"] = ["no", "text"]
    (built.guide_folder / "guide.json").write_text(json.dumps(about), encoding="utf-8")
    (built.guide_folder / "MANIFEST").unlink()
    write_manifest(built.guide_folder)
    with pytest.raises(GuideDamaged, match="not text"):
        open_guide(built.guide_folder)
