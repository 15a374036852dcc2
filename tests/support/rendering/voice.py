"""How a person speaks: ffmpeg expressions of time for the mouth, the eyelids and the audio.

Mouth and voice use the same expressions, so lips and audio are in sync by construction.
"""

from __future__ import annotations

from hdtf_async.demo.motion import Motion

_RATE = 16000
_ENVELOPE_RATE = 800
_SYLLABLES = 3.3
"""Mean number of syllables per second."""
_VOWELS = {"open": (730, 1090, 2440), "round": (320, 870, 2240)}
"""The first three formants of an open and of a round vowel, in Hz."""


def phrase(moves: Motion) -> str:
    """Return an expression that is 1 while the person speaks and 0 in the pauses."""
    return f"clip(5*(sin(1.12*(t+{moves.start}))+0.78),0,1)"


def _beat(moves: Motion) -> str:
    """Return an expression of the phase of the syllables, in radians."""
    return f"(6.2831853*{_SYLLABLES}*t+{moves.syllable.expression()})"


def opened(moves: Motion) -> str:
    """Return an expression of how far the mouth is open, 0 to 1."""
    stress = f"(0.68+0.32*sin(4.7*t+{moves.start}))"
    return f"({phrase(moves)}*{stress}*pow(0.5-0.5*cos({_beat(moves)}),0.8))"


def rounded(moves: Motion) -> str:
    """Return an expression of how round the mouth is, 0 (wide, smiling) to 1 (an O)."""
    return f"({phrase(moves)}*(0.42+0.42*sin(7.3*t+1.2*sin(2.9*t+{moves.start}))))"


def lid(moves: Motion) -> str:
    """Return an expression of the eyelids: 0 open, 1 half shut, 2 shut."""

    def blink(every: float, late: float) -> str:
        since = f"mod(t+{moves.start}+{late},{every})"
        return f"(between({since},0,0.16)+between({since},0.04,0.119))"

    return f"min(2,{blink(3.7, 0.4)}+{blink(6.1, 2.9)})"


def gaze(moves: Motion) -> str:
    """Return an expression of where the eyes look: 0 aside to the left, 1 ahead, 2 aside to the right."""

    def glance(every: float, late: float) -> str:
        return f"lt(mod(t+{moves.start}+{late},{every}),0.7)"

    return f"clip(1+{glance(7.4, 0.45)}-{glance(12.2, 2.95)},0,2)"


def filters(moves: Motion, seconds: float, label: str) -> str:
    """Return a filter graph that generates the voice, in sync with the mouth, and ends in ``[label]``."""
    pitch = 118 + 31 * (int(moves.start * 100) % 4)
    phase = f"({pitch}*t+{pitch * 0.02:.3f}*sin(5.1*t)+{pitch * 0.035:.3f}*sin(1.9*t+{moves.start}))"
    breath = f"0.10*{phrase(moves)}*pow(0.5+0.5*cos({_beat(moves)}),8)"
    mouth, mouth_shape = opened(moves), rounded(moves)
    graph = [
        # The volume of each source changes slowly: evaluating it at the full rate would take most of the
        # time.
        f"aevalsrc=exprs='{mouth}*(1-{mouth_shape})|{mouth}*{mouth_shape}|{breath}':s={_ENVELOPE_RATE}"
        f":d={seconds:.6f}:c=3.0,aresample={_RATE},channelsplit=channel_layout=3.0[open][round][breath]",
        f"aevalsrc=exprs='1-2*pow(mod({phase},1),0.6)':s={_RATE}:d={seconds:.6f}:c=mono,asplit[c0][c1]",
        f"anoisesrc=r={_RATE}:d={seconds:.6f}:c=white:seed=7,highpass=f=3500[hiss]",
        "[hiss][breath]amultiply[s]",
    ]
    mixed = ["[s]"]
    for source, (vowel, formants) in enumerate(_VOWELS.items()):
        names = [f"{vowel}{index}" for index in range(3)]
        graph.append(f"[c{source}][{vowel}]amultiply,asplit=3{''.join(f'[{name}]' for name in names)}")
        for name, formant, width, loud in zip(names, formants, (110, 140, 220), (1.0, 0.6, 0.3), strict=True):
            graph.append(f"[{name}]bandpass=f={formant}:width_type=h:w={width},volume={loud}[{name}f]")
            mixed.append(f"[{name}f]")
    graph.append(
        f"{''.join(mixed)}amix=inputs={len(mixed)}:normalize=0,volume=1.6,alimiter=level=0,"
        f"aresample=44100,aformat=channel_layouts=stereo[{label}]",
    )
    return ";".join(graph)
