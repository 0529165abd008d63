"""What a file's or channel's name says: which sequence it shows, whose visit it is."""

from __future__ import annotations

import re

_NOT_AN_IMAGE = re.compile(
    r"(brats)?seg\w*|\w*masks?\w*|labels?|truth|rater\d*|subtraction|diff|lesions?|gold|roi|rois"
    r"|pred\w*|membership|confidence|transform|adc|dwi|swi|cbv|asl"
)
_T1 = {"t1", "t1w", "t1wi", "t1n", "t1pre", "t1native"}
_T1C = {"t1c", "t1ce", "t1cw", "t1wce", "t1post", "t1gd", "t1wgd", "t1gado", "t1km", "t1contrast"}
_T2 = {"t2", "t2w", "t2wi", "t2synth"}
_FLAIR = {"t2f", "flair", "t2flair"}
_CONTRAST = {"ce", "cet1", "gd", "gad", "gado", "gadolinium", "post", "postcontrast"}
_CONTRAST |= {"contrast", "enhanced", "km"}
_SURGERY = {"op", "operative", "surgery", "surgical", "resection", "treatment", "rt"}
_NATIVE = {"pre", "precontrast", "native", "non", "noncontrast", "without", "no"}


def sequence_of(name: str) -> str | None:
    """The one of ``MODALITIES`` that a name speaks of; ``None`` if none or several.

    Understands, among others, ``t1c``, ``T1ce``, ``T1post``, ``T1-Gd``, ``ce-gadolinium_T1w``,
    ``FLAIR``, ``T2 FLAIR``; a name that also speaks of a mask or a derived map shows no sequence.
    """
    words = _words(name)
    if any(_NOT_AN_IMAGE.fullmatch(word) for word in words):
        return None
    if words & _SURGERY:
        words -= {"post", "pre"}  # of the scan's date, not of its contrast
    found = set()
    if words & _FLAIR:
        found.add("t2f")
    elif words & _T2:
        found.add("t2w")
    if words & _T1C or (words & _T1 and words & _CONTRAST and not words & _NATIVE):
        found.add("t1c")
    elif words & _T1:
        found.add("t1n")
    return found.pop() if len(found) == 1 else None


def speaks_of_mask(name: str) -> bool:
    """Whether a file name says that the file is a segmentation."""
    return any(re.fullmatch(r"(brats)?seg\w*|\w*masks?|labels?", word) for word in _words(name))


def without_sequence(stem: str) -> str:
    """A file's stem without the words at its end that name its sequence or channel."""
    rest = re.sub(r"_\d{4}$", "", stem)
    while (match := re.search(r"(?:^|[-_. ]+)([A-Za-z0-9]+)$", rest)) and (
        sequence_of(match[1]) is not None or match[1].lower() in _CONTRAST | _NATIVE
    ):
        rest = rest[: match.start()]
    return rest


def patient_of(name: str) -> str:
    """A case's patient: ``<prefix>-<patient>-<visit>`` without the visit, else the whole name."""
    match = re.fullmatch(r"(.+-\w*\d)-\d{1,3}", name)
    return match[1] if match else name


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", name.lower()))
