"""Every source passes the same contract: its pages, its cursor, and typed errors for whatever a server sends."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide import sources
from fieldguide.errors import (
    BadQuery,
    Blocked,
    FieldguideError,
    KeyNeeded,
    LayoutChanged,
    NetworkDown,
    RateLimited,
    SettingsError,
    SourceError,
)
from fieldguide.records.candidates import Answer, Query, Request, ResultPage, Source
from fieldguide.sources import known_sources, open_source
from fieldguide.sources.artic import ArticSource
from fieldguide.sources.brave import BraveSource
from fieldguide.sources.cleveland import ClevelandSource
from fieldguide.sources.flickr import FlickrSource
from fieldguide.sources.gbif import GbifSource
from fieldguide.sources.inaturalist import InaturalistSource
from fieldguide.sources.met import MetSource
from fieldguide.sources.openverse import OpenverseSource
from fieldguide.sources.searxng import SearxngSource
from fieldguide.sources.smk import SmkSource
from fieldguide.sources.wikimedia import WikimediaSource
from nested import nested
from sourcescript import OffScript, Script, Step, candidates_of, one_answer, run, search, walk

SECRET = "k3y-that-nobody-may-see"
CHALLENGE = b"<!DOCTYPE html><html><title>One moment</title><script>window._cf_chl_opt={};</script></html>"
CONSENT = b'<html><form action="https://consent.google.com/save">Before you continue</form></html>'
HTML = b"<!DOCTYPE html><html><body><h1>Welcome to our new site</h1></body></html>"
OTHER_BODIES = {
    "html": HTML,
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"nothing"',
    "number": b"7",
    "object": b"{}",
    "truncated": b'{"results": [{"id": "1", ',
    "deep": b"[" * 100_000,
    "deep_object": b'{"a":' * 100_000,
    "binary": bytes(range(256)),
    "long_number": b'{"total": ' + b"9" * 5000 + b"}",
}


@dataclass(frozen=True)
class Case:
    """A source with a search that its samples answer to the end.

    Attributes:
        steps: the questions and answers, in their order.
        counts: candidates on each page.
        skipped: what all pages together skipped.
        nothing: the steps of a search that finds nothing.
        wrong_option: an option that is nearly one of its own, and that one.
        emptied: changes of samples that make the source's own sign of nothing found, as "sample:path=value".
    """

    make: Callable[[Mapping[str, str]], Source]
    query: Query
    steps: tuple[Step, ...]
    counts: tuple[int, ...]
    skipped: Mapping[str, int]
    nothing: tuple[Step, ...]
    wrong_option: tuple[str, str] = ("", "")
    key: str = ""
    emptied: frozenset[str] = field(default_factory=frozenset)

    def source(self) -> Source:
        return self.make({self.key: SECRET} if self.key else {})


def _query(source: str, text: str = "kettle", **options: str) -> Query:
    return Query(source, "kettle", text, options)


OPENVERSE = "https://api.openverse.org/v1/images/"
COMMONS = "https://commons.wikimedia.org/w/api.php"
INAT = "https://api.inaturalist.org/v1"
GBIF = "https://api.gbif.org/v1"
CLEVELAND = "https://openaccess-api.clevelandart.org/api/artworks/"
SMK = "https://api.smk.dk/api/v1/art/search/"
MET = "https://collectionapi.metmuseum.org/public/collection/v1"
ARTIC = "https://api.artic.edu/api/v1/artworks/search"
FLICKR = "https://api.flickr.com/services/rest/"
BRAVE = "https://api.search.brave.com/res/v1/images/search"
SEARXNG = "https://search.example.org/find/search"

_OPENVERSE_ASKS = ("q=kettle", "page_size=20", "mature=false", "license=by,by-sa,cc0,pdm")
_COMMONS_ASKS = (
    "action=query",
    "format=json",
    "formatversion=2",
    "generator=search",
    "gsrnamespace=6",
    "gsrsearch=filetype:bitmap kettle",
    "gsrlimit=50",
    "prop=imageinfo",
    "iiprop=url|size|mime|sha1|extmetadata|user|timestamp",
    "iiextmetadatafilter="
    "LicenseShortName|License|LicenseUrl|Artist|Credit|UsageTerms|AttributionRequired|Restrictions|ImageDescription",
    "iiurlwidth=1280",
    "maxlag=5",
)
_INAT_ASKS = (
    "taxon_id=8",
    "quality_grade=research",
    "photos=true",
    "photo_license=cc0,cc-by,cc-by-sa",
    "per_page=50",
    "order_by=id",
    "order=asc",
)
_GBIF_ASKS = (
    "mediaType=StillImage",
    "taxonKey=9",
    "license=CC0_1_0",
    "license=CC_BY_4_0",
    "basisOfRecord=HUMAN_OBSERVATION",
    "limit=300",
)
_CLEVELAND_FIELDS = "fields=id,title,creators,images,share_license_status,tombstone,url"
_CLEVELAND_ASKS = ("q=kettle", "has_image=1", "cc0=1", "limit=100", _CLEVELAND_FIELDS)
_SMK_ASKS = ("keys=kettle", "filters=[has_image:true],[public_domain:true]", "rows=50")
_ARTIC_ASKS = ("q=kettle", "query[term][is_public_domain]=true", "limit=100")
_FLICKR_ASKS = ("method=flickr.photos.search", f"api_key={SECRET}", "text=kettle", "license=4,9,40", "safe_search=1")
_TAXA = Step(f"{INAT}/taxa/autocomplete", ("q=haussperling",), sample="inaturalist_taxa")
_LICENCES = Step(FLICKR, ("method=flickr.photos.licenses.getInfo",), sample="flickr_licences")
_MET_WORKS = tuple(
    Step(f"{MET}/objects/{number}", sample={2: "met_object_views", 3: "met_object_closed"}.get(number, "met_object"))
    for number in range(1, 23)
    if number != 4
)

CASES = {
    "openverse": Case(
        OpenverseSource,
        _query("openverse"),
        (
            Step(OPENVERSE, (*_OPENVERSE_ASKS, "page=1"), sample="openverse_1"),
            Step(OPENVERSE, (*_OPENVERSE_ASKS, "page=2"), sample="openverse_2"),
        ),
        (20, 2),
        {"malformed": 1},
        (Step(OPENVERSE, sample="openverse_nothing"),),
        ("sourse", "source"),
        emptied=frozenset({"openverse_2:results=[]"}),
    ),
    "wikimedia": Case(
        WikimediaSource,
        _query("wikimedia"),
        (
            Step(COMMONS, _COMMONS_ASKS, ("iicontinue", "gsroffset"), "wikimedia_1"),
            Step(
                COMMONS,
                (*_COMMONS_ASKS, "iicontinue=Kettle_5.jpg|2020", "continue=||imageinfo"),
                ("gsroffset",),
                "wikimedia_2",
            ),
            Step(COMMONS, (*_COMMONS_ASKS, "gsroffset=50", "continue=gsroffset||"), ("iicontinue",), "wikimedia_3"),
        ),
        (3, 1, 2),
        {"told_on_another_page": 1},
        (Step(COMMONS, sample="wikimedia_nothing"),),
        ("categoy", "category"),
        emptied=frozenset({"wikimedia_3:query gone"}),
    ),
    "inaturalist": Case(
        InaturalistSource,
        _query("inaturalist", "haussperling"),
        (
            _TAXA,
            Step(f"{INAT}/observations", _INAT_ASKS, ("id_above",), "inaturalist_1"),
            Step(f"{INAT}/observations", (*_INAT_ASKS, "id_above=22"), (), "inaturalist_2"),
        ),
        (2, 1),
        {"not_openly_licensed": 1},
        (Step(f"{INAT}/taxa/autocomplete", sample="inaturalist_nothing"),),
        ("local", "locale"),
    ),
    "gbif": Case(
        GbifSource,
        _query("gbif", "Passer domesticus"),
        (
            Step(f"{GBIF}/species/match", ("name=Passer domesticus",), sample="gbif_match"),
            Step(f"{GBIF}/occurrence/search", (*_GBIF_ASKS, "offset=0"), sample="gbif_1"),
            Step(f"{GBIF}/occurrence/search", (*_GBIF_ASKS, "offset=300"), sample="gbif_2"),
        ),
        (2, 1),
        {"no_image": 1, "not_a_picture": 1},
        (Step(f"{GBIF}/species/match", sample="gbif_none"),),
        ("contry", "country"),
    ),
    "cleveland": Case(
        ClevelandSource,
        _query("cleveland"),
        (
            Step(CLEVELAND, (*_CLEVELAND_ASKS, "skip=0"), sample="cleveland_1"),
            Step(CLEVELAND, (*_CLEVELAND_ASKS, "skip=2"), sample="cleveland_2"),
        ),
        (1, 1),
        {"no_image": 1},
        (Step(CLEVELAND, sample="cleveland_nothing"),),
        ("tipe", "type"),
    ),
    "smk": Case(
        SmkSource,
        _query("smk"),
        (
            Step(SMK, (*_SMK_ASKS, "offset=0"), sample="smk_1"),
            Step(SMK, (*_SMK_ASKS, "offset=2"), sample="smk_2"),
        ),
        (1, 1),
        {"no_image": 1},
        (Step(SMK, sample="smk_nothing"),),
        ("creater", "creator"),
    ),
    "met": Case(
        MetSource,
        _query("met"),
        (
            Step(f"{MET}/search", ("hasImages=true", "q=kettle"), sample="met_search"),
            *_MET_WORKS,
            Step(f"{MET}/objects/4", status=404, sample=b'{"message": "ObjectID not found"}'),
        ),
        (20, 2),
        {"gone": 1, "no_image": 1},
        (Step(f"{MET}/search", sample="met_nothing"),),
        ("pictures", "picture"),
    ),
    "artic": Case(
        ArticSource,
        _query("artic"),
        (
            Step(ARTIC, (*_ARTIC_ASKS, "page=1"), sample="artic_1"),
            Step(ARTIC, (*_ARTIC_ASKS, "page=2"), sample="artic_2"),
        ),
        (1, 1),
        {"no_image": 1},
        (Step(ARTIC, sample="artic_nothing"),),
        ("color", ""),
    ),
    "flickr": Case(
        FlickrSource,
        _query("flickr"),
        (
            _LICENCES,
            Step(FLICKR, (*_FLICKR_ASKS, "page=1"), sample="flickr_1"),
            Step(FLICKR, (*_FLICKR_ASKS, "page=2"), sample="flickr_2"),
        ),
        (2, 1),
        {"too_small": 1},
        (_LICENCES, Step(FLICKR, ("method=flickr.photos.search",), sample="flickr_nothing")),
        ("tagmode", "tag_mode"),
        key="FLICKR_API_KEY",
    ),
    "brave": Case(
        BraveSource,
        _query("brave"),
        (Step(BRAVE, ("q=kettle", "count=200", "safesearch=strict"), sample="brave_1"),),
        (2,),
        {},
        (Step(BRAVE, sample="brave_nothing"),),
        ("contry", "country"),
        key="BRAVE_API_KEY",
        emptied=frozenset({"brave_1:results=[]"}),
    ),
    "searxng": Case(
        SearxngSource,
        _query("searxng", base_url="https://search.example.org/find/"),
        (
            Step(SEARXNG, ("q=kettle", "categories=images", "format=json", "pageno=1"), sample="searxng_1"),
            Step(SEARXNG, ("q=kettle", "categories=images", "format=json", "pageno=2"), sample="searxng_2"),
            Step(SEARXNG, ("pageno=3",), sample="searxng_nothing"),
        ),
        (3, 1, 0),
        {"unresponsive: slow images": 1, "malformed": 1},
        (Step(SEARXNG, sample="searxng_nothing"),),
        ("engine", "engines"),
        emptied=frozenset({"searxng_2:results=[]"}),
    ),
}


OTHER_VALUES: tuple[object, ...] = (None, 7, "other", [], {}, [None], -1.5, True)


def changes(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield each way of taking one key away, or of putting null, a number, a text, a list or an object in its place."""
    if isinstance(value, dict):
        for key in value:
            where = f"{path}.{key}".strip(".")
            yield f"{where} gone", {name: item for name, item in value.items() if name != key}
            for replacement in OTHER_VALUES:
                yield f"{where}={replacement}", {**value, key: replacement}
            for deeper, changed in changes(value[key], where):
                yield deeper, {**value, key: changed}
    elif isinstance(value, list) and value:
        for item in OTHER_VALUES[:5]:
            yield f"{path}[]={item}", [item]
        for deeper, changed in changes(value[0], f"{path}[]"):
            yield deeper, [changed]


