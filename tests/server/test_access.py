"""Who gets what: every route asked by everybody, and the words of one beamtime that reach nobody else."""

import io
import json
import re
import tarfile

import httpx
import pytest
from starlette.routing import Route

from catalog_builder.facets import FACETS
from catalog_builder.names import page_address
from catalog_builder.server.app import ROUTERS

from .conftest import Running

ABSENT = "99999999"
SEES = 200
ON = 303
NOT = 404

PEOPLE = (None, "nora", "anna", "bert", "sam")

# what is asked                                          signed out  nora  anna  bert  sam
MATRIX: tuple[tuple[str, int, int, int, int, int], ...] = (
    ("/", ON, SEES, SEES, SEES, SEES),
    ("/search", ON, SEES, SEES, SEES, SEES),
    ("/search?q=zanzibar&level=scan", ON, SEES, SEES, SEES, SEES),
    ("/status", ON, SEES, SEES, SEES, SEES),
    ("/cart", ON, SEES, SEES, SEES, SEES),
    ("/help", ON, ON, ON, ON, ON),
    ("/help/", ON, SEES, SEES, SEES, SEES),
    ("/help/searching", ON, SEES, SEES, SEES, SEES),
    ("/help/nothing", ON, NOT, NOT, NOT, NOT),
    ("/sign-in", SEES, ON, ON, ON, ON),
    ("/assets/style.css", SEES, SEES, SEES, SEES, SEES),
    ("/assets/nothing.css", NOT, NOT, NOT, NOT, NOT),
    ("/assets/", NOT, NOT, NOT, NOT, NOT),
    ("/beamtimes/11017405", ON, NOT, NOT, ON, ON),
    ("/beamtimes/11017405/", ON, NOT, NOT, SEES, SEES),
    ("/beamtimes/11017405/index.html", ON, NOT, NOT, SEES, SEES),
    ("/beamtimes/11017405/datasets/zanzibar", ON, NOT, NOT, ON, ON),
    ("/beamtimes/11017405/datasets/zanzibar/", ON, NOT, NOT, SEES, SEES),
    ("/beamtimes/11017405/datasets/zanzibar/dataset.json", ON, NOT, NOT, SEES, SEES),
    ("/beamtimes/11017405/datasets/zanzibar/thumb.png", ON, NOT, NOT, SEES, SEES),
    ("/beamtimes/11017405/datasets/zanzibar/page-2/", ON, NOT, NOT, NOT, NOT),
    ("/beamtimes/11017405/scans/zanzibar_00001/", ON, NOT, NOT, SEES, SEES),
    ("/beamtimes/11017405/scans/zanzibar_00001/scan.json", ON, NOT, NOT, SEES, SEES),
    ("/beamtimes/11017405/scans/zanzibar_00001/preview.png", ON, NOT, NOT, SEES, SEES),
    ("/beamtimes/11017405/scans/zanzibar_00001/thumb.png", ON, NOT, NOT, SEES, SEES),
    ("/beamtimes/11017405/scans/zanzibar_00001/curve.json", ON, NOT, NOT, SEES, SEES),
    ("/beamtimes/11017405/scans/zanzibar_00001/preview-7.png", ON, NOT, NOT, NOT, NOT),
    ("/beamtimes/11017405/scans/nothing/", ON, NOT, NOT, NOT, NOT),
    ("/beamtimes/11017404/", ON, NOT, SEES, NOT, SEES),
    ("/beamtimes/11017404/scans/marmot_00001/curve.json", ON, NOT, SEES, NOT, SEES),
    (f"/beamtimes/{ABSENT}/", ON, NOT, NOT, NOT, NOT),
    ("/beamtimes/", ON, NOT, NOT, NOT, NOT),
    ("/go/11017405", ON, NOT, NOT, ON, ON),
    ("/go/I-20239999", ON, NOT, NOT, ON, ON),
    ("/go/20239999.11017405", ON, NOT, NOT, ON, ON),
    ("/go/zanzibar_00001", ON, NOT, NOT, ON, ON),
    ("/go/zanzibar", ON, NOT, NOT, ON, ON),
    ("/go/scan:11017405/zanzibar_00001", ON, NOT, NOT, ON, ON),
    ("/go/dataset:11017405/zanzibar", ON, NOT, NOT, ON, ON),
    ("/go/asap3/p08/2023/data/11017405/raw/zanzibar_00001.fio", ON, NOT, NOT, ON, ON),
    ("/go/", ON, NOT, NOT, NOT, NOT),
    ("/nothing", ON, NOT, NOT, NOT, NOT),
    ("/robots.txt", SEES, SEES, SEES, SEES, SEES),
    ("/sitemap.xml", SEES, SEES, SEES, SEES, SEES),
    ("/invited", SEES, SEES, SEES, SEES, SEES),
    ("/account", ON, SEES, SEES, SEES, SEES),
    ("/beamtimes/11017405/access", ON, NOT, NOT, SEES, SEES),
    ("/beamtimes/11017405/access/", ON, NOT, NOT, NOT, NOT),
    ("/beamtimes/11017405/access/invite", ON, NOT, NOT, NOT, NOT),  # these four are there to be posted to
    ("/beamtimes/11017405/access/revoke", ON, NOT, NOT, NOT, NOT),
    ("/beamtimes/11017405/access/open", ON, NOT, NOT, NOT, NOT),
    ("/beamtimes/11017405/access/close", ON, NOT, NOT, NOT, NOT),
    ("/beamtimes/11017404/access", ON, NOT, SEES, NOT, SEES),
    ("/api/access/11017404", 401, NOT, SEES, NOT, SEES),
    ("/api/access/11017405", 401, NOT, NOT, SEES, SEES),
    ("/staff", ON, NOT, NOT, NOT, SEES),
    ("/staff/log", ON, NOT, NOT, NOT, SEES),
    ("/staff/nothing", ON, NOT, NOT, NOT, NOT),
    ("/sign-in/oidc", NOT, NOT, NOT, NOT, NOT),  # there is no provider here
    ("/sign-in/oidc/callback?state=x&code=y", NOT, NOT, NOT, NOT, NOT),
    ("/cart/download", ON, ON, ON, ON, ON),  # of an empty cart: on to the cart
    ("/search?q=zanzibar&format=csv", ON, SEES, SEES, SEES, SEES),
    ("/api/search?q=zanzibar", 401, SEES, SEES, SEES, SEES),
    ("/api/search?q=zanzibar&format=csv", 401, SEES, SEES, SEES, SEES),
    ("/api/suggest?text=zanzibar", 401, SEES, SEES, SEES, SEES),
    ("/api/cart", 401, SEES, SEES, SEES, SEES),
    ("/api/session", 401, SEES, SEES, SEES, SEES),
    ("/api/nothing", 401, NOT, NOT, NOT, NOT),
    ("/api/health", SEES, SEES, SEES, SEES, SEES),
    ("/openapi.json", SEES, SEES, SEES, SEES, SEES),
)

