"""A yt-dlp plugin: solves a synthetic JavaScript challenge in the same way as YouTube's.

yt-dlp loads it in its own process (``--plugin-dirs``); nothing in `hdtf_async` imports it. So the challenge
is solved by the runtime, the solver scripts and the options that a download would have. It makes no request.

yt-dlp guarantees no stable interface for this: if it has changed, the result has an ``error``.
"""

from __future__ import annotations

import time
from typing import Any, NoReturn

from yt_dlp.extractor.common import InfoExtractor

PLAYER = """var _yt_player={};(function(g){
var window=this;
g.Address=class{constructor(a){this.a=a;this.p={}}
set(k,v){this.p[k]=v}
get(k){return this.p[k]}
clone(){var b=new g.Address(this.a);Object.assign(b.p,this.p);return b}
solve(){this.p.n&&this.set("n",this.p.n.split("").reverse().join("")+"n")}};
var F=function(a,k,s){var u=new g.Address(a);u.set("alr","yes");
s&&u.set(k,encodeURIComponent(decodeURIComponent(s).split("").reverse().join("")));return u};
g.config={signatureTimestamp:20000};
})(_yt_player);
"""
"""A synthetic player script, in the format that the solver expects from YouTube."""
PLAYER_URL = "https://www.youtube.com/s/player/5e1f7e57/player_ias.vflset/en_US/base.js"
N, N_SOLVED = "0123456789abcdef", "fedcba9876543210n"
SIGNATURE, SIGNATURE_SOLVED = "abcdefghijklmnop", "ponmlkjihgfedcba"


class HdtfAsyncChallengeIE(InfoExtractor):  # type: ignore[misc]
    """Extracts the URL ``hdtf-async-challenge:test``, with the result of the challenge."""

    IE_DESC = False
    _VALID_URL = r"hdtf-async-challenge:(?P<id>test)"

    def _real_extract(self, url: str) -> dict[str, Any]:
        try:
            found = self._solve()
        except Exception as error:  # noqa: BLE001 - whatever has changed in yt-dlp
            found = {"error": f"{type(error).__name__}: {error}"}
        return {"_type": "playlist", "id": self._match_id(url), "entries": [], "hdtf_async": found}

    def _solve(self) -> dict[str, Any]:
        # Imported here, because a missing name must become an answer instead of a plugin that fails to load.
        from yt_dlp.extractor.youtube.jsc._director import (
            initialize_jsc_director,
        )
        from yt_dlp.extractor.youtube.jsc.provider import (
            JsChallengeRequest,
            JsChallengeType,
            NChallengeInput,
            SigChallengeInput,
        )

        youtube = self._downloader.get_info_extractor("Youtube")
        youtube._load_player = lambda *_, **__: PLAYER
        requested: list[object] = []
        self._downloader.urlopen = lambda request: _refuse(request, requested)
        director = initialize_jsc_director(youtube)
        requests = [
            JsChallengeRequest(JsChallengeType.N, NChallengeInput(PLAYER_URL, [N])),
            JsChallengeRequest(JsChallengeType.SIG, SigChallengeInput(PLAYER_URL, [SIGNATURE])),
        ]
        found: dict[str, Any] = {
            "enabled": sorted(self.get_param("js_runtimes") or ()),
            "runtimes": sorted(self._runtimes()),
            "failed": [],
        }
        # One by one, in yt-dlp's order, to find out which one has solved it.
        for provider in [*director._get_providers(requests)]:
            name = _with_version(provider)
            director.providers = {provider.PROVIDER_KEY: provider}
            begun = time.monotonic()
            solved: dict[str, str] = {}
            for _, response in director.bulk_solve(requests):
                solved |= response.output.results
            if solved == {N: N_SOLVED, SIGNATURE: SIGNATURE_SOLVED}:
                return found | {"solved_by": name, "seconds": time.monotonic() - begun}
            found["failed"].append([name, _error(provider)])
        if requested:
            raise RuntimeError("the player script is requested in an unsupported way")
        return found

    def _runtimes(self) -> list[str]:
        """Return the runtimes that yt-dlp has found, named as in its ``--verbose`` output."""
        found = []
        for name, runtime in self._downloader._js_runtimes.items():
            if runtime is None:
                found.append(f"{name} (unknown)")
            elif runtime.info is not None:
                unsupported = " (unsupported)" if runtime.info.supported is False else ""
                found.append(f"{runtime.info.name}-{runtime.info.version}{unsupported}")
        return found


def _with_version(provider: Any) -> str:  # noqa: ANN401
    info = getattr(provider, "runtime_info", None)
    return f"{info.name}-{info.version}" if info is not None else str(provider.PROVIDER_NAME)


def _error(provider: Any) -> str | None:  # noqa: ANN401
    """Return why a runtime cannot run the simplest script; empty if it can, None if unknown.

    A solver that does not accept the player script above says nothing about YouTube's.
    """
    from yt_dlp.extractor.youtube.jsc.provider import (
        JsChallengeProviderError,
        JsChallengeProviderRejectedRequest,
    )

    try:
        answer = provider._run_js_runtime("console.log(6 * 7)").strip()
    except (JsChallengeProviderError, JsChallengeProviderRejectedRequest) as error:
        return str(error)[:1000] or "no message"
    except Exception:  # noqa: BLE001 - a provider of another kind
        return None
    return "" if answer == "42" else "it printed the wrong result"


def _refuse(request: object, requested: list[object]) -> NoReturn:
    requested.append(request)
    raise RuntimeError("the test must not make requests")
