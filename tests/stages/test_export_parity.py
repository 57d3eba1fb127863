"""What a form is compared by, and what counts against it: from the files of pictures, whatever the form is."""

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import CLASS_NAMES, picture_bytes
from fieldguide.errors import BadImage, InputMissing
from fieldguide.exporters.contract import Answer, FormFacts
from fieldguide.guide import open_guide
from fieldguide.images import Limits
from fieldguide.stages.export.compared import ENOUGH_UNLEARNT, ComparedFile, Read, choose_files
from fieldguide.stages.export.parity import GuideRuntime, Parity, measure_parity

FACTS = FormFacts("a form", least_agreement=0.99, most_difference=1.0)
PICTURES = [picture_bytes(name, number) for name in CLASS_NAMES for number in range(30, 34)]


class Form:
    """The guide itself, but for what is done to the answers for some calls."""

    def __init__(self, guide: GuideRuntime, change: Callable[[bytes, Answer], Answer]) -> None:
        self._guide, self._change = guide, change

    def classify(self, data: bytes) -> Answer:
        return self._change(data, self._guide.classify(data))


@pytest.fixture(scope="module")
def guide(built_once: Path) -> GuideRuntime:
    return GuideRuntime(open_guide(built_once / "guide", trusted=True))


def measure(guide: GuideRuntime, change: Callable[[bytes, Answer], Answer], learnt: int = 0) -> Parity:
    files = [ComparedFile(partial(bytes, data), is_learnt=place < learnt) for place, data in enumerate(PICTURES)]
    return measure_parity(guide, Form(guide, change), files, lambda: None)


def refuse(*refused: bytes) -> Callable[[bytes, Answer], Answer]:
    def change(data: bytes, answer: Answer) -> Answer:
        if data in refused:
            raise BadImage("damaged", "not for me")
        return answer

    return change


def turn(*turned: bytes) -> Callable[[bytes, Answer], Answer]:
    """Give another first answer for some pictures, and decline the other way."""

    def change(data: bytes, answer: Answer) -> Answer:
        other = replace(answer, probs=np.roll(answer.probs, 1), declined=not answer.declined)
        return other if data in turned else answer

    return change


def test_the_same_answers_leave_no_doubt(guide: GuideRuntime) -> None:
    parity = measure(guide, lambda data, answer: answer)
    assert parity.doubts(FACTS) == () and parity.compared == parity.held_out == 12 and parity.agreement == 1.0


def test_a_picture_that_only_the_form_refuses_is_a_disagreement(guide: GuideRuntime) -> None:
    parity = measure(guide, refuse(PICTURES[3]))
    assert parity.refused == 1 and parity.compared == 12
    assert parity.agreement == pytest.approx(11 / 12) == parity.decline_agreement
    assert any("of 1 pictures it refuses" in doubt for doubt in parity.doubts(FACTS))


def test_a_form_that_refuses_everything_is_not_proved(guide: GuideRuntime) -> None:
    parity = measure(guide, refuse(*PICTURES))
    assert parity.refused == 12 and parity.agreement == 0.0 and parity.doubts(FACTS)


def test_what_neither_can_read_counts_for_nothing(guide: GuideRuntime) -> None:
    files = [ComparedFile(lambda: b"no picture"), *(ComparedFile(partial(bytes, data)) for data in PICTURES)]
    parity = measure_parity(guide, Form(guide, refuse()), files, lambda: None)
    assert parity.compared == 12 and not parity.refused and parity.doubts(FACTS) == ()
    with pytest.raises(InputMissing):
        measure_parity(guide, Form(guide, refuse()), files[:1], lambda: None)


def test_a_form_that_refuses_a_turned_photograph_is_found(guide: GuideRuntime) -> None:
    def change(data: bytes, answer: Answer) -> Answer:
        with Image.open(io.BytesIO(data)) as image:
            if image.getexif().get(0x0112, 1) != 1:
                raise BadImage("damaged", "turned")
        return answer

    assert measure(guide, change).doubts(FACTS) == ("it reads a turned photograph otherwise",)


def test_agreement_is_of_pictures_that_the_guide_has_not_learnt(guide: GuideRuntime) -> None:
    parity = measure(guide, turn(PICTURES[9]), learnt=8)
    assert parity.held_out == 4 and parity.compared == 12
    assert parity.agreement == 0.75 == parity.decline_agreement
    assert measure(guide, turn(PICTURES[2]), learnt=8).agreement == 1.0
    assert measure(guide, turn(PICTURES[2]), learnt=8).max_difference > 0.1


# ---- which files


def reads(count: int, first: int = 0) -> list[Read]:
    return [partial(picture_bytes, "circle", first + number) for number in range(count)]


@pytest.mark.parametrize(
    ("val", "train", "learns_val", "originals", "crops"),
    [
        (400, 900, False, 200, 100),
        (400, 900, True, 200, 300),
        (20, 60, False, 20, 4 * 20 + 2 * 60),
        (6, 24, True, 6, 4 * 6 + 2 * 24),
        (0, 30, False, 30, 2 * 30),
    ],
)
def test_how_many_are_compared(val: int, train: int, learns_val: bool, originals: int, crops: int) -> None:
    files = choose_files(reads(val), reads(train, 500), Limits(), learns_val=learns_val)
    assert sum(not file.is_crop for file in files) == originals
    assert sum(file.is_crop for file in files) == crops
    assert sum(not file.is_learnt for file in files) <= ENOUGH_UNLEARNT
    assert {file.is_learnt for file in files if not file.is_crop} == {learns_val or not val}
    assert not any(file.is_learnt for file in files if file.is_crop)


def test_crops_are_corners_of_the_pictures(tmp_path: Path) -> None:
    files = choose_files(reads(1), [], Limits(), learns_val=True)
    original, *crops = (np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")) for file in files)
    height, width = (round(0.7 * side) for side in original.shape[:2])
    top, left = original.shape[0] - height, original.shape[1] - width
    for crop, (row, column) in zip(crops, ((0, 0), (top, left), (0, left), (top, 0)), strict=True):
        np.testing.assert_array_equal(crop, original[row : row + height, column : column + width])