POSTED_BY_STAFF = (
    "/staff/add",
    "/staff/password",
    "/staff/groups",
    "/staff/sign-out",
    "/staff/remove",
    "/staff/revoke",
)

OF_BERT = sorted({row[0] for row in MATRIX if row[3] == NOT and row[4] in (SEES, ON)})


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: row[0])
def test_everybody_gets_what_the_table_says(running: Running, row: tuple[str, int, int, int, int, int]) -> None:
    running.catalogue.carts.clear("bert")
    address, *expected = row
    assert [running.client(name).get(address).status_code for name in PEOPLE] == expected


def test_the_table_names_every_route() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, Route)]
    paths = [address.partition("?")[0] for address, *_ in MATRIX]
    not_asked = {route.path for route in routes if not any(route.path_regex.match(path) for path in paths)}
    assert len(routes) > 20
    assert not_asked == {"/sign-out", "/cart/add", "/cart/remove", "/cart/clear", *POSTED_BY_STAFF, "/account/password"}


def answer_of(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """Give all of an answer but the time of day."""
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "date")
    return answer.status_code, headers, answer.content


@pytest.mark.parametrize("address", POSTED_BY_STAFF)
@pytest.mark.parametrize("name", [None, "nora", "anna", "bert"])
def test_what_staff_post_is_not_there_for_others(running: Running, name: str | None, address: str) -> None:
    client = running.client(name)
    before = running.catalogue.audit.last(1), running.catalogue.accounts.all(), running.catalogue.invitations.all()
    data = {"name": "bert", "groups": "staff", "id": "1"}
    answer = answer_of(client.post(address, data=data))
    assert answer[0] == (ON if name is None else NOT)
    if name is not None:
        assert answer == answer_of(client.post("/staff/nothing", data=data))
    odd = client.post(address, content=b"{}", headers={"Content-Type": "application/json"})
    assert odd.status_code == answer[0]
    assert before == (
        running.catalogue.audit.last(1),
        running.catalogue.accounts.all(),
        running.catalogue.invitations.all(),
    )


