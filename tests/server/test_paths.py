"""Path tricks, sent as raw bytes over a socket: all get the answer of what is not there."""

import posixpath
from urllib.parse import unquote

import pytest

from catalog_builder.server.gate import is_clean

from .conftest import Raw, Running

B = b"11017405"
TRICKS = [
    b"/beamtimes/11017404/../11017405/",
    b"/beamtimes/11017404/../11017405/index.html",
    b"/beamtimes/11017404/..//11017405/",
    b"/beamtimes/11017404/%2e%2e/11017405/",
    b"/beamtimes/11017404/%2E%2E/11017405/",
    b"/beamtimes/11017404/.%2e/11017405/",
    b"/beamtimes/11017404/..%2f11017405/",
    b"/beamtimes/11017404/..%2F11017405%2Findex.html",
    b"/beamtimes/11017404/%2e%2e%2f11017405/",
    b"/beamtimes/11017404/%252e%252e/11017405/",
    b"/beamtimes/11017404/%252e%252e%252f11017405/",
    b"/beamtimes/11017404/..%255c11017405/",
    b"/beamtimes/11017404/..\\11017405\\",
    b"/beamtimes/11017404/..%5c11017405/",
    b"/beamtimes/11017404%2f..%2f11017405/",
    b"/beamtimes/11017404/%c0%ae%c0%ae/11017405/",
    b"/beamtimes/11017404/%u002e%u002e/11017405/",
    b"/beamtimes/11017404/;/../11017405/",
    b"/beamtimes/11017404/..;/11017405/",
    b"/beamtimes/11017404/scans/../../11017405/",
    b"/beamtimes/11017404/scans/..%2f..%2f..%2f11017405%2fzanzibar_00001/preview.png",
    b"/beamtimes/11017404/scans/../../../11017405/zanzibar_00001/preview.png",
    b"/beamtimes/11017404/scans/marmot_00001%00/",
    b"/beamtimes/11017405%00/",
    b"/beamtimes/11017405%00.png",
    b"/beamtimes/11017405%20/",
    b"/beamtimes/%20" + B + b"/",
    b"/beamtimes/11017405%0a/",
    b"/beamtimes/11017405%0d%0aX-Header:%20x/",
    b"/beamtimes/11017404/./",
    b"/beamtimes/11017404/scans/../",
    b"/beamtimes/11017404//",
    b"/beamtimes/./11017405/",
    b"/beamtimes//11017405/",
    b"//beamtimes/11017405/",
    b"/./beamtimes/11017405/",
    b"/beamtimes/11017405/./",
    b"/beamtimes/" + b"A" * 5000 + b"/",
    b"/beamtimes/11017405/" + b"../" * 50 + b"etc/passwd",
    b"/Beamtimes/11017405/",
    b"/beamtimes/../../records/11017405/beamtime.json",
    b"/beamtimes/..%2f..%2f..%2frecords%2f11017405%2fbeamtime.json",
    b"/assets/../beamtimes/11017405/",
    b"/assets/..%2fbeamtimes/11017405/",
    b"/assets/%2e%2e/templates/base.html",
    b"/assets/..%2ftemplates%2fbase.html",
    b"/assets/../../catalog_builder/cli.py",
    b"/assets//etc/passwd",
    b"/assets/%2fetc%2fpasswd",
    b"/sign-in/../beamtimes/11017405/",
    b"/sign-in%2f..%2fbeamtimes/11017405/",
    b"/go/../beamtimes/11017405/",
    b"/go/%2e%2e/beamtimes/11017405/",
    b"/go/..%2fbeamtimes%2f11017405/",
    b"/go/11017405%00",
    b"/go/scan:11017404/..%2f11017405%2fzanzibar_00001",
    b"/help/../beamtimes/11017405/",
    b"/help/..%2f..%2fbase",
    b"http://127.0.0.1/beamtimes/11017405/",
    b"/beamtimes/11017404/.git/config",
    b"/beamtimes/11017404/datasets/marmot/.new-abc",
]


def refused_by_nginx(running: Running, target: bytes, answer: Raw) -> bool:
    """Tell whether nginx itself refused what no browser sends: no letters, or above the root; always in one way."""
    odd = b"%00" in target or b"%u" in target or posixpath.normpath("/x" + unquote(target.decode()))[:3] != "/x/"
    return running.tls is not None and odd and answer == running.raw(b"/%00")


@pytest.mark.parametrize("target", TRICKS, ids=lambda target: target[:60].decode("latin-1"))
def test_a_trick_is_answered_as_what_is_not_there(running: Running, target: bytes) -> None:
    cookie = running.cookie("anna")
    answer = running.raw(target, cookie)
    if not refused_by_nginx(running, target, answer):
        assert answer == running.raw(b"/nothing", cookie)
        assert answer.status == 404