def texts_of(error: FieldguideError) -> str:
    return f"{error!r} {error.message} {error.hint} {error.__cause__!r}"


def told_of(page: ResultPage) -> bool:
    return bool(page.candidates or page.skipped)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


class TestContract:
    def test_it_says_what_it_is(self, case: Case) -> None:
        source = case.source()
        facts = source.facts
        assert source.name == case.query.source
        assert facts.about
        assert urlsplit(facts.terms_url).scheme == "https"
        assert facts.page_size > 0
        assert bool(facts.key) >= facts.key_needed
        assert not facts.drives_browser
        for limit in (*facts.hosts.values(), *facts.media_hosts.values()):
            assert 0 < limit.spacing_s <= 10
            assert 1 <= limit.concurrency <= 3

    def test_it_pages_to_the_end_and_asks_only_hosts_that_it_names(self, case: Case) -> None:
        source, script = case.source(), Script(case.steps)
        pages = walk(source, case.query, script)
        assert tuple(len(page.candidates) for page in pages) == case.counts
        skipped: dict[str, int] = {}
        for page in pages:
            for reason, count in page.skipped.items():
                skipped[reason] = skipped.get(reason, 0) + count
        assert skipped == case.skipped
        assert script.used == set(range(len(case.steps))), "a question was never asked"
        if source.facts.hosts:
            assert {urlsplit(request.url).hostname for request in script.requests} <= set(source.facts.hosts)

    def test_its_candidates_can_be_fetched_and_kept(self, case: Case) -> None:
        candidates = candidates_of(walk(case.source(), case.query, Script(case.steps)))
        for candidate in candidates:
            for url in (candidate.url, candidate.page_url):
                assert urlsplit(url).scheme == "https"
            for url in (candidate.thumb_url, candidate.author_url, candidate.licence_url, candidate.similar_url):
                assert not url or urlsplit(url).scheme in ("http", "https")
            assert json.loads(json.dumps(candidate.extra)) == candidate.extra
            assert min(candidate.width, candidate.height) >= 0
            assert candidate.title
        assert len({candidate.url for candidate in candidates}) > 1
        if case.source().facts.licence_fields:
            assert all(
                candidate.licence and (candidate.author or case.query.source == "cleveland") for candidate in candidates
            )

    def test_it_goes_on_from_any_cursor(self, case: Case) -> None:
        pages = walk(case.source(), case.query, Script(case.steps))
        for number, page in enumerate(pages[:-1], 1):
            assert page.cursor
            assert len(page.cursor) < 2000
            assert walk(case.source(), case.query, Script(case.steps), page.cursor) == pages[number:]

    def test_the_same_answers_give_the_same_page(self, case: Case) -> None:
        source = case.source()
        pages = walk(source, case.query, Script(case.steps))
        assert walk(source, case.query, Script(case.steps)) == pages

    def test_nothing_found_is_an_empty_last_page(self, case: Case) -> None:
        page = search(case.source(), case.query, Script(case.nothing))
        assert (page.candidates, page.cursor, dict(page.skipped)) == ((), "", {})

    def test_a_changed_answer_is_a_typed_error_or_is_counted(self, case: Case) -> None:
        refused = 0
        for number, step in enumerate(case.steps[:4]):
            if step.status != 200:
                continue
            for path, changed in changes(json.loads(step.body())):
                changed_step = replace(step, sample=json.dumps(changed).encode())
                steps = (*case.steps[:number], changed_step, *case.steps[number + 1 :])
                refused += self._survives(case, steps, f"{step.sample!s}:{path}")
        assert refused > 5, "no change was noticed"

    def _survives(self, case: Case, steps: tuple[Step, ...], what: str) -> int:
        """Return 1 where the source refuses the answers with a typed error; 0 where it still gives pages that tell."""
        try:
            pages = walk(case.source(), case.query, Script(steps))
        except (SourceError, NetworkDown) as error:
            assert error.hint
            assert SECRET not in texts_of(error)
            return 1
        except OffScript:
            return 0
        silent = [
            number
            for number, page in enumerate(pages)
            if not told_of(page) and case.counts[number : number + 1] != (0,)
        ]
        assert not silent or what in case.emptied, f"{what}: nothing found, and nothing said"
        assert SECRET not in repr(pages)
        return 0

    @pytest.mark.parametrize("kind", OTHER_BODIES)
    def test_another_kind_of_answer_is_a_changed_layout(self, case: Case, kind: str) -> None:
        for number, step in enumerate(case.steps[:3]):
            if "/objects/" in step.url and kind == "object":
                continue  # one work of twenty is counted: see its own tests
            steps = (*case.steps[:number], replace(step, sample=OTHER_BODIES[kind]), *case.steps[number + 1 :])
            with pytest.raises(LayoutChanged) as caught:
                walk(case.source(), case.query, Script(steps))
            assert case.query.source in caught.value.message
            assert caught.value.hint

    @pytest.mark.parametrize("body", [CHALLENGE, CONSENT])
    @pytest.mark.parametrize("status", [200, 403, 404, 503])
    def test_a_challenge_or_consent_page_is_blocked(self, case: Case, body: bytes, status: int) -> None:
        with pytest.raises(Blocked) as caught:
            search(case.source(), case.query, one_answer(body, status, content_type="text/html"))
        assert case.query.source in caught.value.message

    @pytest.mark.parametrize(
        ("status", "kinds"),
        [
            (301, LayoutChanged),
            (400, BadQuery),
            (401, KeyNeeded),
            (403, (Blocked, KeyNeeded)),
            (404, LayoutChanged),
            (410, LayoutChanged),
            (422, BadQuery),
            (429, RateLimited),
            (500, NetworkDown),
            (502, NetworkDown),
        ],
    )
    def test_a_status_is_a_typed_error(
        self, case: Case, status: int, kinds: type[FieldguideError] | tuple[type[FieldguideError], ...]
    ) -> None:
        body = json.dumps({"detail": f"because of the weather and {SECRET}"}).encode()
        with pytest.raises(kinds) as caught:
            search(case.source(), case.query, one_answer(body, status))
        assert isinstance(caught.value, FieldguideError)
        assert case.query.source in caught.value.message
        if status in (400, 422):
            assert "because of the weather" in caught.value.message
        if case.key:
            assert SECRET not in texts_of(caught.value)

    def test_it_says_how_long_to_wait(self, case: Case) -> None:
        throttled = b'{"detail": "Request was throttled. Expected available in 90 seconds."}'
        for script, seconds in [
            (one_answer(b"{}", 429, retry_after="17"), 17.0),
            (one_answer(b"{}", 503, retry_after="18"), 18.0),
            (one_answer(throttled, 429), 90.0),
            (one_answer(b"slow down", 429), 0.0),
        ]:
            with pytest.raises(RateLimited) as caught:
                search(case.source(), case.query, script)
            assert caught.value.retry_after_s == seconds

    def test_errors_of_asking_pass_through(self, case: Case) -> None:
        for error in (RateLimited("a", "b", 3.0), Blocked("a", "b"), NetworkDown("a", "b")):

            async def ask(request: Request, error: FieldguideError = error) -> Answer:
                raise error

            with pytest.raises(type(error)) as caught:
                run(case.source().search(case.query, "", ask))
            assert caught.value is error

    def test_an_unknown_option_names_the_nearest(self, case: Case) -> None:
        misspelt, nearest = case.wrong_option
        options = {**case.query.options, misspelt: "x"}
        script = Script(case.steps)
        with pytest.raises(BadQuery) as caught:
            search(case.source(), replace(case.query, options=options), script)
        assert f"'{misspelt}'" in caught.value.message
        assert (f"did you mean '{nearest}'?" if nearest else "no options") in caught.value.hint
        assert not script.requests

    @pytest.mark.parametrize("text", ["", "  \n"])
    def test_an_empty_query_is_refused_unasked(self, case: Case, text: str) -> None:
        script = Script(case.steps)
        with pytest.raises(BadQuery):
            search(case.source(), replace(case.query, text=text), script)
        assert not script.requests

    @pytest.mark.parametrize("cursor", ["-1", "x", "1e3", "[]", '{"taxon": "a"}', "9" * 30, "\ud800", "{" * 9000, "²"])
    def test_a_wrong_cursor_is_refused_unasked(self, case: Case, cursor: str) -> None:
        script = Script(case.steps)
        with pytest.raises(BadQuery):
            search(case.source(), case.query, script, cursor)
        assert not script.requests

    def test_a_secret_is_sent_and_never_told(self, case: Case) -> None:
        source, script = case.source(), Script(case.steps)
        pages = walk(source, case.query, script)
        assert SECRET not in repr((pages, source, source.facts))
        if not case.key:
            return
        for request in script.requests:
            hidden = [value for name, value in request.params if name in request.secret_params]
            assert SECRET in hidden or SECRET in request.headers.values()
            assert SECRET not in [value for name, value in request.params if name not in request.secret_params]
            assert SECRET not in request.url

    @pytest.mark.parametrize("case", [case for case in CASES.values() if case.key], ids=lambda case: case.query.source)
    def test_without_a_needed_key_nothing_is_asked(self, case: Case) -> None:
        assert case.source().facts.key_needed
        script = Script(case.steps)
        with pytest.raises(KeyNeeded, match=case.key):
            search(case.make({case.key: " "}), case.query, script)
        assert not script.requests

    def test_the_policy_any_asks_for_all_licences(self, case: Case) -> None:
        steps = [
            replace(step, has=tuple(parameter for parameter in step.has if parameter.startswith("method=")))
            for step in case.steps
        ]
        with_all = Script(steps)
        search(case.source(), replace(case.query, licences="any"), with_all)
        names = {name for request in with_all.requests for name, _ in request.params}
        assert not names & {"license", "license_type", "photo_license", "cc0", "query[term][is_public_domain]"}
        assert "[public_domain:true]" not in repr(with_all.requests)

    @given(
        body=nested(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            st.sampled_from(["results", "data", "items", "query", "pages", "error", "stat", "photos", "url", "total"])
            | st.text(max_size=5),
        )
    )
    def test_any_json_is_a_typed_error_or_pages(self, body: object) -> None:
        for case in CASES.values():
            script = one_answer(json.dumps(body).encode())
            try:
                page = search(case.source(), case.query, script)
            except (SourceError, NetworkDown):
                continue
            assert told_of(page) or page.cursor == ""


