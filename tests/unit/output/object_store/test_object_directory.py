"""What an object store is given is decided without one: addresses, segments, and what needs the extra."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hdtf_async
from hdtf_async import ExitCode, Options, OptionsError, StoreError
from hdtf_async.cli.main import main
from hdtf_async.cli.parser import COMMANDS
from hdtf_async.output.object_store import client, directory
from hdtf_async.output.object_store.client import Address, is_address
from hdtf_async.output.object_store.errors import told
from hdtf_async.output.object_store.segments import MANY, SHORT, short


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://bucket/a prefix/", "gs://bucket/x", "az://container/x", "file:///data/x"]
)
def test_an_address_is_taken_as_it_is(url: str) -> None:
    """But for the slash at its end."""
    assert is_address(url)
    assert str(Address(url)) == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "words"),
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
def test_an_address_that_is_none_is_refused(url: str, words: str) -> None:
    """In words that say what is taken."""
    with pytest.raises(OptionsError) as caught:
        Address(url)
    assert words in str(caught.value)


@pytest.mark.parametrize("url", ["s3://key:hush@bucket/x", "az://container/x?sig=hush", "s3://bucket/x#hush"])
def test_a_key_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    """It would end up in shell histories and process lists; they belong into the environment."""
    with pytest.raises(OptionsError, match="pass credentials in the environment") as caught:
        Address(url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "words"),
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
def test_of_an_error_what_may_be_secret_is_not_told(error: str, words: str) -> None:
    """Neither the page that names the key, nor the signature in an address."""
    assert told(error) == words


@pytest.mark.parametrize("path", ["clips", "./a", "/a/b", "~/x", "a:b", "C:/x"])
def test_a_path_is_a_directory(path: str) -> None:
    """Whatever has no scheme; it is absolute, so that it does not follow the working directory."""
    assert directory.place(path) == Path.cwd() / path


def test_without_the_extra_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is done, with the command that brings it."""
    monkeypatch.setattr(client, "find_spec", lambda _name: None)
    assert main(["--out", "s3://bucket/x", "--quiet"]) == ExitCode.LOCAL
    assert "pip install 'hdtf-async[store]'" in capsys.readouterr().err


async def test_a_program_is_told_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error that it may catch."""
    monkeypatch.setattr(client, "find_spec", lambda _name: None)
    with pytest.raises(StoreError, match="requires obstore"):
        await hdtf_async.download("s3://bucket/x", Options())


def test_nobody_loads_it_who_has_not_asked() -> None:
    """A directory needs nothing of it."""
    assert "obstore" not in sys.modules or "moto" in sys.modules


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "merge"])
def test_other_commands_say_that_they_work_on_a_directory(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what to do; none of them makes a directory called s3:."""
    monkeypatch.chdir(tmp_path)
    more = ["--recipe", "hallo", "--to", "x"] if command == "export" else []
    with pytest.raises(SystemExit) as ended:
        main([command, "--out", "s3://bucket/x", *more])
    assert ended.value.code == ExitCode.USAGE
    assert "copy the files it needs first" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


@given(st.lists(st.integers(min_value=100, max_value=SHORT[0] * 2), max_size=3 * MANY))
def test_segments_are_joined_when_they_are_many(sizes: list[int]) -> None:
    """As many as are short at the end, if they are many; else none."""
    number = short(sizes)
    assert number == 0 or number >= MANY
    assert all(size < SHORT[1] for size in sizes[len(sizes) - number :])


def test_few_segments_are_left_of_many_records() -> None:
    """Records of 1,500 bytes, each put alone, end up in a segment for thousands, and are put three times."""
    sizes: list[int] = []
    put = 0
    for _ in range(200_000):
        sizes.append(1500)
        put += 1500
        number = short(sizes)
        if number:
            joined = sum(sizes[-number:])
            sizes[-number:] = [joined]
            put += joined
    assert sum(sizes) == 1500 * 200_000
    assert len(sizes) < 200
    assert put <= 3.1 * sum(sizes)


def test_raws_are_kept_in_a_directory_unless_said_otherwise_and_in_a_store_only_if_said() -> None:
    """So that nobody pays for hundreds of gigabytes by accident."""
    assert [Options(keep_raw=said).keeps_raws for said in (None, True, False)] == [True, True, False]
    address = Address("s3://bucket/x")
    for said in (None, True, False):
        lanes = directory.fitted(address, Options(keep_raw=said))
        assert not lanes.keeps_raws, "scratch is let go of"
