"""The names of sequences and regions as radiologists say them, and lists in a sentence."""

from __future__ import annotations

from collections.abc import Iterable

from slicer.i18n import tr as _


def sequence_name(modality: str) -> str:
    """A sequence as users call it, e.g. ``"T1c"`` for ``t1c``."""
    return {"t1n": _("T1"), "t1c": _("T1c"), "t2w": _("T2"), "t2f": _("FLAIR")}[modality]


def region_name(region: str) -> str:
    """A region as users call it, e.g. ``"enhancing tumour"`` for ``et``."""
    return {
        "et": _("enhancing tumour"),
        "tc": _("tumour core"),
        "wt": _("whole tumour"),
    }[region]


def listed(words: Iterable[str]) -> str:
    """``"a"``, ``"a and b"``, ``"a, b and c"``."""
    *most, last = words
    return _("{first} and {last}").format(first=", ".join(most), last=last) if most else last


def capitalised(sentence: str) -> str:
    """The sentence with its first letter large and the rest untouched."""
    return sentence[:1].upper() + sentence[1:]


def seconds_text(seconds: float) -> str:
    """A time that is left, rounded as people would: ``"12 s"``, ``"2 min 30 s"``."""
    whole = max(1, round(seconds))
    if whole < 60:
        return _("{seconds} s").format(seconds=whole)
    minutes, rest = divmod(whole, 60)
    if minutes >= 10 or rest < 5:
        return _("{minutes} min").format(minutes=minutes + (rest >= 30))
    return _("{minutes} min {seconds} s").format(minutes=minutes, seconds=rest)


def counted(found: int, maybe: int) -> str:
    """How many lesions and candidates there are, e.g. ``"3 lesions, 1 candidate"``."""
    words = {0: _("No lesion found"), 1: _("1 lesion")}.get(
        found, _("{count} lesions").format(count=found)
    )
    if maybe:
        more = _("1 candidate") if maybe == 1 else _("{count} candidates").format(count=maybe)
        words = f"{words}, {more}"
    return words
