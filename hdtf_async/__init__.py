"""Build talking-head datasets (HDTF, others, own lists) from YouTube videos.

The command line is ``python -m hdtf_async --out DIR``. In a program:

    report = await hdtf_async.download("clips", hdtf_async.Options(subsets="RD", audio="aac"))

`download`, `check`, `census`, `export` and `merge` correspond to the commands, and return their results;
`running` yields the events of a run, from `hdtf_async.events`. See docs/embedding.md.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hdtf_async.public import *  # noqa: F403
    from hdtf_async.public import __all__ as __all__


def __getattr__(name: str) -> object:
    """Import the public names when one is first used.

    The child processes of a run import single modules of this package. With all of the package their start
    would take five times as long.
    """
    if not name.startswith("_") or name == "__all__":
        import hdtf_async.public as names  # noqa: PLC0415 - a "from" import would come here again

        if name == "__all__" or name in names.__all__:
            return getattr(names, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names too, for completion in a shell or a notebook."""
    import hdtf_async.public as names  # noqa: PLC0415

    return sorted({*globals(), *names.__all__})
