"""A proxy in front that knows who asks and says so in a header of each request.

Knows which headers are believed and why; does not know sockets, sessions or what anybody may see.
"""

import hmac
import logging
from dataclasses import dataclass

from catalog_builder.auth.arrivals import Person, groups_of
from catalog_builder.auth.secret import secret_in
from catalog_builder.config import ProxySettings, Settings
from catalog_builder.errors import CatalogError

logger = logging.getLogger(__name__)

ISSUER = "proxy"
"""What stands for the issuer of identities: there is one proxy."""

_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class ProxyHeaders:
    """The headers of a proxy; with a secret, they are believed where the proxy proves to know it."""

    settings: ProxySettings
    secret: str | None
    """None where everything comes over a Unix socket that the proxy alone can use."""

    def person(self, headers: list[tuple[bytes, bytes]]) -> Person | None:
        """Give who asks, by a request's headers as they came; None where nobody is named who can be believed.

        A header that comes twice is none: one of them is somebody else's than the proxy's.
        """
        named = _values(headers, self.settings.header)
        if not named:
            return None
        if self.secret is not None and not self._is_proven(_values(headers, self.settings.secret_header)):
            logger.warning("a request names somebody in %s and does not know the secret", self.settings.header)
            return None
        listed = _values(headers, self.settings.groups_header) if self.settings.groups_header else []
        name = _text(named[0]) if len(named) == 1 else None
        groups = "" if not listed else _text(listed[0]) if len(listed) == 1 else None
        if name is None or groups is None or not 0 < len(name) <= _LONGEST_NAME:
            logger.warning("a request names nobody or several people in %s", self.settings.header)
            return None
        return Person(
            issuer=ISSUER,
            subject=name,
            names=(name,),
            display_name=name,
            groups=groups_of([group.strip() for group in groups.split(",")]),
        )

    def _is_proven(self, given: list[bytes]) -> bool:
        return len(given) == 1 and hmac.compare_digest(given[0].strip(), (self.secret or "").encode())


class TrustedProxy:
    """The way in through a proxy."""

    def vouching(self, settings: Settings) -> ProxyHeaders:
        """Give what reads the headers the settings name; raises CatalogError where anybody could write them."""
        proxy = settings.auth.proxy
        if proxy.secret_file is None and settings.server.socket is None:
            remedy = "name a secret_file, or listen at a Unix socket (server.socket)"
            raise CatalogError("anybody could write the proxy's header", where="auth.proxy", remedy=remedy)
        return ProxyHeaders(proxy, None if proxy.secret_file is None else secret_in(proxy.secret_file))


PROXY = TrustedProxy()


def _values(headers: list[tuple[bytes, bytes]], name: str) -> list[bytes]:
    wanted = name.lower().encode()
    return [value for one, value in headers if one.lower() == wanted]


def _text(value: bytes) -> str | None:
    """Give a header's value as text; None where it is no plain text."""
    try:
        text = value.decode().strip()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None
