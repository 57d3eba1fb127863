"""Requests made from the API's own description, right ones and wrong ones: each is answered as the description says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from starlette.testclient import TestClient
from test_serve import HOSTS

from fieldguide.guide import open_guide
from fieldguide.settings import ServeSettings
from fieldguide.stages.serve import make_app

schemathesis = pytest.importorskip("schemathesis", reason="making requests from a description needs the extra [dev]")
modes = pytest.importorskip("schemathesis.generation.modes").GenerationMode
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

# a description cannot say which bytes are a picture, nor which names the guide has
NOT_ASKED = [checks.positive_data_acceptance]


@pytest.fixture(scope="module")
def api(built_once: Path) -> Iterator[Any]:
    app = make_app(open_guide(built_once / "guide"), ServeSettings(max_bytes=50_000), (*HOSTS, "testserver"))
    with TestClient(app, base_url="http://testserver") as client:
        model = client.get("/v2/models/shapes").json()
    yield schemathesis.openapi.from_asgi("/openapi.json", app), model


@pytest.mark.parametrize("count", [3, pytest.param(150, marks=pytest.mark.slow)])
def test_every_answer_is_one_that_is_described(count: int, api: Any) -> None:
    schema, model = api
    statuses: dict[str, set[int]] = {}
    for operation in (each.ok() for each in schema.get_all_operations()):
        for mode in modes:
            statuses.setdefault(operation.label, set()).update(ask(operation, mode, count, model))
    assert len(statuses) >= 13 and all(statuses.values())
    assert all(200 in each for label, each in statuses.items() if label.startswith("GET")), statuses
    posts = [each for label, each in statuses.items() if label.startswith("POST")]
    assert len(posts) == 4 and all(each & {400, 415, 422} for each in posts), statuses


def ask(operation: Any, mode: Any, count: int, model: dict[str, Any]) -> set[int]:
    """Ask so many times, with what fits the description or what does not; return the statuses of the answers."""
    statuses = set()

    @settings(
        max_examples=count, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        names = {"name": model["name"], "version": model["versions"][0]}
        for known in (False, True) if case.path_parameters else (False,):
            if known:  # the generated names are of no model
                case.path_parameters |= {name: names[name] for name in case.path_parameters}
            response = case.call()
            assert response.status_code < 500, response.text
            case.validate_response(response, excluded_checks=NOT_ASKED)
            statuses.add(response.status_code)

    try:
        check()
    except Unsatisfiable:  # nothing about this request can be wrong
        assert mode is modes.NEGATIVE
    return statuses
