"""The Streamlit page: by Streamlit's own test framework, as a program, and in a real browser."""

import json
import re
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from test_serve import PICTURE, serving

from command import TIMEOUT_S, check_two_lines, environment, run
from conftest import encode, picture_bytes
from fieldguide.chromium import open_chromium
from fieldguide.guide import open_guide, write_manifest
from fieldguide.images import Limits
from fieldguide.project import Project
from fieldguide.stages.serve import streamlit as starting

USUAL = Limits()
HOSTILE = '<img src=x onerror="document.title=1"> **b** ![p](https://tracker.example/p.png) :red[r] $x$ # h'


@pytest.fixture
def page(built: Project, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the page of a small guide, as it is opened."""
    testing = pytest.importorskip("streamlit.testing.v1", reason="the page needs the extra [streamlit]")
    return open_page(testing, built.guide_folder, monkeypatch)


def open_page(testing: Any, guide: Path, monkeypatch: pytest.MonkeyPatch, limits: Limits = USUAL) -> Any:
    script = Path(starting.__file__).with_name("streamlit_page.py")
    monkeypatch.setattr(sys, "argv", [str(script), str(guide), json.dumps(asdict(limits))])
    opened = testing.AppTest.from_file(script, default_timeout=TIMEOUT_S).run()
    assert not opened.exception
    return opened


def give(page: Any, data: bytes) -> Any:
    answered = page.file_uploader[0].set_value(("picture.png", data, "image/png")).run()
    assert not answered.exception
    return answered


def test_the_answer_is_the_guides(built: Project, page: Any) -> None:
    wanted = open_guide(built.guide_folder).classify(PICTURE)
    assert page.title[0].value == "shapes" and not page.progress
    give(page, PICTURE)
    assert page.subheader[0].value == wanted.summary
    shown = {bar.text.partition(":")[0]: bar.value for bar in page.progress}
    assert shown == {name: pytest.approx(100 * prob, abs=1) for name, prob in wanted.probs.items()}
    prob = wanted.probs[wanted.class_name]
    (said,) = [text.value for text in page.text if text.value.endswith((": sure", ": likely, not sure", ": unsure"))]
    share = re.fullmatch(rf"{wanted.class_name}, (\d+) %: .*", said)
    assert wanted.certainty in said and share and abs(float(share[1]) / 100 - prob) < 0.006
    about = {row["name"]: row for row in open_guide(built.guide_folder).about["classes"]}[wanted.class_name]
    links = page.get("link_button")
    assert (links[0].proto.label.replace("\\", ""), links[0].proto.url) == tuple(about["links"][0].values())
    assert len(page.get("image")) == 1 + len(about["examples"])
    assert sum(text.value == "the tests, own" for text in page.text) == len(about["examples"])


def test_what_it_does_not_know_is_none_of_these(built: Project, page: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    from PIL import Image

    data = encode(Image.fromarray(noise))
    assert open_guide(built.guide_folder).classify(data).declined
    give(page, data)
    assert page.subheader[0].value == "None of these"
    assert any("these come closest" in text.value for text in page.text)
    assert len(page.progress) == 3 and not page.get("link_button") and len(page.get("image")) == 1


def test_a_photograph_of_the_camera_is_answered(page: Any) -> None:
    assert not page.camera_input  # which would ask for the camera
    page.radio[0].set_value("Take a photograph").run()
    photograph = picture_bytes("circle", 50)
    page.camera_input[0].set_value(("photograph.jpg", photograph, "image/jpeg")).run()
    assert page.subheader[0].value == "circle"


def test_bad_pictures_and_guides_are_told(built: Project, page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    give(page, b"no picture")
    assert "cannot be read" in page.error[0].value and not page.progress
    small = open_page(sys.modules["streamlit.testing.v1"], built.guide_folder, monkeypatch, Limits(max_pixels=1000))
    give(small, PICTURE)
    assert "cannot be read" in small.error[0].value
    (built.guide_folder / "model.onnx").write_bytes(b"altered")
    (built.guide_folder / "MANIFEST").touch()
    page.run()
    assert "cannot be opened" in page.error[0].value and not page.exception


def test_text_from_outside_is_no_markdown(built: Project, page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile_guide(built)
    opened = open_page(sys.modules["streamlit.testing.v1"], built.guide_folder, monkeypatch)
    give(opened, picture_bytes("circle", 50))
    shown = [*opened.title, *opened.subheader, *opened.caption, *opened.markdown]
    texts = [element.value for element in shown] + [bar.text for bar in opened.progress]
    texts += [button.proto.label for button in opened.get("link_button")]
    assert any("onerror" in text for text in texts)
    for text in texts:
        bare = re.sub(r"\\.", "", text)  # what a backslash stands before is a plain sign
        assert not re.search(r"[<*!\[\]$#&`_]|:\S", bare), text
    addresses = {button.proto.url for button in opened.get("link_button")}
    assert addresses == {"https://example.org/circle"}  # no other scheme


def hostile_guide(built: Project) -> None:
    """Put hostile text into the guide wherever it may be."""
    about = json.loads((built.guide_folder / "guide.json").read_text())
    about |= {"name": HOSTILE, "about": HOSTILE}
    about["classes"][0] |= {"name": HOSTILE, "about": HOSTILE}
    about["classes"][0]["links"].append({"label": HOSTILE, "url": "javascript:alert(1)"})
    for example in about["classes"][0]["examples"]:
        example |= {"author": HOSTILE, "source": "javascript:alert(1)"}
    (built.guide_folder / "guide.json").write_text(json.dumps(about))
    (built.guide_folder / "MANIFEST").unlink()
    write_manifest(built.guide_folder)


# As a program


def test_without_streamlit_it_is_said_in_two_lines(built_once: Path, tmp_path: Path) -> None:
    (tmp_path / "streamlit.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'streamlit'\", name='streamlit')"
    )
    variables = environment()
    variables["PYTHONPATH"] = f"{tmp_path}:{variables['PYTHONPATH']}"
    refused = run("serve", "--ui", "streamlit", "--guide", built_once / "guide", env=variables)
    check_two_lines(refused, 9, "streamlit is not installed", "pip install 'fieldguide[streamlit]'")


def test_it_is_for_this_computer_alone(built_once: Path) -> None:
    pytest.importorskip("streamlit", reason="the page needs the extra [streamlit]")
    command = ("serve", "--ui", "streamlit", "--guide", built_once / "guide")
    check_two_lines(run(*command, "--host", "0.0.0.0"), 78, "knows no API key", "--insecure")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        check_two_lines(run(*command, "--port", str(taken.getsockname()[1])), 69, "is in use")


@pytest.mark.slow
@pytest.mark.browser
def test_a_browser_shows_the_answer_and_asks_nobody_else(built: Project) -> None:
    pytest.importorskip("streamlit", reason="the page needs the extra [streamlit]")
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    hostile_guide(built)
    picture = built.root / "picture.jpg"
    picture.write_bytes(picture_bytes("circle", 50))
    with serving(built.guide_folder, "--ui", "streamlit") as (server, port), open_chromium(()) as driver:
        driver.get(f"http://127.0.0.1:{port}/")
        waiting = WebDriverWait(driver, TIMEOUT_S)
        waiting.until(lambda page: page.find_elements(By.CSS_SELECTOR, "input[type=file]"))[0].send_keys(str(picture))
        waiting.until(lambda page: "Examples" in page.find_element(By.TAG_NAME, "body").text)
        text = driver.find_element(By.TAG_NAME, "body").text
        assert text.count(HOSTILE) >= 4, text  # title, about, answer, bar
        assert not driver.find_elements(By.CSS_SELECTOR, "img[src=x], img[src*=tracker], [href^=javascript]")
        loaded = driver.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
        assert [name for name in loaded if not name.startswith((f"http://127.0.0.1:{port}/", "data:", "blob:"))] == []
        server.terminate()
        server.communicate(timeout=TIMEOUT_S)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/_stcore/health")
