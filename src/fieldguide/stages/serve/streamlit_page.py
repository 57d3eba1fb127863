"""The Streamlit page of a guide: a script that `streamlit run` runs anew at each click.

Shows what the guide's own page shows. What comes from outside is shown as the text it is: never as HTML, and never as
Markdown, which could load a picture from elsewhere. Knows nothing about how it is started.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import streamlit as st

from fieldguide.engine import core_count
from fieldguide.errors import BadImage, FieldguideError
from fieldguide.guide import Guide, open_guide
from fieldguide.images import Limits
from fieldguide.images.decoding import decode
from fieldguide.images.thumbnails import thumbnail_jpeg
from fieldguide.records import Prediction
from fieldguide.text import one_line, plural, web_address

_SHOWN = 5  # classes of an answer
_SIDE = 640  # of a picture that is shown, at most
_PER_ROW = 3  # examples
_ICON = Path(str(files("fieldguide"))) / "web" / "guide" / "icon-192.png"  # an icon by name comes from elsewhere
_CHOOSE, _TAKE = "Choose a picture", "Take a photograph"
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")  # what CommonMark 0.31 lets a backslash take the meaning from
_CERTAINTY = {"sure": "sure", "leaning": "likely, not sure", "unsure": "unsure"}


def show_page(folder: Path, limits: Limits) -> None:
    """Show the whole page.

    Args:
        folder: of the guide.
        limits: which pictures are taken.
    """
    try:
        guide = _open_once(str(folder), (folder / "MANIFEST").stat().st_mtime_ns)
    except (FieldguideError, OSError) as error:  # published anew at this moment, damaged, or gone
        st.error(as_text(f"The guide cannot be opened: {error}"))
        return
    about = guide.about
    title = str(about.get("branding", {}).get("title") or about["name"])
    st.set_page_config(page_title=one_line(title), page_icon=str(_ICON) if _ICON.is_file() else None)
    st.title(as_text(title), anchor=False)
    st.text(str(about["about"]))
    data = _ask_for_picture(guide)
    if data is not None:
        _show_picture(guide, data, limits)
    st.divider()
    st.caption(as_text(_describe(about)))


def _open(folder: str, published: int) -> Guide:
    """Return the guide; anew when it is published anew."""
    return open_guide(folder, threads=core_count())


_open_once: Callable[[str, int], Guide] = st.cache_resource(max_entries=1, show_spinner="Opening the guide")(_open)


def as_text(text: str) -> str:
    """Return the Markdown that shows a text in one line as it is."""
    return _PUNCTUATION.sub(r"\\\g<0>", one_line(text))


def percent(share: float) -> str:
    """Return a share of 0..1 in per cent; never "100 %" or "0 %" for what is not quite that."""
    if 0 < share < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def _ask_for_picture(guide: Guide) -> bytes | None:
    """Show what a picture can be given by; return the file that was given."""
    # a camera is asked for when its widget is shown, so only whoever wants it is asked
    way = st.radio("Where the picture comes from", (_CHOOSE, _TAKE), horizontal=True, label_visibility="collapsed")
    if way == _TAKE:
        given = st.camera_input("Point the camera at it")
    else:
        given = st.file_uploader(f"{', '.join(guide.formats)}; your picture is not kept")
    return None if given is None else bytes(given.getvalue())


def _show_picture(guide: Guide, data: bytes, limits: Limits) -> None:
    """Classify a picture and show the answer beside it."""
    try:
        with st.spinner("Looking at the picture"):
            answer = guide.classify(data, limits)
    except BadImage as error:
        st.error(as_text(f"This picture cannot be read: {error.detail}"))
        return
    except FieldguideError as error:
        st.error(as_text(f"The guide cannot answer: {error.message}"))
        return
    known = {str(row["name"]): row for row in guide.about["classes"]}
    with st.container(border=True):
        left, right = st.columns((1, 2))
        left.image(_shrink(data, limits), caption="Your picture", width="stretch")
        with right:
            _show_answer(answer, known)
    if not answer.declined:
        _show_class(guide, known[answer.class_name])


def _shrink(data: bytes, limits: Limits) -> bytes:
    """Return a picture small and upright; Streamlit would decode the file itself, without limits."""
    return thumbnail_jpeg(decode(data, limits, at_least=_SIDE), _SIDE)


def _show_answer(answer: Prediction, known: Mapping[str, Mapping[str, Any]]) -> None:
    """Show the name, how sure it is, and what else it could be; or that it is none of these."""
    first, prob = next(iter(answer.probs.items()))
    if answer.declined:
        st.subheader("None of these", anchor=False)
        st.text("It is unlike what this guide knows. Of the names it has, these come closest:")
    else:
        st.subheader(as_text(answer.summary), anchor=False)
        st.text(f"{first}, {percent(prob)}: {_CERTAINTY[answer.certainty]}")
        if known[first]["about"]:
            st.text(str(known[first]["about"]))
    for name, share in list(answer.probs.items())[:_SHOWN]:
        st.progress(min(1.0, max(0.0, share)), text=f"{as_text(name)}: {as_text(percent(share))}")
    if len(answer.probs) > _SHOWN:
        with st.expander(f"All {len(answer.probs)} names"):
            for name, share in answer.probs.items():
                st.text(f"{name}: {percent(share)}")


def _show_class(guide: Guide, row: Mapping[str, Any]) -> None:
    """Show where to read more about a class, and its examples with their credits."""
    links = [link if isinstance(link, dict) else {"url": link, "label": ""} for link in row["links"]]
    links = [link for link in links if web_address(str(link["url"]))]
    if links:
        st.subheader("Read more", anchor=False)
        with st.container(horizontal=True):
            for link in links:
                st.link_button(as_text(str(link["label"] or link["url"])), web_address(str(link["url"])))
    if row["examples"]:
        st.subheader("Examples", anchor=False)
        for start in range(0, len(row["examples"]), _PER_ROW):
            _show_examples(guide, row["examples"][start : start + _PER_ROW])


def _show_examples(guide: Guide, examples: Sequence[Mapping[str, Any]]) -> None:
    for place, example in zip(st.columns(_PER_ROW), examples, strict=False):
        try:
            picture = _shrink((guide.folder / str(example["file"])).read_bytes(), guide.limits)
        except (OSError, BadImage):
            continue
        credit = ", ".join(str(example[key]) for key in ("author", "licence") if example.get(key))
        place.image(picture, width="stretch")
        place.text(credit or "author unknown")
        if source := web_address(str(example.get("source", ""))):
            place.link_button("Source", source, type="tertiary")


def _describe(about: Mapping[str, Any]) -> str:
    """Return how many classes there are, and how often the guide is right."""
    right, low, high = (f"{100 * share:.0f} %" for share in about["scores"]["accuracy"])
    tested = about["scores"].get("test_images", "")
    return (
        f"{plural(len(about['classes']), 'class')}; right on {right} of {tested} pictures it had never seen "
        f"(95 % interval {low} to {high}). Your pictures are not kept."
    )


if __name__ == "__main__":
    chosen = json.loads(sys.argv[2])
    show_page(Path(sys.argv[1]), Limits(**{**chosen, "formats": tuple(chosen["formats"])}))