@pytest.mark.parametrize("target", TRICKS, ids=lambda target: target[:60].decode("latin-1"))
def test_signed_out_a_trick_leads_to_sign_in_or_nowhere(running: Running, target: bytes) -> None:
    answer = running.raw(target)
    if not refused_by_nginx(running, target, answer):
        assert answer.status == 303
        assert answer.content == b""


@pytest.mark.parametrize("target", [b"no-slash", b"*", b"/beamtimes/11017405/ HTTP/1.1\r\nX: y", b"/\xff\xfe"])
def test_what_is_no_request_gets_nothing(running: Running, target: bytes) -> None:
    answer = running.raw(target, running.cookie("bert"))
    assert answer.status in (400, 404) or b"11017405/ HTTP" in target
    assert b"passwd" not in answer.content


@pytest.mark.parametrize(
    "below",
    [
        f"{folder}{name}{end}"
        for folder in ("", "scans/", "datasets/")
        for name in ("a:b", "n" * 300)
        for end in ("", "/", "/preview.png", "/curve.json", "/index.html", "/scan.json")
    ],
)
def test_a_name_the_disk_cannot_hold_is_not_there(running: Running, below: str) -> None:
    cookie = running.cookie("anna")
    assert running.raw(f"/beamtimes/11017404/{below}".encode(), cookie) == running.raw(b"/nothing", cookie)


@pytest.mark.parametrize("name", ["n" * 300 + ".css", "n" * 300 + ".css?v=0123456789"])
def test_an_asset_of_a_name_the_disk_cannot_hold_is_not_there(running: Running, name: str) -> None:
    assert running.raw(f"/assets/{name}".encode()).status == 404


def test_a_name_spelt_with_escapes_that_mean_the_same_is_found(running: Running) -> None:
    cookie = running.cookie("anna")
    assert running.raw(b"/beamtimes/%31%31017404/", cookie).status == 200


def test_a_link_in_the_site_that_leads_out_is_not_followed(running: Running) -> None:
    places = running.catalogue.places
    ours = places.site / "beamtimes" / "11017404" / "scans"
    links = {
        ours / "linked": places.site / "beamtimes" / "11017405" / "scans" / "zanzibar_00001",
        places.previews / "11017404" / "linked": places.previews / "11017405" / "zanzibar_00001",
    }
    anna = running.client("anna")
    for link, target in links.items():
        link.symlink_to(target)
    try:
        for name in ("", "index.html", "scan.json", "preview.png", "curve.json"):
            assert anna.get(f"/beamtimes/11017404/scans/linked/{name}").status_code == 404
    finally:
        for link in links:
            link.unlink()


def test_a_dataset_that_names_a_main_scan_elsewhere_shows_no_picture_of_it(running: Running) -> None:
    folder = running.catalogue.places.site / "beamtimes" / "11017404" / "datasets"
    document = folder / "marmot" / "dataset.json"
    before = document.read_bytes()
    try:
        for scan in (b"scan:11017405/zanzibar_00001", b"scan:11017404/..", b"x"):
            document.write_bytes(
                before.replace(b"scan:11017404/marmot_00002", scan).replace(b"scan:11017404/marmot_00001", scan)
            )
            assert running.client("anna").get("/beamtimes/11017404/datasets/marmot/preview.png").status_code == 404
    finally:
        document.write_bytes(before)
    assert running.client("anna").get("/beamtimes/11017404/datasets/marmot/preview.png").status_code == 200


def test_files_the_build_did_not_mean_to_show_are_not_sent(running: Running) -> None:
    folder = running.catalogue.places.site / "beamtimes" / "11017404"
    names = ("notes.txt", "evil.svg", ".new-half.html", "core", "x.html")
    anna = running.client("anna")
    for name in names:
        (folder / name).write_text("<script>alert(1)</script>")
    try:
        assert {anna.get(f"/beamtimes/11017404/{name}").status_code for name in names} == {404}
    finally:
        for name in names:
            (folder / name).unlink()


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("/", True),
        ("/beamtimes/11017404/scans/feosto230127.dat~289.1/", True),
        ("/beamtimes/11017404/datasets/a=20b/", True),
        ("/go/scan:11017404/x", True),
        ("/go/%C3%9Cberblick%201", True),
        ("/go//asap3/x.fio", True),
        ("/a//b", False),
        ("/a/../b", False),
        ("/a/.../b", False),
        ("/a%2Fb", False),
        ("/a%00", False),
        ("", False),
    ],
)
def test_only_a_path_with_one_meaning_is_clean(raw: str, clean: bool) -> None:
    assert is_clean(raw.encode("latin-1"), unquote(raw)) is clean
