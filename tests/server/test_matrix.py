"""Who gets what: everybody, every address and method, over a beamtime of one's own, another's, and an open one."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx
import pytest
from starlette.routing import Match, Route

from catalog_builder.config import Settings
from catalog_builder.facets import FACETS

from .conftest import Running
from .fronting import MISSING
from .three import ABSENT, ABSENT_WORD, PEOPLE, PROPOSALS, WORDS, A, B, C, copied, everything_of, made, peopled

READERS: dict[str, set[str | None]] = {
    A: {"rita", "anna", "cora", "gail", "sam"},
    B: {"cora", "bob", "sam"},
    C: set(PEOPLE),
}
TAKES_HOME: dict[str, set[str | None]] = {A: READERS[A] - {"gail"}, B: READERS[B], C: set(PEOPLE) - {None}}

# of a beamtime: what is asked, and what who may read it gets; all others get 404, or 303 to sign in
OF_BEAMTIME = {
    "/beamtimes/{id}": 303,
    "/beamtimes/{id}/": 200,
    "/beamtimes/{id}/index.html": 200,
    "/beamtimes/{id}/nothing": 404,
    "/beamtimes/{id}/scans/": 404,
    "/beamtimes/{id}/datasets/{word}": 303,
    "/beamtimes/{id}/datasets/{word}/": 200,
    "/beamtimes/{id}/datasets/{word}/index.html": 200,
    "/beamtimes/{id}/datasets/{word}/dataset.json": 200,
    "/beamtimes/{id}/datasets/{word}/preview.png": 200,
    "/beamtimes/{id}/datasets/{word}/thumb.png": 200,
    "/beamtimes/{id}/datasets/{word}/curve.json": 200,
    "/beamtimes/{id}/scans/{word}_00001": 303,
    "/beamtimes/{id}/scans/{word}_00001/": 200,
    "/beamtimes/{id}/scans/{word}_00001/index.html": 200,
    "/beamtimes/{id}/scans/{word}_00001/scan.json": 200,
    "/beamtimes/{id}/scans/{word}_00001/preview.png": 200,
    "/beamtimes/{id}/scans/{word}_00001/thumb.png": 200,
    "/beamtimes/{id}/scans/{word}_00001/curve.json": 200,
    "/beamtimes/{id}/scans/{word}_00001/preview-7.png": 404,
}
# the same for who is signed in; signed out 303 to sign in, open or not
RESOLVED = {
    "/go/{id}": 303,
    "/go/I-{proposal}": 303,
    "/go/{word}": 303,
    "/go/{word}_00001": 303,
    "/go/scan:{id}/{word}_00001": 303,
    "/go/data/{id}/raw/{word}_00001.fio": 303,
}
# of no beamtime: what is asked                   signed out  signed in
OTHERS: dict[tuple[str, str], tuple[int, int]] = {
    ("GET", "/"): (200, 200),
    ("GET", "/search"): (200, 200),
    ("GET", "/search?format=csv"): (200, 200),
    ("GET", "/status"): (303, 200),
    ("GET", "/cart"): (303, 200),
    ("GET", "/cart/download"): (303, 303),
    ("GET", "/help"): (303, 303),
    ("GET", "/help/"): (303, 200),
    ("GET", "/help/searching"): (303, 200),
    ("GET", "/help/nothing"): (303, 404),
    ("GET", "/go/"): (303, 404),
    ("GET", "/sign-in"): (200, 303),
    ("GET", "/assets/style.css"): (200, 200),
    ("GET", "/assets/nothing.css"): (404, 404),
    ("GET", "/beamtimes/"): (303, 404),
    ("GET", "/nothing"): (303, 404),
    ("GET", "/robots.txt"): (200, 200),
    ("GET", "/sitemap.xml"): (200, 200),
    ("GET", "/invited"): (200, 200),
    ("POST", "/invited"): (403, 403),
    ("GET", "/account"): (303, 200),
    ("GET", "/sign-in/oidc"): (404, 404),  # there is no provider here
    ("GET", "/sign-in/oidc/callback"): (404, 404),
    ("GET", "/api/search"): (200, 200),
    ("GET", "/api/search?format=csv"): (200, 200),
    ("GET", "/api/suggest"): (200, 200),
    ("GET", "/api/cart"): (401, 200),
    ("GET", "/api/session"): (401, 200),
    ("GET", "/api/health"): (200, 200),
    ("GET", "/api/nothing"): (401, 404),
    ("GET", "/openapi.json"): (200, 200),
    ("POST", "/api/cart"): (401, 422),
    ("POST", "/cart/add"): (303, 303),
    ("POST", "/cart/remove"): (303, 303),
    ("POST", "/cart/clear"): (303, 303),
    ("POST", "/sign-in"): (401, 401),
    ("POST", "/sign-out"): (303, 303),
}
# of a beamtime, for who administers it: all others get 404, or 303 to sign in, and 401 of the API
ADMINISTRATORS: dict[str, set[str | None]] = {A: {"anna", "sam"}, B: {"sam"}, C: {"sam"}}
ADMINISTERED = {
    ("GET", "/beamtimes/{id}/access"): 200,
    ("POST", "/beamtimes/{id}/access/invite"): 400,  # of a form that says nothing
    ("POST", "/beamtimes/{id}/access/revoke"): 404,
}
# for staff alone, likewise; what is posted names nobody, which staff are told with a 404 too (test_staff.py names them)
FOR_STAFF = {
    ("GET", "/staff"): 200,
    ("GET", "/staff/log"): 200,
    ("POST", "/staff/add"): 400,
    ("POST", "/staff/password"): 404,
    ("POST", "/staff/groups"): 404,
    ("POST", "/staff/sign-out"): 404,
    ("POST", "/staff/remove"): 404,
    ("POST", "/staff/revoke"): 404,
    ("POST", "/beamtimes/{id}/access/open"): 303,
    ("POST", "/beamtimes/{id}/access/close"): 303,
}
METHODS = ["HEAD", "POST", "PUT"]
MORE_METHODS = ["DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return made(tmp_path_factory.mktemp("three"))


@pytest.fixture(scope="module")
def three_alone(three: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with peopled(copied(three, tmp_path_factory.mktemp("copied") / "three"), front=False) as running:
        yield running


@pytest.fixture(scope="module")
def three_behind_nginx(three: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    if MISSING:
        pytest.skip(MISSING)
    with peopled(copied(three, tmp_path_factory.mktemp("copied") / "three"), front=True) as running:
        yield running


@pytest.fixture(params=["alone", "nginx"])
def world(request: pytest.FixtureRequest, three: Settings) -> Running:
    """The three beamtimes with everybody, on both deployments."""
    name = "three_alone" if request.param == "alone" else "three_behind_nginx"
    return cast(Running, request.getfixturevalue(name))


def filled(template: str, id: str) -> str:
    word = WORDS.get(id, ABSENT_WORD)
    return template.format(id=id, word=word, proposal=PROPOSALS.get(id, "20210000"))


def everything(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "date")
    return answer.status_code, headers, answer.content


def gets(template: str, id: str, name: str | None, status: int) -> int:
    if name is None and (id != C or template in RESOLVED):
        return 303
    return status if name in READERS[id] else 404


@pytest.mark.parametrize("id", WORDS)
@pytest.mark.parametrize(("template", "status"), [*OF_BEAMTIME.items(), *RESOLVED.items()])
def test_of_a_beamtime_everybody_gets_what_the_table_says(world: Running, template: str, status: int, id: str) -> None:
    told = {name: world.client(name).get(filled(template, id)).status_code for name in PEOPLE}
    assert told == {name: gets(template, id, name, status) for name in PEOPLE}


@pytest.mark.parametrize(("method", "address"), OTHERS)
def test_of_no_beamtime_everybody_gets_what_the_table_says(world: Running, method: str, address: str) -> None:
    signed_out, signed_in = OTHERS[method, address]
    for name in PEOPLE:
        with world.new_client() as client:
            if name is not None:
                account = world.client(name).get("/api/session").json()["name"]
                world.catalogue.carts.clear(account)
                token = world.catalogue.accounts.open_session(account)  # /sign-out ends it
                client.cookies.set(world.cookie_name, token, domain="127.0.0.1")
            answer = client.request(method, address)
            assert answer.status_code == (signed_out if name is None else signed_in), name
    world.catalogue.accounts.forgive_attempts("", "127.0.0.1")


@pytest.mark.parametrize("id", WORDS)
@pytest.mark.parametrize(("method", "template"), [*ADMINISTERED, *FOR_STAFF])
def test_who_administers_is_answered_and_nobody_else(world: Running, method: str, template: str, id: str) -> None:
    wanted, those = (
        (ADMINISTERED[method, template], ADMINISTRATORS[id])
        if (method, template) in ADMINISTERED
        else (FOR_STAFF[method, template], {"sam"})
    )
    opened = world.catalogue.openings().days
    told = {name: world.client(name).request(method, template.format(id=id)).status_code for name in PEOPLE}
    for beamtime in WORDS:
        world.catalogue.opening_days.close(beamtime)
    for beamtime, day in opened.items():
        world.catalogue.opening_days.open(beamtime, "sam", day)
    signed_out = 404 if id == C and template.startswith("/beamtimes/") else 303  # open: nothing to sign in for
    assert told == {name: signed_out if name is None else wanted if name in those else 404 for name in PEOPLE}


@pytest.mark.parametrize("id", WORDS)
def test_who_may_read_is_told_what_they_may_do_and_why(world: Running, id: str) -> None:
    told = {name: world.client(name).get(f"/api/access/{id}") for name in PEOPLE}
    assert {name: answer.status_code for name, answer in told.items()} == {
        name: 401 if name is None else 200 if name in READERS[id] else 404 for name in PEOPLE
    }
    administer = {name for name, answer in told.items() if "administer" in answer.text}
    assert administer == ADMINISTRATORS[id]


def again(address: str) -> str:
    """Spell an address as it stands in the address of the page to sign in at."""
    return quote(quote(address))


def check_methods(world: Running, template: str, methods: Iterable[str]) -> None:
    """Compare what is forbidden and what is not there, for everybody and these methods."""
    for id in (A, B):
        for name in [name for name in PEOPLE if name not in READERS[id] and name is not None]:
            client = world.client(name)
            for method in ("GET", *methods):
                forbidden, absent = (client.request(method, filled(template, each)) for each in (id, ABSENT))
                assert everything(forbidden) == everything(absent), (method, name)
            assert everything(client.get(filled(template, id))) == everything(client.get("/nothing"))
    for method in ("GET", *methods):
        asked = [(filled(template, each), world.client(None)) for each in (A, B, ABSENT)]
        told = [everything(client.request(method, address)) for address, client in asked]
        said = [repr(each).replace(again(address), "*") for (address, _), each in zip(asked, told, strict=True)]
        assert said[0] == said[1] == said[2]


@pytest.mark.parametrize("template", [*OF_BEAMTIME, *RESOLVED])
def test_what_is_forbidden_and_what_is_not_there_are_the_same_bytes(world: Running, template: str) -> None:
    check_methods(world, template, METHODS if world.tls is None else ["POST"])


@pytest.mark.campaign
@pytest.mark.parametrize("template", [*OF_BEAMTIME, *RESOLVED])
def test_by_no_other_method_they_differ(world: Running, template: str) -> None:
    check_methods(world, template, [*METHODS, *MORE_METHODS])


@pytest.mark.parametrize("id", WORDS)
@pytest.mark.parametrize("method", [*METHODS, "DELETE", "OPTIONS"])
def test_who_may_read_changes_nothing_by_another_method(world: Running, method: str, id: str) -> None:
    for name in READERS[id]:
        for template in ("/beamtimes/{id}/", "/beamtimes/{id}/scans/{word}_00001/scan.json"):
            answer = world.client(name).request(method, filled(template, id))
            assert answer.status_code == (200 if method == "HEAD" else 405), name


@pytest.mark.parametrize("id", WORDS)
def test_into_a_cart_goes_what_one_may_read_and_home_what_one_may_take(world: Running, id: str) -> None:
    keys = [f"scan:{id}/{WORDS[id]}_00001", f"dataset:{id}/{WORDS[id]}"]
    for name in PEOPLE[1:]:
        client = world.client(name)
        world.catalogue.carts.clear(client.get("/api/session").json()["name"])
        told = client.post("/api/cart", json={"add": keys}).json()
        assert sorted(told["keys"]) == (sorted(keys) if name in READERS[id] else []), name
        assert told["not_found"] == ([] if name in READERS[id] else keys), name
        forms = {client.post("/cart/add", data={"key": key}).status_code for key in keys}
        assert forms == ({303} if name in READERS[id] else {404}), name
        taken = client.get("/cart/download")
        assert (taken.status_code == 200 and WORDS[id].encode() in taken.content) == (name in TAKES_HOME[id]), name
        client.post("/cart/clear")


def routes_of(parts: Iterable[Any]) -> Iterator[Route]:
    for part in parts:
        if isinstance(part, Route):
            yield part
        else:
            yield from routes_of(getattr(part, "original_router", part).routes)


def test_the_tables_name_every_route_and_method(world: Running) -> None:
    asked = [("GET", filled(template, A)) for template in (*OF_BEAMTIME, *RESOLVED)]
    asked += [(method, address.partition("?")[0]) for method, address in OTHERS]
    asked += [(method, filled(template, A)) for method, template in (*ADMINISTERED, *FOR_STAFF)]
    asked += [("GET", f"/api/access/{A}"), ("POST", "/account/password")]
    routes = [route for route in routes_of(world.app.routes) if not route.path.startswith("/seen")]
    assert len(routes) > 20
    for route in routes:
        for method in (route.methods or set()) - {"HEAD"}:
            scopes = ({"type": "http", "method": method, "path": path} for one, path in asked if one == method)
            assert any(route.matches(scope)[0] is Match.FULL for scope in scopes), (method, route.path)


def test_the_tables_name_every_kind_of_file(world: Running) -> None:
    places = world.catalogue.places
    files = [f"/{path.relative_to(places.site)}" for path in places.site.rglob("*") if path.is_file()]
    drawn = [path.relative_to(places.previews) for path in places.previews.rglob("*") if path.is_file()]
    files += [f"/beamtimes/{path.parts[0]}/scans/{Path(*path.parts[1:])}" for path in drawn]
    named = {filled(template, id) for template in OF_BEAMTIME for id in WORDS}
    assert len(files) > 30
    unnamed = {path for path in files if re.sub(r"_(nexus_)?0000[0-9]/|_nexus/", kind_of, path) not in named}
    assert unnamed == set()


def kind_of(match: "re.Match[str]") -> str:
    return "_00001/" if "0000" in match[0] else "/"


# Words of one beamtime in what others get

SECRETS = (WORDS[B], B, PROPOSALS[B])
OUTSIDERS = (None, "nora", "rita", "anna", "gail")


def asked_without_words() -> Iterator[str]:
    yield from (address for method, address in OTHERS if method == "GET" and address != "/cart/download")
    for id in (A, C):
        yield from (filled(template, id) for template in (*OF_BEAMTIME, *RESOLVED))
    for level in ("scan", "dataset"):
        yield from (f"/api/search?level={level}&per_page=100{more}" for more in ("", "&format=csv", "&q=-marmot"))
        yield from (f"/search?level={level}&per_page=100&q={q}" for q in ("", "NOT+marmot", "ascan", "qqqq"))
    for facet in FACETS:
        yield f"/api/suggest?facet={facet.name}&most=50"
        yield f"/api/suggest?text={facet.name}%3A"
        yield f"/api/search?facets={facet.name}&level=scan"
        yield f"/api/search?{facet.name}=qqqq&level=scan"
        yield f"/api/search?q={facet.name}:z*"
        yield f"/api/search?sort={facet.name}"
    for text in ("", "z", "za", "zan", "zanziba", "1101", "2", "said", "_", "%22"):
        yield f"/api/suggest?text={text}&most=50"
    for q in ("((", "x:y", "positioner.q:>1", "field:", "z*", "*a*", "%22", "date:x"):
        yield f"/api/search?q={q}"
    yield "/api/search?sort=positioner.q"
    yield "/api/search?sort=channel.q.max"
    yield "/api/search?page=99999&level=scan"


@pytest.mark.parametrize("name", OUTSIDERS)
def test_no_word_of_a_beamtime_reaches_who_may_not_read_it(world: Running, name: str | None) -> None:
    client = world.client(name)
    seen = ""
    for address in asked_without_words():
        told = everything_of(client.get(address))
        assert not any(secret in told for secret in SECRETS), address
        seen += told
    assert f"{WORDS[C]}_said_title" in seen
    assert (f"{WORDS[A]}_said_title" in seen) == (name in READERS[A])


def test_the_words_are_where_they_could_be_seen(world: Running) -> None:
    bob = world.client("bob")
    told = "".join(everything_of(bob.get(filled(template, B))) for template in OF_BEAMTIME)
    told += everything_of(bob.get("/status")) + everything_of(bob.get("/api/search?level=scan"))
    told += everything_of(bob.get("/api/search?level=dataset"))
    told += everything_of(bob.get("/api/suggest?text=zan&most=50"))
    ends = "_motor _roi1 _00001 _sample _said_title _said_keyword _dataset_title _speaker _pi _parameter _nexus_title"
    for end in [*ends.split(), "_nexus_sample", "_positioner"]:
        assert f"zanzibar{end}" in told, end
    assert "broken_zanzibar" in told
    assert PROPOSALS[B] in told


ECHOED = [
    "/api/search?q={}",
    "/api/search?level=scan&q={}*",
    "/api/search?level=scan&q=*{}*",
    "/api/search?q=sample:{}",
    "/api/search?q=positioner.{}:>0",
    "/api/search?q=channel.{}_roi1.max:>0",
    "/api/search?q=parameter.{}:>0",
    "/api/search?q=(({}",
    "/api/search?sort=positioner.{}_motor",
    "/api/search?level=scan&sort=-channel.{}_roi1.max",
    *(f"/api/search?{facet.name}={{}}" for facet in FACETS if facet.name not in ("year", "month")),
    *(f"/api/search?{facet.name}={{}}_motor&q=ascan" for facet in FACETS if facet.name not in ("year", "month")),
    "/search?q={}",
    "/search?beamtime={}",
    "/api/search?format=csv&q={}",
    "/api/suggest?text={}",
    "/api/suggest?text={}&facet=sample",
    "/api/suggest?text=ascan&q={}",
    "/go/{}",
    "/go/{}_00001",
    "/go/scan:{}/zz",
]


@pytest.mark.parametrize("name", ["anna", None])
@pytest.mark.parametrize("address", ECHOED)
def test_asking_for_a_word_of_others_is_as_asking_for_one_nobody_wrote(
    three_alone: Running, address: str, name: str | None
) -> None:
    for word, unwritten in ((WORDS[B], "quokkas8"), (B, ABSENT), (PROPOSALS[B], "20210000")):
        told = []
        for asked in (word, unwritten):
            answer = three_alone.client(name).get(address.format(asked))
            text = re.sub(r'"took_ms": ?[0-9.e-]+| in [^<]*ms', "", answer.text).replace(asked, "*")
            headers = {key: value.replace(asked, "*") for key, value in answer.headers.items()}
            varying = ("date", "etag", "content-length")
            told.append((answer.status_code, text, {k: v for k, v in headers.items() if k not in varying}))
        assert told[0] == told[1]


def test_a_revoked_invitation_lets_nobody_in_any_more(three: Settings, tmp_path: Path) -> None:
    with peopled(copied(three, tmp_path / "revoked"), front=False) as world:
        gail = world.client("gail")
        assert gail.get(f"/beamtimes/{A}/").status_code == 200
        world.catalogue.invitations.revoke(world.invitation)
        assert gail.get(f"/beamtimes/{A}/").status_code == 303
        assert gail.get("/api/cart").status_code == 401
        assert WORDS[A] not in gail.get("/api/search?level=scan").text


def test_a_beamtime_closed_again_is_closed_at_the_next_request(three: Settings, tmp_path: Path) -> None:
    with peopled(copied(three, tmp_path / "closed"), front=False) as world:
        assert world.client(None).get(f"/beamtimes/{C}/").status_code == 200
        assert WORDS[C] in world.client(None).get("/api/search?level=scan").text
        world.catalogue.opening_days.close(C)
        assert world.client(None).get(f"/beamtimes/{C}/").status_code == 303
        assert world.client(None).get("/api/search").status_code == 401
        assert world.client("nora").get(f"/beamtimes/{C}/").status_code == 404
