"""Label names become schemes whose regions nest, or a sentence that says which name is unclear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.core.errors import LayoutError
from ParetoSegLib.core.labels import BRATS_METS
from ParetoSegLib.data.label_names import named_scheme, scheme_from_names


@pytest.mark.parametrize(
    ("labels", "regions"),
    [
        (
            {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [2, 3], "enhancing": 3},
            {"et": {3}, "tc": {2, 3}, "wt": {1, 2, 3}},
        ),
        (
            {"background": 0, "NCR/NET": 1, "peritumoral oedema": 2, "enhancing tumour": 3},
            {"et": {3}, "tc": {1, 3}, "wt": {1, 2, 3}},
        ),
        (
            {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
            {"et": {3}, "tc": {2, 3}, "wt": {1, 2, 3}},
        ),
        ({"0": "background", "1": "NETC", "2": "SNFH", "3": "ET", "4": "RC"}, BRATS_METS.regions),
        ({"background": 0, "WT": 1, "TC": 2, "ET": 3}, {"et": {3}, "tc": {2, 3}, "wt": {1, 2, 3}}),
        ({"background": 0, "metastasis": 1}, {"tc": {1}}),
        ({"background": 0, "core": 1, "edema": 2}, {"tc": {1}, "wt": {1, 2}}),
        ({"background": 0, "enhancing": 1, "edema": 2}, {"et": {1}}),
    ],
)
def test_names_in_use(labels: dict[str, object], regions: dict[str, set[int]]) -> None:
    scheme = scheme_from_names(labels, "dataset.json")
    assert dict(scheme.regions) == regions
    listed = [
        v for values in labels.values() for v in (values if isinstance(values, list) else [values])
    ]
    given_values = {int(v) for v in listed if isinstance(v, int)} or {int(k) for k in labels}
    assert scheme.values == given_values | {0}  # what is named is never a stray label


NAMES = st.dictionaries(
    st.sampled_from(["ET", "necrosis", "edema", "core", "whole tumor", "cavity"]),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    min_size=1,
)


@given(labels=NAMES)
def test_regions_nest_whatever_the_names(labels: dict[str, object]) -> None:
    try:
        regions = scheme_from_names({"background": 0, **labels}, "x.json").regions
    except LayoutError:
        assert not labels.keys() & {"ET", "core", "whole tumor"}
        return
    for inner, outer in (("et", "tc"), ("tc", "wt"), ("et", "wt")):
        if inner in regions and outer in regions:
            assert regions[inner] <= regions[outer]


@pytest.mark.parametrize("name", ["frob", "left lung", "tumor 1", ""])
def test_unclear_names_are_named(name: str) -> None:
    with pytest.raises(LayoutError, match=r"dataset\.json") as caught:
        scheme_from_names({"background": 0, name: 1}, "dataset.json")
    assert repr(name) in str(caught.value)


def test_known_schemes_by_name() -> None:
    assert named_scheme("brats-mets", "x.json") is BRATS_METS
    with pytest.raises(LayoutError, match=r"x\.json.*brats-mets"):
        named_scheme("BraTS", "x.json")