@pytest.mark.parametrize("deed", ["invite", "revoke", "open", "close"])
@pytest.mark.parametrize("name", [None, "nora", "anna"])
def test_who_sees_a_beamtime_is_said_by_its_own_alone(running: Running, name: str | None, deed: str) -> None:
    client = running.client(name)
    made, _ = running.catalogue.invitations.create("11017405", by="bert")
    before = running.catalogue.invitations.all()
    data = {"gives": "read", "days": "3", "devices": "1", "id": str(made.id)}
    answers = [client.post(f"/beamtimes/{id}/access/{deed}", data=data) for id in ("11017405", ABSENT)]
    assert {answer.status_code for answer in answers} == {ON if name is None else NOT}
    if name is not None:
        assert answer_of(answers[0]) == answer_of(answers[1])
    assert running.catalogue.invitations.all() == before
    assert not running.catalogue.is_open("11017405")


@pytest.mark.parametrize("address", OF_BERT)
def test_forbidden_and_absent_are_the_same_bytes(running: Running, address: str) -> None:
    anna = running.client("anna")
    absent = address.replace("11017405", ABSENT).replace("20239999", "20210000").replace("zanzibar", "nowhere")
    assert absent != address
    nothing = "/api/nothing" if address.startswith("/api/") else "/nothing"
    assert answer_of(anna.get(address)) == answer_of(anna.get(absent)) == answer_of(anna.get(nothing))


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_tell_nothing_either(running: Running, method: str) -> None:
    anna = running.client("anna")
    for address in OF_BERT:
        absent = address.replace("11017405", ABSENT).replace("20239999", "20210000").replace("zanzibar", "nowhere")
        assert answer_of(anna.request(method, address)) == answer_of(anna.request(method, absent))


WORDS = {"zanzibar": "quokkas8", "11017405": ABSENT, "20239999": "20210000"}
"""Words of Bert's beamtime, and words as long that stand nowhere."""


@pytest.mark.parametrize("name", [None, "nora", "anna"])
def test_no_word_of_a_beamtime_reaches_who_may_not_read_it(running: Running, name: str | None) -> None:
    client = running.client(name)
    addresses = [row[0] for row in MATRIX if not any(word in row[0] for word in WORDS)]
    addresses += ["/search?level=scan&per_page=100", "/api/search?level=scan&per_page=100", "/api/search?sort=sample"]
    addresses += ["/api/search?level=scan&format=csv", "/api/search?format=csv&sort=-positioner.marmot"]
    addresses += [f"/api/suggest?text={text}" for text in ("", "z", "za", "1", "2", "zan", "%22")]
    addresses += [f"/api/suggest?facet={facet.name}&most=50" for facet in FACETS]
    addresses += ["/api/search?q=-marmot", "/api/search?q=NOT+marmot", "/api/search?year=2023&level=scan&q=ascan"]
    for address in addresses:
        answer = client.get(address)
        told = f"{answer.headers} {answer.text}".lower()
        assert not any(word in told for word in WORDS), address


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    "address",
    [
        "/api/search?q={}",
        "/api/search?level=scan&q={}*",
        "/api/search?sample={}",
        "/search?beamtime={}",
        "/api/search?format=csv&q={}",
        "/api/suggest?text={}",
        "/api/suggest?text={}&facet=sample",
    ],
)
def test_asking_for_a_word_of_others_is_as_asking_for_a_word_nobody_wrote(
    running: Running, address: str, word: str
) -> None:
    def told(asked: str) -> str:
        text = running.client("anna").get(address.format(asked)).text
        return re.sub(r'"took_ms":[0-9.e-]+| in [^<]*ms', "", text).replace(asked, "")

    assert told(word) == told(WORDS[word])


