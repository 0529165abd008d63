"""Results travel without loss."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.review.export import summary
from ParetoSegLib.review.result import Result
from ParetoSegLib.service.answers import (
    content_of,
    lesion_from_json,
    lesion_to_json,
    result_from,
    type_of,
    volume_names,
    volumes_of,
)
from ParetoSegLib.service.protocol import Answer, ProtocolError
from ParetoSegLib.service.wire import decode_event, encode
from Testing.review.cases import CANDIDATE, THREE, painted

RESULTS = {
    "three": painted(THREE),
    "candidate": painted((*THREE, CANDIDATE)),
    "no contrast": painted(THREE, assessable=("wt",), modalities=("t2f",)),
    "nothing": painted(()),
}


def _travelled(result: Result) -> Result:
    answer = decode_event(encode(Answer(1, content_of(result)))[:-1])
    assert isinstance(answer, Answer)
    volumes = {name: v.astype(type_of(name)) for name, v in volumes_of(result).items()}
    assert volume_names(answer.result) == list(volumes)
    return result_from(answer.result, volumes, result.case)


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_a_result_arrives_as_it_was(name: str) -> None:
    result = RESULTS[name]
    back = _travelled(result)
    assert [asdict(x) for x in back.lesions.lesions] == [asdict(x) for x in result.lesions.lesions]
    assert back.lesions.region == result.lesions.region
    assert back.lesions.territories.dtype == np.int32
    np.testing.assert_array_equal(back.lesions.territories, result.lesions.territories)
    assert back.assessable == result.assessable
    assert {r: tuple(v) for r, v in back.levels.items()} == dict(result.levels)
    assert list(back.membership) == [r for r in result.membership if r in result.assessable]
    for region, membership in back.membership.items():
        assert membership.dtype == np.float32
        np.testing.assert_array_equal(membership, result.membership[region])
    assert summary(back, []) == summary(result, [])


def test_sequences_that_were_not_used_are_not_in_the_result() -> None:
    content = {**content_of(RESULTS["three"]), "sequences": ["t1c"]}
    back = result_from(content, volumes_of(RESULTS["three"]), RESULTS["three"].case)
    assert list(back.case.images) == ["t1c"]


@given(
    st.sampled_from(sorted(content_of(RESULTS["three"]))),
    st.none() | st.integers() | st.text() | st.lists(st.integers()) | st.just({"a": 1}),
)
def test_a_damaged_result_is_refused_or_whole(key: str, value: object) -> None:
    result = RESULTS["three"]
    content = {**content_of(result), key: value}
    try:
        names = volume_names(content)
        back = result_from(content, {n: volumes_of(result)[n] for n in names}, result.case)
    except ProtocolError:
        return
    assert isinstance(back, Result)


@pytest.mark.parametrize("lesion", RESULTS["candidate"].lesions.lesions, ids=lambda x: x.kind)
def test_a_lesion_is_itself_after_json(lesion) -> None:
    assert lesion_from_json(json.loads(json.dumps(lesion_to_json(lesion)))) == lesion
    with pytest.raises(ValueError, match="fields"):
        lesion_from_json({**lesion_to_json(lesion), "more": 1})
