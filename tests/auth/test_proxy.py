"""What a proxy's headers say, and when they say nothing."""

from pathlib import Path

import pytest

from catalog_builder.auth.proxy import ProxyHeaders
from catalog_builder.config import ProxySettings

SECRET = "a secret of the proxy"
USER, GROUPS, PROOF = b"x-remote-user", b"x-remote-groups", b"x-proxy-secret"
PROVEN = (PROOF, SECRET.encode())


def headers(*, secret: str | None = SECRET) -> ProxyHeaders:
    return ProxyHeaders(ProxySettings(groups_header="X-Remote-Groups", secret_file=Path("secret")), secret)


def test_a_name_and_groups_are_read() -> None:
    person = headers().person([PROVEN, (USER, "  björn ".encode()), (GROUPS, b"11-dmgt, staff,two words,,")])
    assert person is not None
    assert (person.issuer, person.subject, person.groups) == ("proxy", "björn", frozenset({"11-dmgt", "staff"}))


def test_over_a_socket_no_secret_is_needed() -> None:
    person = headers(secret=None).person([(USER, b"anna")])
    assert person is not None
    assert (person.subject, person.groups) == ("anna", frozenset())


@pytest.mark.parametrize(
    "given",
    [
        [],
        [PROVEN],
        [(USER, b"anna")],
        [(USER, b"anna"), (PROOF, b"wrong")],
        [(USER, b"anna"), (PROOF, b"")],
        [(USER, b"anna"), PROVEN, PROVEN],
        [(USER, b"anna"), PROVEN, (PROOF, b"wrong")],
        [(USER, b"anna"), (PROOF, SECRET.upper().encode())],
        [(USER, b"anna"), (b"x_proxy_secret", SECRET.encode())],
        [(USER, b"anna"), (USER, b"sam"), PROVEN],
        [(USER, b"anna"), (USER, b"anna"), PROVEN],
        [(b"x_remote_user", b"anna"), PROVEN],
        [(USER, b""), PROVEN],
        [(USER, b"  "), PROVEN],
        [(USER, b"\xff\xfe"), PROVEN],
        [(USER, b"an\x01na"), PROVEN],
        [(USER, b"x" * 256), PROVEN],
        [(USER, b"anna"), (GROUPS, b"staff"), (GROUPS, b"11-dmgt"), PROVEN],
        [(USER, b"anna"), (GROUPS, b"\xff"), PROVEN],
    ],
    ids=str,
)
def test_what_is_not_proven_or_not_plain_names_nobody(given: list[tuple[bytes, bytes]]) -> None:
    assert headers().person(given) is None
