"""What an error of an object store means: whether another try may help, and what to set. Pure.

obstore tells its errors as text: a line, perhaps with the page that the server has sent, and a dump of where
the error came from. That dump is read here, and never printed: it may hold keys and signatures.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from hdtf_async.core.failures import Reason

_STATUS = re.compile(r"status code: 4(?!08|29)\d\d")
"""The store has turned down a request, and would do so again."""
_KEYS = (
    "no keys were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (s3://), GOOGLE_SERVICE_ACCOUNT"
    " (gs://), or AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (az://)"
)
_REGION = "set AWS_REGION to the region of the bucket"
_REFUSED_KEYS = (
    "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the keys of your store"
)
NO_BUCKET = r"<Code>(?:NoSuchBucket|ContainerNotFound)<"
"""What is not there is all of it, and not one object."""
_MEANINGS = (
    # Without keys it asks a service for them that only virtual machines in a cloud have.
    (
        r"(?s)^(?!.*status code: (?:5\d\d|408|429))"
        r".*(?:/latest/api/token|/latest/meta-data/|/computeMetadata/|/metadata/identity/)",
        _KEYS,
    ),
    (r"Missing \w*(?:SecretAccessKey|AccessKey|Credential)|Account must be specified", _KEYS),
    (
        r"\bBadScheme\b",
        "the endpoint is not https://: give an https:// endpoint, or set AWS_ALLOW_HTTP=true"
        " (AZURE_ALLOW_HTTP=true) to connect without encryption",
    ),
    (
        r"Name or service not known|No address associated with hostname",
        "there is no host of this name: check the endpoint, such as AWS_ENDPOINT_URL, and AWS_REGION",
    ),
    (
        r"InvalidCertificate\(\s*(?:Expired|NotValidYet)",
        "its certificate is not valid at this time: check the clock of this machine, or have it renewed",
    ),
    (
        r"InvalidCertificate\(\s*NotValidForName",
        "its certificate is for another host: check the endpoint, such as AWS_ENDPOINT_URL",
    ),
    (
        r"InvalidCertificate\(",
        "its certificate is not trusted here: set SSL_CERT_FILE to a file with that of its authority",
    ),
    (
        r"\bInvalidContentType\b",
        "it does not speak TLS there: check the port, or whether the endpoint is http://",
    ),
    (r"redirect without LOCATION", _REGION),
    (
        r"<Code>(?:PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)<",
        _REGION,
    ),
    (NO_BUCKET, "there is no such bucket: check its name, or make it"),
    (r"<Code>RequestTimeTooSkewed<", "set the clock of this machine"),
    (
        r"<Code>(?:InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|AuthenticationFailed)<",
        _REFUSED_KEYS,
    ),
    (r"<Code>AccessDenied<", "these keys may not do that: they need to list, get, put and delete objects"),
    (r"status code: 501 ", "this store does not offer what is needed (docs/scale.md)"),
)
"""What an error says, anywhere in its text, and what to do; all of them need a person."""


_CAUSE = re.compile(r'\b(?:message|error): "([\w ,.:()-]{3,100})"')
"""What the system says of a connection, in the dump."""


def told(error: str) -> str:
    """Return what an error of obstore says, without what may be secret.

    After ``?`` an address may hold a signature, and the page that the server has sent names the key; of that
    page only the code is told.
    """
    code = re.search(r"<Code>(\w{1,60})</Code>", error)
    words = re.sub(r"\?\S*", "", error.strip().partition("\n")[0].partition("<")[0]).strip(" :")
    return f"{words}: {code[1]}" if code else words


def explained(error: str, *, refused: bool = False) -> tuple[Reason, str]:
    """Return the reason for an error of obstore, and its words, with what to set where that is known.

    `refused` says that its type alone tells a refusal.
    """
    words = told(error)
    for pattern, remedy in _MEANINGS:
        if re.search(pattern, error):
            return Reason.STORE_REFUSED, f"{words}: {remedy}"
    if refused or _STATUS.search(words):
        return Reason.STORE_REFUSED, words
    cause = _CAUSE.search(error)
    return Reason.STORE_UNREACHABLE, f"{words}: {cause[1]}" if cause else words


def flaw_of_endpoint(url: str) -> str | None:
    """Return what is wrong with the address of a server; None where it can be one."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if whole and not re.search(r"[\s\x00-\x20\x7f]", url):
        return None
    return "expected the address of a server, such as https://s3.example.org or http://127.0.0.1:9000"
