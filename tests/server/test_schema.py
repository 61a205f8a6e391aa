"""The API as its own description says it can be asked: whatever comes, nothing breaks."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode

from .conftest import Running

OPERATIONS = [
    ("GET", "/api/search"),
    ("GET", "/api/suggest"),
    ("GET", "/api/cart"),
    ("POST", "/api/cart"),
    ("GET", "/api/access/{beamtime}"),
    ("GET", "/api/session"),
    ("GET", "/api/health"),
]
PLAIN = ("/api/session", "/api/health", "/api/access/{beamtime}")
"""Nothing can be said wrongly to these: they take nothing, or any text. Nor to the cart, when it is only looked at."""
ASKED = [
    (method, path, mode)
    for method, path in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or not (path in PLAIN or (method, path) == ("GET", "/api/cart"))
]
FEW, MANY = 25, 400


def ask(running: Running, name: str | None, method: str, path: str, mode: GenerationMode, examples: int) -> None:
    """Ask an operation in ways that its description gives; positive ones are as it says, negative ones not."""
    description = running.client(None).get("/openapi.json").json()
    operation = schemathesis.openapi.from_dict(description)[path][method]
    headers = {"Origin": running.base}
    if name is not None:
        headers["Cookie"] = running.pair(running.token(name)).decode()
    trusted = True if running.front is None else str(running.front / "certificate.pem")
    seen: set[int] = set()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case: Case[Any]) -> None:
        for name in [each for each in case.headers or () if each.lower() in ("cookie", "origin")]:
            del case.headers[name]
        answer = case.call(base_url=running.base, headers=headers, timeout=30, verify=trusted)
        seen.add(answer.status_code)
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        if answer.status_code >= 400 and running.front is None:  # nginx refuses some by itself
            assert answer.headers["content-type"] == ["application/problem+json"]

    asked()
    assert seen


def test_every_operation_is_asked(alone: Running) -> None:
    paths = alone.client(None).get("/openapi.json").json()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(OPERATIONS)


@pytest.mark.parametrize("name", ["anna", None])
@pytest.mark.parametrize(("method", "path", "mode"), ASKED)
def test_nothing_the_description_allows_or_not_breaks_the_server(
    alone: Running, method: str, path: str, mode: GenerationMode, name: str | None
) -> None:
    ask(alone, name, method, path, mode, FEW)
    alone.catalogue.carts.clear("anna")


@pytest.mark.campaign
@pytest.mark.parametrize(("method", "path", "mode"), ASKED)
def test_nothing_breaks_the_server_however_long_one_tries(
    running: Running, method: str, path: str, mode: GenerationMode
) -> None:
    ask(running, "anna", method, path, mode, MANY)
    running.catalogue.carts.clear("anna")