@pytest.mark.parametrize("q", ["zanzibar", "zanzi*", "sample:zanzibar", "11017405", "NOT marmot", ""])
def test_hits_totals_and_facet_counts_are_of_what_the_caller_may_read(running: Running, q: str) -> None:
    found = running.client("anna").get("/api/search", params={"q": q, "level": "scan"}).json()
    assert {hit["beamtime"] for hit in found["hits"]} <= {"11017404"}
    assert found["total"] == len(found["hits"])
    for name, counts in found["facets"].items():
        assert all(each["count"] <= 2 for each in counts), name
        assert {each["value"] for each in counts}.isdisjoint({"zanzibar", "11017405", "20239999"}), name


def test_staff_find_everything(running: Running) -> None:
    found = running.client("sam").get("/api/search", params={"level": "scan"}).json()
    assert {hit["beamtime"] for hit in found["hits"]} == {"11017404", "11017405"}


def test_the_home_page_lists_what_one_may_see_newest_first(running: Running) -> None:
    def listed(name: str) -> list[str]:
        page = running.client(name).get("/").text
        return list(dict.fromkeys(re.findall(r"/beamtimes/(\d+)/", page)))

    assert [listed(name) for name in ("nora", "anna", "sam")] == [[], ["11017404"], ["11017405", "11017404"]]


def test_problems_are_told_to_those_they_concern(running: Running) -> None:
    pages = {name: running.client(name).get("/status").text for name in ("nora", "anna", "bert", "sam")}
    assert {name: "broken_marmot" in page for name, page in pages.items()} == {
        "nora": False,
        "anna": True,
        "bert": False,
        "sam": True,
    }
    assert "broken_zanzibar" in pages["bert"]
    assert "broken_zanzibar" in pages["sam"]


def test_what_is_newer_on_disk_is_told_to_those_it_concerns(running: Running) -> None:
    status = running.catalogue.places.status
    report = json.loads(status.read_bytes())
    report["newer_on_disk"] = {"11017404": ["fresh_marmot.fio"], "11017405": ["fresh_zanzibar.fio"]}
    status.write_text(json.dumps(report))
    pages = {name: running.client(name).get("/status").text for name in ("nora", "anna", "bert", "sam")}
    shown = {name: ("fresh_marmot" in page, "fresh_zanzibar" in page) for name, page in pages.items()}
    assert shown == {"nora": (False, False), "anna": (True, False), "bert": (False, True), "sam": (True, True)}
    assert "11017405" not in pages["anna"]


def test_groups_taken_away_count_at_the_next_request(running: Running) -> None:
    accounts = running.catalogue.accounts
    carl = running.new_person("carl", ["11017405-part"])
    assert carl.get("/beamtimes/11017405/").status_code == 200
    accounts.set_groups("carl", [])
    assert carl.get("/beamtimes/11017405/").status_code == 404
    assert carl.get("/api/search", params={"q": "zanzibar"}).json()["total"] == 0


