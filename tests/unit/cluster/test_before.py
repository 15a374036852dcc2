"""What is refused before a cluster is asked, and what its workers are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from load_runs import write_tables

import hdtf_async
from hdtf_async import ExitCode, Options
from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.shards import Shard
from hdtf_async.output.directory import open_directory
from hdtf_async.output.object_store.directory import for_workers

if TYPE_CHECKING:
    from pathlib import Path


async def test_workers_get_paths_that_hold_in_their_own_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of the scheduler, or each would start a run of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cookies.txt").touch()
    options = Options(cookies="cookies.txt", raw_dirs=(".",), scratch="scratch", dask="tcp://host:8786")
    async with open_directory(tmp_path / "clips") as directory:
        out, given = for_workers(directory, options)
    assert out == tmp_path / "clips"
    assert given.cookies == tmp_path / "cookies.txt"
    assert given.scratch == tmp_path / "scratch"
    assert given.raw_dirs == (tmp_path,)
    assert given.dask is None


@pytest.mark.parametrize("address", ["host:8786", "tcp://10.0.0.1:8786", "tls://[::1]:8786"])
def test_an_address_is_taken(address: str) -> None:
    """As Dask's own programs print it, or without the protocol."""
    assert Options(dask=address).dask == address


@pytest.mark.parametrize("address", ["", "host", "tcp://host", "/path/to/file", "a b:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """Before anything is done."""
    with pytest.raises(OptionsError, match=r"^--dask .*: expected the address of a Dask scheduler"):
        Options(dask=address)


def test_a_cluster_and_shards_do_not_go_together() -> None:
    """Each would divide the videos."""
    with pytest.raises(OptionsError, match="--shard: omit it with --dask"):
        Options(dask="tcp://host:8786", shard=Shard(0, 2))


async def test_without_its_extra_a_cluster_is_local_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to install."""
    write_tables(tmp_path / "tables", 1)
    monkeypatch.setattr("hdtf_async.run.find_spec", lambda _: None)
    options = Options(source=tmp_path / "tables", dask="tcp://127.0.0.1:9")
    report = await hdtf_async.download(tmp_path / "clips", options)
    assert report.exit_code is ExitCode.LOCAL
    assert report.stopped is not None
    assert "pip install '.[dask]' in a clone of the repository" in report.stopped.words
