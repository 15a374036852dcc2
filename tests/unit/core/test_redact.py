"""Redaction of secrets: by pattern, or by value in any spelling."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.redact import (
    Mask,
    in_address,
    in_arguments,
    in_cookies,
    last_lines,
    without_secrets,
)

# By pattern


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("GET https://a.b/videoplayback?sig=1&x=2 bad", "GET https://a.b/videoplayback (signed address) bad"),
        ("https://a.b/initplayback/sig/1 x", "https://a.b/initplayback (signed address) x"),
        ("https://a.b/api/manifest/hls/1 x", "https://a.b/api/manifest (signed address) x"),
        ("http%3A%2F%2Fa%2Fvideoplayback%3Fx%3D1 x", "http%3A%2F%2Fa%2Fvideoplayback (signed address) x"),
        ("%2Fapi%2Fmanifest%2Fhls%2F1", "%2Fapi%2Fmanifest (signed address)"),
        ("x%3D1%26sig%3D12 %3Flsig%3D1", "x%3D1%26sig%3D*** %3Flsig%3D***"),
        ("the videoplayback of it", "the videoplayback of it"),
        ("via http://me:pass@host:1/x", "via http://***@host:1/x"),
        ("see http://host/a@b", "see http://host/a@b"),
        ("Cookie: a=b; c=d", "Cookie: ***"),
        ("{'Set-Cookie': 'SID=1; x'}", "{'Set-Cookie': ***"),
        ("proxy-authorization = Basic abc", "proxy-authorization = ***"),
        (r"'send: GET\nAuthorization: Bearer 1'", r"'send: GET\nAuthorization: ***"),
        ("cookies from a browser", "cookies from a browser"),
        ("a?sig=12;b=1", "a?sig=***;b=1"),
        ("lsig=12&signature=13", "lsig=***&signature=***"),
        ("pot=1 visitor_data=2 visitordata=3", "pot=*** visitor_data=*** visitordata=***"),
        ("po_token=1 token%3D2 data_sync_id=3", "po_token=*** token%3D*** data_sync_id=***"),
        ("password=3 passwd=4 secret=5", "password=*** passwd=*** secret=***"),
        ("spot=1 sigma=2", "spot=1 sigma=2"),
    ],
)  # fmt: skip
def test_texts_with_the_pattern_of_a_secret_are_hidden(text: str, kept: str) -> None:
    """The text around it is kept, because users need it to find the problem."""
    assert without_secrets(text) == kept
    assert without_secrets(text.upper()).count("***") == kept.count("***")


# By value


@pytest.mark.parametrize(
    "spelled",
    [
        "a /,\"c'd",
        "a%20/%2C%22c%27d", "a%20%2F%2C%22c%27d", "a+%2F%2C%22c%27d", "a /,\\\"c'd", "a /,\"c\\'d",
    ],
)  # fmt: skip
def test_a_value_is_hidden_in_every_spelling(spelled: str) -> None:
    """As in addresses, in JSON and in Python literals."""
    assert Mask(["a /,\"c'd"])(f"x {spelled} y{spelled}") == "x *** y***"


def test_a_percent_encoded_value_is_hidden_in_every_spelling() -> None:
    """A tool may print it in the decoded spelling."""
    assert Mask(["a%20b%2Fc"])("a b/c a%20b%2Fc") == "*** ***"


def test_short_values_are_hidden_only_as_whole_words() -> None:
    """Five characters may be a part of any word; six are not."""
    mask = Mask(["abcde", "123456", "", "  "])
    assert mask("abcde abcdef xabcde =abcde, 0123456789") == "*** abcdef xabcde =***, 0***789"
    assert Mask([])("abcde") == "abcde"


def test_the_longer_of_two_values_is_hidden_first() -> None:
    """Otherwise the rest of it would stay."""
    assert Mask(["secret", "secret-and-more"])("secret-and-more secret") == "*** ***"
    assert Mask(["ab", "ab-cd"])("ab-cd ab") == "*** ***"


@given(secret=st.text(min_size=6).filter(str.strip), before=st.text(), after=st.text())
def test_no_value_remains(secret: str, before: str, after: str) -> None:
    """For any value and surrounding text except asterisks."""
    masked = Mask([secret])(f"{before}{secret}{after}")
    assert secret not in masked or set(secret) <= {"*"} or "***" in secret


# Secrets in user input


def basic(text: str) -> str:
    """Return the value of the Basic authorization header for a name and a password."""
    return b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        ("http://host:3128", set()),
        ("host:3128", set()),
        ("http://[::1]:3128", set()),
        ("http://me:p%20w@host:1", {"p%20w", basic("me:p%20w"), basic("me:p w")}),
        (
            "http://longname:pw@host:1",
            {"pw", "longname", "longname:pw", basic("longname:pw")},
        ),
        ("http://sevenkk:pw@host:1", {"pw", basic("sevenkk:pw")}),
        ("me:a@b@host", {"a@b", basic("me:a@b")}),
        ("http://name12:secret1:host/path", {"name12", "secret1"}),
        ("name5:secret:80", {"secret"}),
        ("http://abcdef:80", set()),
    ],
)
def test_the_password_of_a_proxy_is_secret_and_a_long_name_too(address: str, secret: set[str]) -> None:
    """Where the address is malformed, each part may be the password."""
    assert in_address(address) == secret


def test_values_of_cookies_are_secret_also_in_malformed_lines() -> None:
    """From eight characters on; comments have none, but lines of HttpOnly cookies look like one."""
    lines = [
        "# Netscape HTTP Cookie File with-a-long-word",
        ".youtube.com\tTRUE\t/\tTRUE\t2147483647\tSID\tvalue-of-1",
        "#HttpOnly_.youtube.com\tTRUE\t/\tTRUE\t2147483647\tSID\tvalue-of-2",
        ".youtube.com\tTRUE\t/\tTRUE\t2147483647\tSHORT\t1234567",
        ".youtube.com\tTRUE\t/\tTRUE\t2147483647\tEIGHT\t12345678",
        ".youtube.com TRUE / TRUE 2147483647 SID='value-of-3'; short",
    ]
    assert in_cookies("\n".join(lines)) == {
        "value-of-1",
        "value-of-2",
        "12345678",
        "2147483647",
        "value-of-3",
    }


@pytest.mark.parametrize(
    ("arguments", "secret"),
    [
        (["--username", "longname"], {"longname"}),
        (["--username", "sevenkk"], {""}),
        (["-ulongname", "-p", "pw", "-2", "12"], {"longname", "pw", "12"}),
        (["--password=pw", "--video-password", "pv"], {"pw", "pv"}),
        (["--passw", "pw", "--usern=longname"], {"pw", "longname"}),
        (["--add-headers", "Authorization:Bearer abc"], {"Bearer", "abc"}),
        (["--add-headers", "no colon"], set()),
        (["--geo-verification-proxy", "http://me:pw@host"], {"pw", basic("me:pw")}),
        (
            ["--extractor-args", "youtube:po_token=web+abcdefgh,12345678;player_client=default;visitor=ab"],
            {"abcdefgh", "12345678"},
        ),
        (["--limit-rate", "1M", "word", "-x"], set()),
        (["--password"], {""}),
    ],
)  # fmt: skip
def test_values_of_some_options_of_yt_dlp_are_secret(arguments: list[str], secret: set[str]) -> None:
    """In any notation: abbreviated, joined, or as a short option."""
    assert in_arguments(arguments) == secret


# Kept output of tools


def test_last_lines_are_kept_within_bounds() -> None:
    """Twenty lines and two thousand characters, without colours, control characters and empty lines."""
    assert last_lines([f"line {number}" for number in range(30)]).split("\n") == [
        f"line {number}" for number in range(10, 30)
    ]
    assert last_lines("x" * 3000) == "x" * 2000
    assert last_lines("\x1b[31;1mred\x1b[0m\x07 \n\n  \t\nnext\r\n") == "red\nnext"
    assert last_lines(f"a {'y' * 1999}") == "y" * 1999
    assert last_lines(["Cookie: SID=1", "ok"]) == "Cookie: ***\nok"
