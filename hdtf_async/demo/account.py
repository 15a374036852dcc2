"""The full mock's account: the cookies of a signed-in user, and the proof of requests."""

from __future__ import annotations

import hashlib
import hmac
from enum import Enum
from http.cookies import CookieError, SimpleCookie

USER_SESSION = "117000000000000000042"
"""The account's id in the pages' configuration, which is part of each request's proof."""
_COOKIES = {
    "SID": "g.a000-mock-sid",
    "HSID": "mock-hsid",
    "SSID": "mock-ssid",
    "APISID": "mock-apisid/1",
    "SAPISID": "mock-sapisid/1",
    "__Secure-1PAPISID": "mock-sapisid/1",
    "__Secure-3PAPISID": "mock-sapisid/1",
    "__Secure-1PSID": "g.a000-mock-1psid",
    "__Secure-3PSID": "g.a000-mock-3psid",
    "LOGIN_INFO": "AFmmF2swRQIhAL-mock:QUQ3MjNmd",
}
COOKIES = "# Netscape HTTP Cookie File\n" + "".join(
    f".youtube.com\tTRUE\t/\tTRUE\t4102444800\t{name}\t{value}\n" for name, value in _COOKIES.items()
)
"""A cookies file of a signed-in user, as exported by a browser."""


class Visitor(Enum):
    """Who makes a request."""

    GUEST = "guest"
    ACCOUNT = "account"
    FORGED = "forged"
    """A client with the account's cookies, but without a valid proof."""


def of_page(cookies: str) -> Visitor:
    """Return who requests a page, which only requires cookies."""
    sent = _read(cookies)
    named = all(sent.get(name) == _COOKIES[name] for name in ("SAPISID", "LOGIN_INFO"))
    return Visitor.ACCOUNT if named else Visitor.GUEST


def of_request(cookies: str, authorization: str, origin: str) -> Visitor:
    """Return who makes an API request, for which each scheme of ``Authorization`` must be valid.

    A value is ``SCHEME time_sha1_u``: the digest of user, time, cookie and origin, separated by spaces.
    """
    if of_page(cookies) is Visitor.GUEST:
        return Visitor.GUEST
    fields = authorization.split()
    pairs = dict(zip(fields[::2], fields[1::2], strict=False))
    schemes = {"SAPISIDHASH": "SAPISID", "SAPISID1PHASH": "__Secure-1PAPISID"}
    schemes["SAPISID3PHASH"] = "__Secure-3PAPISID"
    proved = bool(pairs) and len(fields) % 2 == 0
    for scheme, value in pairs.items():
        time, _, rest = value.partition("_")
        digest, _, keys = rest.partition("_")
        parts = [USER_SESSION] if keys == "u" else []
        parts += [time, _COOKIES.get(schemes.get(scheme, ""), ""), origin]
        expected = hashlib.sha1(" ".join(parts).encode(), usedforsecurity=False).hexdigest()
        proved = proved and scheme in schemes and hmac.compare_digest(digest.encode(), expected.encode())
    return Visitor.ACCOUNT if proved else Visitor.FORGED


def _read(cookies: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(cookies).items()}
    except CookieError:
        return {}