def test_the_lists_in_samples_are_long_enough_to_be_changed() -> None:
    tried = sum(1 for case in CASES.values() for step in case.steps[:4] for _ in changes(json.loads(step.body())))
    assert tried > 3000


def test_a_change_leaves_the_sample_as_it_was() -> None:
    value = {"a": [{"b": 1}], "c": {"d": None}}
    before = copy.deepcopy(value)
    assert len(list(changes(value))) == 9 * 4 + 5
    assert value == before


class TestKnownSources:
    def test_all_built_in_sources_are_known_by_their_names(self) -> None:
        known = known_sources()
        assert set(CASES) | {"urls", "page", "browser"} <= set(known)
        assert list(known) == sorted(known)
        for name in CASES:
            assert known[name]().name == open_source(name).name == name

    def test_listing_imports_no_source(self) -> None:
        program = (
            "import sys\nfrom fieldguide.sources import known_sources\nassert len(known_sources()) > 10\n"
            "loaded = [name for name in sys.modules if name.startswith('fieldguide.sources.')]\n"
            "assert not loaded, loaded"
        )
        subprocess.run([sys.executable, "-c", program], check=True)

    def test_an_unknown_name_names_the_nearest(self) -> None:
        with pytest.raises(SettingsError, match="no source called 'openvers'") as caught:
            open_source("openvers")
        assert "openverse" in caught.value.hint
        with pytest.raises(SettingsError) as caught:
            open_source("zzzzzzz")
        assert "wikimedia" in caught.value.hint

    def test_another_package_adds_a_source_and_takes_over_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        added = [
            EntryPoint("mine", "test_sources:Mine", sources.GROUP),
            EntryPoint("smk", "test_sources:Mine", sources.GROUP),
        ]
        monkeypatch.setattr(sources, "entry_points", lambda group: added if group == sources.GROUP else [])
        assert isinstance(open_source("mine"), Mine)
        assert isinstance(open_source("smk"), SmkSource)

    @pytest.mark.parametrize(
        "value", ["no_such_package:Thing", "test_sources:NoSuch", "test_sources:SECRET", "test_sources:Case"]
    )
    def test_a_broken_one_shows_only_when_used(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        entry = EntryPoint("broken", value, sources.GROUP)
        monkeypatch.setattr(sources, "entry_points", lambda group: [entry])
        assert "broken" in known_sources()
        with pytest.raises(SettingsError, match="'broken' cannot be used") as caught:
            open_source("broken")
        assert "broken" in caught.value.hint

    def test_one_under_another_name_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = EntryPoint("other", "test_sources:Mine", sources.GROUP)
        monkeypatch.setattr(sources, "entry_points", lambda group: [entry])
        with pytest.raises(SettingsError, match="another name"):
            open_source("other")


class Mine(SmkSource):
    name = "mine"
