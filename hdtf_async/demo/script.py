"""The player script of the full mock, and the same transformations in Python.

The script is synthetic, a dozen lines in the format that yt-dlp's challenge solver (EJS) accepts: one
function ``_yt_player``, in it a class of URLs with ``set``, ``get``, ``clone`` and one more method that
transforms ``n``, and a function that marks a URL with ``alr=yes`` and transforms its signature.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from hdtf_async.demo.answers import Script

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE_TIMESTAMP = 20650
"""The script's version, which yt-dlp sends with each player request."""
PLAYER_IDS = {"5e0cab1e": Script.SOLVABLE, "dead0bad": Script.UNSOLVABLE}
"""The scripts by the id in their URL."""
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
"""The characters of ``n`` and of a signature."""

_DROPPED = 3
"""Characters that the transformation of a signature drops from its end."""
_SWAPPED = 17
"""The position that is swapped with the first one."""
_STEP, _START = 7, 13

_TEMPLATE = """var _yt_player={{}};(function(g){{
var window=this;
var A="{alphabet}";
var R={{reverse:function(a){{a.reverse()}},drop:function(a,b){{a.splice(0,b)}},
swap:function(a,b){{var c=a[0];a[0]=a[b%a.length];a[b%a.length]=c}}}};
var S=function(a){{a=a.split("");R.reverse(a);R.drop(a,{dropped});R.swap(a,{swapped});return a.join("")}};
var N=function(a){{return a.split("").reverse().map(function(c,i){{
return A[(A.indexOf(c)+i*{step}+{start})%A.length]}}).join("")}};
g.Address=class{{constructor(a){{this.a=a;this.p={{}}}}
set(k,v){{this.p[k]=v}}
get(k){{return this.p[k]}}
clone(){{var b=new g.Address(this.a);Object.assign(b.p,this.p);return b}}
solve(){{this.p.n&&this.set("n",N(this.p.n))}}}};
var F=function(a,k,s){{var u=new g.Address(a);{mark}
s&&u.set(k,encodeURIComponent(S(decodeURIComponent(s))));return u}};
g.config={{signatureTimestamp:{timestamp}}};
{filler}}})(_yt_player);
"""
_MARKS = {Script.SOLVABLE: 'u.set("alr","yes");', Script.UNSOLVABLE: ""}
"""The solver searches for this call: without it, it finds nothing."""


def player_script(script: Script, size: int = 0) -> str:
    """Return a player script of at least ``size`` bytes."""
    plain = _TEMPLATE.format(
        alphabet=ALPHABET, dropped=_DROPPED, swapped=_SWAPPED, step=_STEP, start=_START,
        mark=_MARKS[script], timestamp=SIGNATURE_TIMESTAMP, filler="{filler}",
    )  # fmt: skip
    return plain.replace("{filler}", "".join(_filler(size - len(plain))))


def _filler(size: int) -> Iterator[str]:
    """Yield unused functions that look like minified code."""
    number = 0
    while size > 0:
        function = (
            f"var f{number}=function(a,b,c){{for(var d=0;d<a.length;d++)if(a[d]!==b&&c)"
            f'{{b=g.h{number}(a[d],{number});c=c?b.x["k{number}"]:{{y:[a,d,"{number:x}"]}}}}return b||c}};\n'
        )
        yield function
        size -= len(function)
        number += 1


def player_id(script: Script) -> str:
    """Return the id of a script."""
    return next(name for name, of in PLAYER_IDS.items() if of is script)


def player_path(script: Script) -> str:
    """Return the path of a script on www.youtube.com."""
    return f"/s/player/{player_id(script)}/player_ias.vflset/en_US/base.js"


def solve_n(challenge: str) -> str:
    """Transform ``n`` as the script does."""
    size = len(ALPHABET)
    return "".join(
        ALPHABET[(ALPHABET.index(character) + place * _STEP + _START) % size]
        for place, character in enumerate(reversed(challenge))
    )


def solve_signature(challenge: str) -> str:
    """Transform the characters of a signature as the script does."""
    characters = list(reversed(challenge))[_DROPPED:]
    other = _SWAPPED % len(characters)
    characters[0], characters[other] = characters[other], characters[0]
    return "".join(characters)


def challenge_for(signature: str) -> str:
    """Return the challenge whose solution is a signature."""
    characters = list(signature)
    other = _SWAPPED % len(characters)
    characters[0], characters[other] = characters[other], characters[0]
    return "".join(reversed(characters)) + ALPHABET[:_DROPPED]
