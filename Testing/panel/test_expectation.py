from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ParetoSegPanel.expectation import expect
from ParetoSegPanel.model_summary import ModelSummary

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.labels import MODALITIES, REFERENCE_ORDER, REGIONS
from Testing.panel.models import every_set

WORDS = {"et": "enhancing tumour", "tc": "tumour core", "wt": "whole tumour"}


def _model(modalities=MODALITIES, assessable=None) -> ModelSummary:
    return ModelSummary(Path("m"), "Test", tuple(modalities), assessable or every_set())


subsets = st.sets(st.sampled_from(MODALITIES))
tables = st.dictionaries(
    st.sampled_from(sorted(every_set())), st.lists(st.sampled_from(REGIONS), unique=True)
)


def test_all_four_need_no_excuse() -> None:
    said = expect(_model(), MODALITIES)
    assert said.possible
    assert said.sentence == (
        "Segments enhancing tumour, tumour core and whole tumour from T1, T1c, T2 and FLAIR."
    )


def test_without_contrast_enhancing_tumour_is_said_to_be_out_of_reach() -> None:
    said = expect(_model(), {"t2f"})
    assert said.possible
    assert said.sentence.startswith("Segments tumour core and whole tumour from FLAIR.")
    assert "Without T1c, enhancing tumour cannot be assessed." in said.sentence
    assert "Works without T1 and T2." in said.sentence


def test_nothing_chosen_asks_for_an_image() -> None:
    said = expect(_model(), ())
    assert not said.possible
    assert "at least one image" in said.sentence


def test_no_model_asks_for_one() -> None:
    assert expect(None, {"t1c"}) == expect(None, {"t2f"})
    assert not expect(None, {"t1c"}).possible


def test_a_sequence_that_the_model_never_saw_is_left_out() -> None:
    model = _model(("t1c", "t2f"))
    said = expect(model, {"t1c", "t2w"})
    assert said.possible
    assert "does not know T2; left out" in said.sentence


def test_an_unknown_reference_is_refused() -> None:
    said = expect(_model(("t1n", "t2w")), {"t1c", "t1n"})
    assert not said.possible
    assert "not trained on T1c" in said.sentence


def test_a_set_of_sequences_that_is_not_listed_is_refused() -> None:
    said = expect(_model(assessable={"t1c": ["tc"]}), {"t2f"})
    assert not said.possible
    assert "FLAIR alone" in said.sentence


@given(present=subsets, known=subsets.filter(bool), table=tables)
def test_the_line_says_what_the_pipeline_does(present, known, table) -> None:
    """The same regions, and refused in the same cases, as where the work is done."""
    pytest.importorskip("torch")
    from ParetoSegLib.pipeline import assessable_regions

    known = tuple(m for m in MODALITIES if m in known)
    said = expect(_model(known, table), present)
    if not present:
        assert not said.possible
        return
    reference = next(m for m in REFERENCE_ORDER if m in present)
    used = tuple(m for m in known if m in present)
    try:
        if reference not in known:
            raise ModelFolderError("reference")
        regions = assessable_regions(_model(known, table), used)
    except ModelFolderError:
        assert not said.possible
        return
    assert said.possible
    segmented = said.sentence.partition(" from ")[0]
    assert [r for r in REGIONS if WORDS[r] in segmented] == list(regions)
    for region in set(REGIONS) - set(regions):
        rest = said.sentence.partition(".")[2].lower()
        assert WORDS[region] in rest


@given(present=subsets, known=subsets.filter(bool), table=tables)
def test_every_line_is_whole_sentences(present, known, table) -> None:
    said = expect(_model([m for m in MODALITIES if m in known], table), present)
    assert said.sentence.endswith(".")
    assert said.sentence[0].isupper()
    assert "  " not in said.sentence
    assert "{" not in said.sentence
