"""OpenID Connect: the authorization code flow with PKCE, and what an ID token proves (OpenID Connect Core 1.0).

Knows the provider's documents, tokens and claims; does not know browsers, cookies or what anybody may see.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeGuard
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from catalog_builder.auth import CALLBACK
from catalog_builder.auth.arrivals import NotAdmitted, NotBelieved, Person, ProviderDown, groups_of
from catalog_builder.auth.secret import checked, secret_in
from catalog_builder.config import LOOPBACK, OidcSettings, Settings
from catalog_builder.errors import CatalogError
from catalog_builder.logins import Login

logger = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Signatures that are believed: by the provider's private keys; ``none`` and shared secrets (HS256, ...) never."""

LEEWAY_SECONDS = 60
"""How far the provider's clock may be from ours."""
DOCUMENTS_HOLD_SECONDS = 3600.0
DOWN_FOR_SECONDS = 5.0
"""A provider that did not answer is not asked again for so long: many wait, and each for its timeout."""

_TIMEOUT = httpx.Timeout(10, connect=5)
_LARGEST_ANSWER = 1 << 20
_LONGEST_SUBJECT = 255
_KEY_TYPES = ("RSA", "EC", "OKP")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Endpoints:
    """What the discovery document says (OpenID Connect Discovery 1.0, section 3)."""

    authorization: str
    token: str
    keys: str
    user_info: str | None
    secret_in_header: bool
    """Whether the client proves itself by HTTP Basic, else in the form."""
    names_itself: bool
    """Whether it says who it is when it sends people back (RFC 9207)."""


