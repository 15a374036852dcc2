"""Decisions about object stores, without a server: URLs, segments, and the optional dependency."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hdtf_async
from hdtf_async import ExitCode, Options, OptionsError, StoreError
from hdtf_async.cli.command_table import COMMANDS
from hdtf_async.cli.main import main
from hdtf_async.output.location import Address, is_address, options_for, parse_location
from hdtf_async.output.object_store import client
from hdtf_async.output.object_store.errors import message_of
from hdtf_async.output.object_store.segments import MANY, SHORT, short


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://bucket/a prefix/", "gs://bucket/x", "az://container/x", "file:///data/x"]
)
def test_a_url_is_kept_unchanged(url: str) -> None:
    """Except for the slash at its end."""
    assert is_address(url)
    assert str(Address(url)) == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/x", "a directory, or a URL with s3://, gs://, az://, file:// (got ftp://)"),
        ("S3://bucket", "(got S3://)"),
        ("s3://", "expected s3://bucket/prefix"),
        ("s3:///prefix", "expected s3://bucket/prefix"),
        ("file://data/x", "an absolute path"),
        ("file:///", "an absolute path"),
        ("s3://bucket/../other", "without . and .."),
        ("s3://[bucket", "invalid URL"),
    ],
)
def test_an_invalid_url_is_rejected(url: str, message: str) -> None:
    """With a message about what is accepted."""
    with pytest.raises(OptionsError) as caught:
        Address(url)
    assert message in str(caught.value)


@pytest.mark.parametrize("url", ["s3://key:hush@bucket/x", "az://container/x?sig=hush", "s3://bucket/x#hush"])
def test_credentials_in_a_url_are_rejected_and_not_repeated(url: str) -> None:
    """They would end up in shell histories and process lists; they belong in the environment."""
    with pytest.raises(OptionsError, match="pass credentials in the environment") as caught:
        Address(url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            "Generic S3 error: Error performing PUT http://h/x in 1ms - Server returned non-2xx status code:"
            ' 403 Forbidden: <?xml version="1.0"?><Error><Code>InvalidAccessKeyId</Code>'
            "<AWSAccessKeyId>AKIAHUSH</AWSAccessKeyId></Error>\n\nDebug source:\nGeneric { AKIAHUSH }",
            "Generic S3 error: Error performing PUT http://h/x in 1ms - Server returned non-2xx status code:"
            " 403 Forbidden: InvalidAccessKeyId",
        ),
        (
            "Error performing GET https://a.blob/x?sv=1&sig=AKIAHUSH in 2s - HTTP error: sending",
            "Error performing GET https://a.blob/x in 2s - HTTP error: sending",
        ),
    ],
)
def test_messages_of_errors_contain_no_secrets(error: str, message: str) -> None:
    """Neither the response body that names the key, nor the signature in a URL."""
    assert message_of(error) == message


@pytest.mark.parametrize("path", ["clips", "./a", "/a/b", "~/x", "a:b", "C:/x"])
def test_a_path_is_a_directory(path: str) -> None:
    """Anything without a scheme; it is absolute, so that it does not depend on the working directory."""
    assert parse_location(path) == Path.cwd() / path


def test_without_the_extra_the_message_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything else, with the command that installs it."""
    monkeypatch.setattr(client, "find_spec", lambda _name: None)
    assert main(["--out", "s3://bucket/x", "--quiet"]) == ExitCode.LOCAL
    assert "pip install '.[store]' in a clone of the repository" in capsys.readouterr().err


async def test_a_host_program_gets_the_same_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an exception that it can catch."""
    monkeypatch.setattr(client, "find_spec", lambda _name: None)
    with pytest.raises(StoreError, match="requires obstore"):
        await hdtf_async.download("s3://bucket/x", Options())


def test_the_extra_is_only_imported_if_needed() -> None:
    """A directory does not need it."""
    assert "obstore" not in sys.modules or "moto" in sys.modules


@pytest.mark.parametrize(
    "command", [each.name for each in COMMANDS if each.name not in {"merge", "datasets"}]
)
def test_other_commands_require_a_directory(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what to do; none of them creates a directory called s3:."""
    monkeypatch.chdir(tmp_path)
    more = ["--recipe", "hallo", "--to", "x"] if command == "export" else []
    with pytest.raises(SystemExit) as ended:
        main([command, "--out", "s3://bucket/x", *more])
    assert ended.value.code == ExitCode.USAGE
    assert "copy the files it needs first" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


@given(st.lists(st.integers(min_value=100, max_value=SHORT[0] * 2), max_size=3 * MANY))
def test_many_short_segments_are_joined(sizes: list[int]) -> None:
    """All short ones at the end, if they are many; otherwise none."""
    number = short(sizes)
    assert number == 0 or number >= MANY
    assert all(size < SHORT[1] for size in sizes[len(sizes) - number :])


@pytest.mark.slow
def test_many_records_result_in_few_segments() -> None:
    """Records of 1,500 bytes end up in segments of thousands, after three uploads each."""
    sizes: list[int] = []
    uploads = 0
    for _ in range(200_000):
        sizes.append(1500)
        uploads += 1500
        number = short(sizes)
        if number:
            joined = sum(sizes[-number:])
            sizes[-number:] = [joined]
            uploads += joined
    assert sum(sizes) == 1500 * 200_000
    assert len(sizes) < 200
    assert uploads <= 3.1 * sum(sizes)


def test_source_videos_are_kept_in_a_directory_by_default_but_not_in_a_store() -> None:
    """So that hundreds of gigabytes are not paid for by accident."""
    assert [Options(keep_raw=choice).keeps_raws for choice in (None, True, False)] == [True, True, False]
    address = Address("s3://bucket/x")
    for choice in (None, True, False):
        lanes = options_for(address, Options(keep_raw=choice))
        assert not lanes.keeps_raws, "scratch is let go of"