def test_a_beamtime_whose_record_names_other_groups_is_closed_at_the_next_request(running: Running) -> None:
    path = running.catalogue.places.beamtime_record("11017405")
    before = path.read_bytes()
    bert = running.client("bert")
    try:
        path.write_bytes(
            before.replace(b'"id":"11017405"', b'"id":"11017405","access_groups":["x"],"owner_groups":["x"]')
        )
        assert bert.get("/beamtimes/11017405/").status_code == 404
        path.write_bytes(before.replace(b'"id":"11017405"', b'"id":"11017404"'))
        assert running.client("anna").get("/beamtimes/11017405/").status_code == 404
        path.write_bytes(b"{")
        assert bert.get("/beamtimes/11017405/").status_code == 404
    finally:
        path.write_bytes(before)
    assert bert.get("/beamtimes/11017405/").status_code == 200


def test_a_cart_takes_only_what_its_owner_may_read(running: Running) -> None:
    anna = running.client("anna")
    running.catalogue.carts.clear("anna")
    for key in ("scan:11017405/zanzibar_00001", "dataset:11017405/zanzibar"):
        absent = key.replace("11017405", ABSENT)
        refused = [answer_of(anna.post("/cart/add", data={"key": one})) for one in (key, absent, "no key at all")]
        assert refused[0] == refused[1] == refused[2]
        assert refused[0][0] == 404
        answer = anna.post("/api/cart", json={"add": [key, absent]}).json()
        assert answer["not_found"] == [key, absent]
        assert answer["keys"] == []


def test_what_one_may_no_longer_read_is_neither_in_the_cart_nor_in_the_tar(running: Running) -> None:
    dora = running.new_person("dora", ["11017404-part", "11017405-part"])
    keys = ["dataset:11017404/marmot", "dataset:11017405/zanzibar"]
    assert dora.post("/api/cart", json={"add": keys}).json()["keys"] == keys
    assert "zanzibar" in dora.get("/cart").text
    running.catalogue.accounts.set_groups("dora", ["11017404-part"])
    assert dora.get("/api/cart").json()["keys"] == keys[:1]
    assert dora.get("/api/session").json()["cart"] == 1
    assert "zanzibar" not in dora.get("/cart").text
    packed = dora.get("/cart/download").content
    assert b"zanzibar" not in packed
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert "11017404/raw/marmot_00001.fio" in tar.getnames()


@pytest.mark.parametrize(
    ("anything", "address"),
    [
        ("11017405", "/beamtimes/11017405/"),
        ("11017405/", "/beamtimes/11017405/"),
        ("20239999", "/beamtimes/11017405/"),
        ("i-20239999", "/beamtimes/11017405/"),
        ("20239999.11017405", "/beamtimes/11017405/"),
        ("scan:11017405/zanzibar_00001", page_address("scan:11017405/zanzibar_00001")),
        ("dataset:11017405/zanzibar", page_address("dataset:11017405/zanzibar")),
        ("11017405/zanzibar_00002", page_address("scan:11017405/zanzibar_00002")),
        ("zanzibar_00002", page_address("scan:11017405/zanzibar_00002")),
        ("zanzibar", page_address("dataset:11017405/zanzibar")),
        ("/asap3/p08/2023/data/11017405", "/beamtimes/11017405/"),
        ("11017405/raw/", "/beamtimes/11017405/"),
        ("/asap3/p08/2023/data/11017405/raw/zanzibar_00001.fio", page_address("scan:11017405/zanzibar_00001")),
        ("11017405/raw/zanzibar_00001/eiger4m/x_000001.h5", page_address("scan:11017405/zanzibar_00001")),
    ],
)
def test_go_finds_the_page_of_whatever_one_has_in_hand(running: Running, anything: str, address: str) -> None:
    answer = running.client("sam").get(f"/go/{anything}")
    assert (answer.status_code, answer.headers.get("location")) == (303, address)


@pytest.mark.parametrize(
    "anything", ["zanzibar_00003", "11017405/raw/nothing.fio", "110174", "scan:11017404/zanzibar_00001"]
)
def test_go_to_what_is_not_there_is_the_same_404(running: Running, anything: str) -> None:
    sam = running.client("sam")
    assert answer_of(sam.get(f"/go/{anything}")) == answer_of(sam.get("/nothing"))