class OpenIdProvider:
    """A provider, with what it has said of itself.

    Parameters
    ----------
    home
        Address of this site, without a slash at its end.
    secret
        The client's secret.
    clock
        Tells seconds since 1970.
    """

    def __init__(
        self, settings: OidcSettings, home: str, secret: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self.issuer = settings.issuer or ""
        self.label = settings.label
        self._client_id = settings.client_id or ""
        self._secret = secret
        self._back = f"{home}{CALLBACK}"
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, _Endpoints] | None = None
        self._keys: tuple[float, list[Json]] | None = None
        self._down_until = 0.0

    def address(self, login: Login, state: str) -> str:
        """Give the address to send somebody to; raises ProviderDown."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(login.verifier.encode()).digest()).rstrip(b"=")
        endpoint = self._endpoints().authorization
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._back,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": login.nonce,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        if login.shared_computer:
            asked["prompt"] = "login"  # who sits there now, not who was signed in at the provider before
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"

    def refuse_other_issuer(self, stated: str | None) -> None:
        """Raise NotBelieved where who sends somebody back says it is another, or should say who it is and does not."""
        if stated is None and not self._endpoints().names_itself:
            return
        if stated != self.issuer:
            raise NotBelieved("the answer is another issuer's")

    def person(self, login: Login, code: str) -> Person:
        """Give who came back with a code; raises ProviderDown, NotBelieved or NotAdmitted."""
        tokens = self._tokens(login, code)
        id_token = tokens.get("id_token")
        if not isinstance(id_token, str):
            raise NotBelieved("the provider gave no ID token", remedy="let the client ask for the scope openid")
        claims = dict(self._verified(id_token))
        self._check(claims, login.nonce)
        claims = {**self._user_info(tokens, claims), **claims}
        person = Person(
            issuer=self.issuer,
            subject=str(claims["sub"]),
            names=_texts(claims, "preferred_username", "email", "nickname", "sub"),
            display_name=next(iter((*_texts(claims, "name"), *_texts(claims, "preferred_username", "email"))), ""),
            groups=groups_of(_at(claims, self._settings.groups_claim)),
        )
        if _at(claims, self._settings.groups_claim) is None:
            logger.warning("%s says nothing by the claim %s", self.issuer, self._settings.groups_claim)
        if self._settings.allowed_groups and not person.groups & set(self._settings.allowed_groups):
            raise NotAdmitted("this account is in none of the groups that are let in")
        return person

    # What it says

    def _tokens(self, login: Login, code: str) -> Json:
        endpoints = self._endpoints()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": login.verifier,
        }
        headers = {}
        if endpoints.secret_in_header:  # both parts as a form writes them (RFC 6749, section 2.3.1)
            pair = f"{quote_plus(self._client_id)}:{quote_plus(self._secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client_id, "client_secret": self._secret}
        return self._asked("POST", endpoints.token, headers=headers, form=form)

    def _user_info(self, tokens: Json, claims: Json) -> Json:
        """Give what the provider says beside the ID token, where that does not say all; never of somebody else."""
        endpoint, token = self._endpoints().user_info, tokens.get("access_token")
        wanted = (_at(claims, self._settings.groups_claim), claims.get("preferred_username"))
        if endpoint is None or not isinstance(token, str) or None not in wanted:
            return {}
        said = self._asked("GET", endpoint, headers={"Authorization": f"Bearer {token}"})
        if said.get("sub") != claims["sub"]:
            raise NotBelieved("the provider speaks of two people")
        return said

    def _verified(self, id_token: str) -> Json:
        """Give the claims of a token that one of the provider's keys has signed."""
        for fresh in (False, True):  # a key it does not know may be new: the provider is asked once more
            for key in self._candidates(id_token, fresh=fresh):
                try:
                    return jwt.decode(id_token, key, algorithms=list(ALGORITHMS)).claims
                except (JoseError, ValueError, TypeError) as exc:  # TypeError: a key of another kind than the signature
                    logger.info("a key of %s does not fit an ID token (%s)", self.issuer, type(exc).__name__)
        raise NotBelieved("the ID token is not signed by the provider")

    def _candidates(self, id_token: str, *, fresh: bool) -> list[Key]:
        header = _header(id_token)
        if header.get("alg") not in ALGORITHMS:
            raise NotBelieved("the ID token's signature is of a kind that is not believed")
        kid = header.get("kid")
        chosen = [key for key in self._key_set(fresh=fresh) if kid is None or key.get("kid") == kid]
        keys = []
        for one in chosen:
            if one.get("kty") in _KEY_TYPES and one.get("use", "sig") == "sig":
                try:
                    keys.append(import_key(dict(one)))
                except (JoseError, ValueError, TypeError, KeyError) as exc:
                    logger.warning("a key of %s cannot be used (%s)", self.issuer, type(exc).__name__)
        return keys

    def _check(self, claims: Json, nonce: str) -> None:
        """Raise NotBelieved unless the claims are meant for this login (OpenID Connect Core 1.0, section 3.1.3.7)."""
        now, audience = self._clock(), claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        presenter = claims.get("azp", None if len(audiences) > 1 else self._client_id)
        subject, stated = claims.get("sub"), claims.get("nonce")
        ends, begun, holds = claims.get("exp"), claims.get("iat"), claims.get("nbf", now)
        faults = {
            "is another issuer's": claims.get("iss") != self.issuer,
            "is meant for others": self._client_id not in audiences,
            "was given to another client": presenter != self._client_id,
            "names nobody": not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT,
            "has expired": not _is_time(ends) or now >= ends + LEEWAY_SECONDS,
            "comes from the future": not _is_time(begun) or now < begun - LEEWAY_SECONDS,
            "does not hold yet": not _is_time(holds) or now < holds - LEEWAY_SECONDS,
            "is another login's": not isinstance(stated, str)
            or not hmac.compare_digest(stated.encode("utf-8", "replace"), nonce.encode()),
        }
        for fault, is_so in faults.items():
            if is_so:
                raise NotBelieved(f"the ID token {fault}")

    # Its documents

    def _endpoints(self) -> _Endpoints:
        with self._lock:
            now = time.monotonic()
            if self._known is not None and now - self._known[0] < DOCUMENTS_HOLD_SECONDS:
                return self._known[1]
        document = self._asked("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != self.issuer:
            raise NotBelieved(
                f"the provider calls itself {document.get('issuer')!r}, not {self.issuer!r}",
                where="auth.oidc.issuer",
                remedy="write the issuer exactly so, if that is the provider you mean",
            )
        endpoints = _Endpoints(
            authorization=_endpoint(document, "authorization_endpoint"),
            token=_endpoint(document, "token_endpoint"),
            keys=_endpoint(document, "jwks_uri"),
            user_info=_endpoint(document, "userinfo_endpoint") if "userinfo_endpoint" in document else None,
            secret_in_header="client_secret_basic"
            in document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]),
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        )
        with self._lock:
            self._known = now, endpoints
        return endpoints

    def _key_set(self, *, fresh: bool) -> list[Json]:
        with self._lock:
            now = time.monotonic()
            if not fresh and self._keys is not None and now - self._keys[0] < DOCUMENTS_HOLD_SECONDS:
                return self._keys[1]
        stated = self._asked("GET", self._endpoints().keys).get("keys")
        keys: list[Json] = [key for key in stated if isinstance(key, dict)] if isinstance(stated, list) else []
        with self._lock:
            self._keys = now, keys
        return keys

    def _asked(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Json:
        """Give what the provider answers, an object of JSON; raises ProviderDown or NotBelieved."""
        if time.monotonic() < self._down_until:
            raise ProviderDown("the provider did not answer a moment ago")
        try:
            with httpx.Client(verify=_tls(), timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as client:
                accept = {"Accept": "application/json", **(headers or {})}
                with client.stream(method, address, headers=accept, data=dict(form) if form else None) as answer:
                    content = _content(answer)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            self._down_until = time.monotonic() + DOWN_FOR_SECONDS
            raise ProviderDown(f"the provider cannot be reached ({type(exc).__name__})", where=address) from exc
        if answer.status_code >= 500:
            raise ProviderDown(f"the provider failed (status {answer.status_code})", where=address)
        try:
            said = json.loads(content)
        except ValueError as exc:
            raise NotBelieved("the provider answered with something that is no JSON", where=address) from exc
        if answer.status_code != httpx.codes.OK or not isinstance(said, dict):
            raise NotBelieved(f"the provider refused ({answer.status_code}, {_error(said)})", where=address)
        return said


class OpenIdConnect:
    """The way in through an OpenID provider."""

    def provider(self, settings: Settings) -> OpenIdProvider:
        """Give the provider the settings name; raises CatalogError where the client's secret cannot be had."""
        oidc = settings.auth.oidc
        home = settings.server.public_address
        if home is None:
            raise CatalogError("to sign in by oidc, the address people type is needed", where="server.public_address")
        return OpenIdProvider(oidc, home, _secret(oidc))


OIDC = OpenIdConnect()


def _secret(oidc: OidcSettings) -> str:
    if oidc.client_secret_file is not None:
        return secret_in(oidc.client_secret_file)
    variable = oidc.client_secret_variable or ""
    if variable not in os.environ:
        raise CatalogError(f"the environment has no {variable!r}", where="auth.oidc.client_secret_variable")
    return checked(os.environ[variable], f"${variable}")


@cache
def _tls() -> ssl.SSLContext:
    """Give what checks certificates: by the machine's authorities, a facility's own among them."""
    return ssl.create_default_context()


def _endpoint(document: Json, name: str) -> str:
    """Give an address of the discovery document; raises NotBelieved where it is none, or plain HTTP."""
    address = document.get(name)
    try:
        parts = urlsplit(address) if isinstance(address, str) else urlsplit("")
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname or (parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK)):
        raise NotBelieved(f"the provider's {name} is no address over TLS", where="auth.oidc.issuer")
    return str(address)


def _content(answer: httpx.Response) -> bytes:
    content = b""
    for piece in answer.iter_bytes():
        content += piece
        if len(content) > _LARGEST_ANSWER:
            raise NotBelieved("the provider's answer is too large", where=str(answer.url.copy_with(query=None)))
    return content


def _error(said: object) -> str:
    """Give the error's short name (RFC 6749, section 5.2), which holds no token."""
    error = said.get("error") if isinstance(said, dict) else None
    return error if isinstance(error, str) and len(error) < 100 and error.isprintable() else "no reason given"


def _header(token: str) -> Json:
    try:
        part = token.split(".")[0]
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError as exc:
        raise NotBelieved("the ID token is no token") from exc
    if not isinstance(header, dict):
        raise NotBelieved("the ID token is no token")
    return header


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12


def _at(claims: Json, path: str) -> object:
    """Give what a dotted path leads to, a claim of that very name first; None where there is nothing."""
    if path in claims:
        return claims[path]
    found: object = claims
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _texts(claims: Json, *names: str) -> tuple[str, ...]:
    return tuple(value for name in names if isinstance(value := claims.get(name), str) and value.strip())
