"""Classify errors of an object store: whether a retry may help, and what to set. Pure.

obstore reports errors as text: a line, possibly with the server's response body, and a dump of the origin of
the error. That dump is read here, and never printed: it may contain credentials and signatures.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from hdtf_async.core.failures import Reason

_STATUS = re.compile(r"status code: 4(?!08|29)\d\d")
"""The store has rejected a request, and would do so again."""
_KEYS = (
    "no credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (s3://), GOOGLE_SERVICE_ACCOUNT"
    " (gs://), or AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (az://)"
)
_REGION = "set AWS_REGION to the region of the bucket"
_REFUSED_KEYS = (
    "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the credentials of your store"
)
NO_BUCKET = r"<Code>(?:NoSuchBucket|ContainerNotFound)<"
"""The whole bucket is missing, not one object."""
_MEANINGS = (
    # Without credentials it requests them from a service that only exists on cloud machines.
    (
        r"(?s)^(?!.*status code: (?:5\d\d|408|429))"
        r".*(?:/latest/api/token|/latest/meta-data/|/computeMetadata/|/metadata/identity/)",
        _KEYS,
    ),
    (r"Missing \w*(?:SecretAccessKey|AccessKey|Credential)|Account must be specified", _KEYS),
    (
        r"\bBadScheme\b",
        "the endpoint is not https://: use an https:// endpoint, or set AWS_ALLOW_HTTP=true"
        " (AZURE_ALLOW_HTTP=true) to connect without encryption",
    ),
    (
        r"Name or service not known|No address associated with hostname",
        "cannot resolve the host: check the endpoint, such as AWS_ENDPOINT_URL, and AWS_REGION",
    ),
    (
        r"InvalidCertificate\(\s*(?:Expired|NotValidYet)",
        "its certificate has expired or is not valid yet: check the clock of this machine, or renew it",
    ),
    (
        r"InvalidCertificate\(\s*NotValidForName",
        "its certificate is for another host: check the endpoint, such as AWS_ENDPOINT_URL",
    ),
    (
        r"InvalidCertificate\(",
        "its certificate is not trusted: set SSL_CERT_FILE to a file with the certificate of its CA",
    ),
    (
        r"\bInvalidContentType\b",
        "the server does not support TLS: check the port, or whether the endpoint is http://",
    ),
    (r"redirect without LOCATION", _REGION),
    (
        r"<Code>(?:PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)<",
        _REGION,
    ),
    (NO_BUCKET, "no such bucket: check its name, or create it"),
    (r"<Code>RequestTimeTooSkewed<", "set the clock of this machine"),
    (
        r"<Code>(?:InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|AuthenticationFailed)<",
        _REFUSED_KEYS,
    ),
    (
        r"<Code>AccessDenied<",
        "these credentials lack permissions: they must be able to list, get, put and delete objects",
    ),
    (r"status code: 501 ", "this store lacks a required feature (docs/scale.md)"),
)
"""Patterns that match anywhere in an error, and what to do; all of these errors need action."""


_CAUSE = re.compile(r'\b(?:message|error): "([\w ,.:()-]{3,100})"')
"""The system's message about a connection, in the dump."""


def message_of(error: str) -> str:
    """Return the message of an obstore error without secrets.

    After ``?`` a URL may contain a signature, and the response body names the key; only the error code of the
    body is used.
    """
    code = re.search(r"<Code>(\w{1,60})</Code>", error)
    message = re.sub(r"\?\S*", "", error.strip().partition("\n")[0].partition("<")[0]).strip(" :")
    return f"{message}: {code[1]}" if code else message


def explained(error: str, *, refused: bool = False) -> tuple[Reason, str]:
    """Return the reason for an obstore error, and a message, with what to set if that is known.

    `refused` means that its type alone indicates a rejection.
    """
    message = message_of(error)
    for pattern, remedy in _MEANINGS:
        if re.search(pattern, error):
            return Reason.STORE_REFUSED, f"{message}: {remedy}"
    if refused or _STATUS.search(message):
        return Reason.STORE_REFUSED, message
    cause = _CAUSE.search(error)
    return Reason.STORE_UNREACHABLE, f"{message}: {cause[1]}" if cause else message


def flaw_of_endpoint(url: str) -> str | None:
    """Return what is wrong with the URL of a server; None if it is valid."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if whole and not re.search(r"[\s\x00-\x20\x7f]", url):
        return None
    return "expected the address of a server, such as https://s3.example.org or http://127.0.0.1:9000"
