"""Settings of the ways in that lead elsewhere: what is missing is named before anything starts."""

import json
from pathlib import Path
from typing import Any

import pytest

from catalog_builder import config
from catalog_builder.auth.oidc import OIDC
from catalog_builder.config import ConfigError, Settings
from catalog_builder.errors import CatalogError

GOOD: dict[str, Any] = {
    "issuer": "https://login.example",
    "client_id": "c",
    "client_secret_variable": "CATBUILD_SECRET",
}
PUBLIC = {"public_address": "https://catalogue.example/"}


def loaded(folder: Path, auth: dict[str, Any], server: dict[str, Any] | None = None) -> Settings:
    path = folder / "site_config.yaml"
    document = {"beamtimes": {"roots": ["data"]}, "server": server or {}, "auth": auth}
    path.write_text(json.dumps(document), encoding="utf-8")
    return config.load(path)


def test_a_provider_is_made_of_good_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(tmp_path, {"methods": ["oidc"], "oidc": GOOD}, PUBLIC)
    assert settings.server.public_address == "https://catalogue.example"
    with pytest.raises(CatalogError, match="the environment has no 'CATBUILD_SECRET'"):
        OIDC.provider(settings)
    monkeypatch.setenv("CATBUILD_SECRET", "16 plain letters")
    assert OIDC.provider(settings).issuer == "https://login.example"


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"issuer": None}, "auth.oidc.issuer: to sign in by oidc, issuer is needed"),
        ({"client_id": None}, "auth.oidc.client_id: to sign in by oidc, client_id is needed"),
        ({"client_secret_variable": None}, "either client_secret_file or client_secret_variable is needed"),
        ({"client_secret_file": "secret"}, "either client_secret_file or client_secret_variable is needed"),
        ({"client_secret": "in the clear"}, "unknown setting 'client_secret' in 'auth.oidc'"),
        ({"issuer": "http://login.example"}, "'http://login.example' is not protected; write it with https://"),
        ({"issuer": "login.example"}, "'login.example' is not an address"),
        ({"issuer": "https://login.example:99999"}, "is not an address"),
        ({"issuer": "https://u:p@login.example"}, "is not an address"),
        ({"issuer": "https://["}, "is not an address"),
        ({"scopes": ["profile"]}, "auth.oidc.scopes: openid is missing"),
    ],
    ids=str,
)
def test_what_is_wrong_with_the_provider_is_named(tmp_path: Path, changed: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, {"methods": ["oidc"], "oidc": {**GOOD, **changed}}, PUBLIC)
    assert fault in str(caught.value)


def test_without_any_settings_what_is_needed_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, {"methods": ["oidc", "local"]})
    for name in ("issuer", "client_id", "client_secret_file"):
        assert f"{name} is needed" in str(caught.value) or f"either {name}" in str(caught.value)


@pytest.mark.parametrize(
    ("server", "fault"),
    [
        ({}, "server.public_address is needed"),
        ({"public_address": "http://catalogue.example"}, "is not protected"),
        ({"public_address": "https://host.example/catalogue"}, "has a path"),
    ],
    ids=str,
)
def test_the_address_people_type_is_needed(tmp_path: Path, server: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        loaded(tmp_path, {"methods": ["oidc"], "oidc": GOOD}, server)


def test_a_header_that_anybody_could_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"anybody could write the proxy's header; name a secret_file, or listen at"):
        loaded(tmp_path, {"methods": ["proxy"]})
    assert loaded(tmp_path, {"methods": ["proxy"]}, {"socket": "run/socket"}).server.socket == tmp_path / "run/socket"
    assert loaded(tmp_path, {"methods": ["proxy"], "proxy": {"secret_file": "secret"}}).auth.proxy.groups_header is None


@pytest.mark.parametrize("name", ["Cookie", "host", "X Remote", "X_Remote_User", "a:b", ""])
def test_a_header_that_means_something_else_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"auth\.proxy\.header"):
        loaded(tmp_path, {"proxy": {"header": name}})
