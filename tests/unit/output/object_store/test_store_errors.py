"""Errors of an object store are classified by their text, as in obstore 0.12."""

from __future__ import annotations

import pytest

from hdtf_async.core.failures import ExitCode, Reason
from hdtf_async.output.object_store.errors import explained, flaw_of_endpoint

DONE = "Generic S3 error: Error performing PUT http://127.0.0.1:1/bucket/k in 1ms"
SENDING = f"{DONE}, after 4 retries, max_retries: 4, retry_timeout: 4s  - HTTP error: error sending request"


def _sending(cause: str) -> str:
    """Return the error of a request that could not be sent."""
    return f"{SENDING}\n\nDebug source:\nGeneric {{\n    source: Http(\n        HttpError {{\n{cause}\n}}))"


def _answered(status: str, code: str) -> str:
    """Return the error of a request that got an error response."""
    page = f"<Error><Code>{code}</Code><AWSAccessKeyId>AKIAHUSH</AWSAccessKeyId></Error>"
    return f"{DONE} - Server returned non-2xx status code: {status}: {page}\n\nDebug source:\nAKIAHUSH"


def _keys(path: str, end: str) -> str:
    """Return the error of a request for credentials, to the service of a cloud machine."""
    return f"Generic S3 error: Error performing PUT http://169.254.169.254{path} in 1ms - {end}"


NEEDS_A_PERSON = {
    f"{DONE} - HTTP error: builder error\n\nDebug source:\nreqwest::Error {{ source: BadScheme }}": (
        "AWS_ALLOW_HTTP=true"
    ),
    _sending('ConnectError("dns error", error: "failed to lookup address: Name or service not known")'): (
        "cannot resolve the host"
    ),
    _sending("error: InvalidCertificate(\n    UnknownIssuer,\n)"): "SSL_CERT_FILE",
    _sending("error: InvalidCertificate(\n    ExpiredContext {\n time: 1 })"): "clock",
    _sending("error: InvalidCertificate(\n    NotValidForNameContext {})"): "another host",
    _sending("error: InvalidMessage(\n    InvalidContentType,\n)"): "does not support TLS",
    f"{DONE} - Received redirect without LOCATION, this normally indicates an incorrect region": "AWS_REGION",
    _answered("400 Bad Request", "AuthorizationHeaderMalformed"): "AWS_REGION",
    _answered("301 Moved Permanently", "PermanentRedirect"): "AWS_REGION",
    _answered("404 Not Found", "NoSuchBucket"): "no such bucket",
    _answered("404 Not Found", "ContainerNotFound"): "no such bucket",
    _answered("403 Forbidden", "RequestTimeTooSkewed"): "clock",
    _answered("403 Forbidden", "InvalidAccessKeyId"): "AWS_ACCESS_KEY_ID",
    _answered("403 Forbidden", "SignatureDoesNotMatch"): "AWS_SECRET_ACCESS_KEY",
    _answered("400 Bad Request", "ExpiredToken"): "AWS_SESSION_TOKEN",
    _answered("403 Forbidden", "AccessDenied"): "list, get, put and delete",
    _answered("501 Not Implemented", "NotImplemented"): "lacks a required feature",
    _answered("400 Bad Request", "SomethingNew"): "SomethingNew",
    _keys("/latest/api/token", "HTTP error: error sending request"): "AWS_SECRET_ACCESS_KEY",
    _keys("/latest/api/token", "Server returned non-2xx status code: 404 Not Found"): "AWS_ACCESS_KEY_ID",
    _keys("/computeMetadata/v1/instance", "HTTP error: error sending request"): "GOOGLE_SERVICE_ACCOUNT",
    _keys("/metadata/identity/oauth2/token", "HTTP error: error"): "AZURE_STORAGE_ACCOUNT_KEY",
    "Generic S3 error: Missing SecretAccessKey": "AWS_SECRET_ACCESS_KEY",
    "Generic MicrosoftAzure error: Account must be specified": "AZURE_STORAGE_ACCOUNT_NAME",
}
MAY_PASS = {
    _sending('ConnectError("tcp connect error", Os { code: 111, message: "Connection refused" })'): (
        "Connection refused"
    ),
    _sending('error: "failed to lookup address information: Temporary failure in name resolution"'): (
        "Temporary failure in name resolution"
    ),
    _sending("source: TimedOut"): "error sending request",
    _answered("503 Slow Down", "SlowDown"): "SlowDown",
    _answered("500 Internal Server Error", "InternalError"): "InternalError",
    _answered("429 Too Many Requests", "TooManyRequests"): "TooManyRequests",
    _answered("408 Request Timeout", "RequestTimeout"): "RequestTimeout",
    _keys("/latest/meta-data/iam/", "Server returned non-2xx status code: 503 Unavailable"): "503",
}


@pytest.mark.parametrize(("error", "part"), NEEDS_A_PERSON.items())
def test_errors_that_need_action_are_not_temporary(error: str, part: str) -> None:
    """Exit code 4, with what to set; nothing secret is in the message."""
    reason, message = explained(error)
    assert reason is Reason.STORE_REFUSED
    assert reason.advice.exit_code is ExitCode.LOCAL
    assert part in message
    assert "HUSH" not in message


@pytest.mark.parametrize(("error", "part"), MAY_PASS.items())
def test_temporary_errors_exit_with_75(error: str, part: str) -> None:
    """With the message of the system."""
    reason, message = explained(error)
    assert reason is Reason.STORE_UNREACHABLE
    assert reason.advice.exit_code is ExitCode.PASSING
    assert part in message
    assert "HUSH" not in message


@pytest.mark.parametrize(
    "url", ["https://s3.example.org", "http://127.0.0.1:9000", "http://[::1]:9000/", "https://a.b/c"]
)
def test_an_endpoint_is_the_url_of_a_server(url: str) -> None:
    """With a scheme and a host."""
    assert flaw_of_endpoint(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "s3.example.org",
        "127.0.0.1:9000",
        "http://",
        "ftp://a",
        "http://a:99999",
        "http://a:x",
        "http://a b",
        "http://[a",
    ],
)
def test_an_invalid_endpoint_is_reported_before_it_is_used(url: str) -> None:
    """Obstore panics for it."""
    assert "https://s3.example.org" in (flaw_of_endpoint(url) or "")
