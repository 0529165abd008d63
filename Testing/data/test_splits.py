"""Splits: by patient, the same everywhere, whole, written and read, and never overlapping."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.core.errors import ConfigError, LayoutError
from ParetoSegLib.data.case import CaseFiles
from ParetoSegLib.data.splits import (
    Split,
    overlapping_patients,
    read_split,
    refuse_overlap,
    split_patients,
    write_split,
)


def cases(visits: list[int], prefix: str = "P") -> list[CaseFiles]:
    return [
        CaseFiles(f"{prefix}-{p:04d}-{v:03d}", f"{prefix}-{p:04d}", {})
        for p, count in enumerate(visits)
        for v in range(count)
    ]


visit_counts = st.lists(st.integers(1, 4), min_size=1, max_size=40)
fractions = (
    st.tuples(st.integers(1, 20), st.integers(0, 20), st.integers(0, 20))
    .map(lambda w: tuple(x / sum(w) for x in w))
    .map(lambda f: (f[0], f[1], 1 - f[0] - f[1] if f[2] else 0.0))
    .filter(lambda f: min(f) >= 0 and abs(sum(f) - 1) < 1e-9)
)


def parts(split: Split) -> list[tuple[str, ...]]:
    return [split.train, split.validation, split.calibration]


def patients(names: tuple[str, ...]) -> set[str]:
    return {name.rpartition("-")[0] for name in names}


@given(visits=visit_counts, shares=fractions, seed=st.integers(0, 9))
def test_every_case_once_and_no_patient_twice(
    visits: list[int], shares: tuple[float, float, float], seed: int
) -> None:
    all_cases = cases(visits)
    split = split_patients(all_cases, shares, seed)
    assert sorted(n for part in parts(split) for n in part) == sorted(c.name for c in all_cases)
    seen = [patients(part) for part in parts(split)]
    assert sum(map(len, seen)) == len(visits)
    assert set().union(*seen) == {c.patient for c in all_cases}


@given(visits=visit_counts, shares=fractions, seed=st.integers(0, 9), data=st.data())
def test_order_of_cases_does_not_matter(
    visits: list[int], shares: tuple[float, float, float], seed: int, data: st.DataObject
) -> None:
    all_cases = cases(visits)
    shuffled = data.draw(st.permutations(all_cases))
    assert split_patients(shuffled, shares, seed) == split_patients(all_cases, shares, seed)


@given(count=st.integers(1, 60), shares=fractions)
def test_sizes_follow_the_fractions(count: int, shares: tuple[float, float, float]) -> None:
    split = split_patients(cases([1] * count), shares, 0)
    sizes = [len(part) for part in parts(split)]
    wanted = sum(f > 0 for f in shares)
    for size, share in zip(sizes, shares, strict=True):
        assert abs(size - share * count) <= 2
        if share == 0:
            assert size == 0
        elif count >= wanted:
            assert size >= 1
    assert sizes[0] >= 1


def test_seeds_differ_and_repeat() -> None:
    many = cases([1] * 50)
    found = {split_patients(many, seed=seed) for seed in range(5)}
    assert len(found) == 5
    assert split_patients(many, seed=3) in found


@pytest.mark.parametrize(
    "shares",
    [(0.5, 0.5, 0.5), (-0.1, 0.6, 0.5), (0.0, 0.5, 0.5), (float("nan"), 0.5, 0.5), (1.0, 0.0)],
)
def test_fractions_that_make_no_sense(shares: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="fraction"):
        split_patients(cases([1] * 5), shares)


def test_written_and_read_back(tmp_path: Path) -> None:
    split = Split(("Ä 1", "b"), ("c",), ())
    write_split(split, tmp_path / "run" / "split.json")
    assert read_split(tmp_path / "run" / "split.json") == split
    assert "Ä 1" in (tmp_path / "run" / "split.json").read_text(encoding="utf-8")


GOOD = {"format": 1, "train": ["a"], "validation": ["b"], "calibration": []}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        json.dumps(GOOD | {"format": 2}),
        json.dumps(GOOD | {"train": "a"}),
        json.dumps(GOOD | {"train": [1]}),
        json.dumps(GOOD | {"validation": None}),
        json.dumps({k: v for k, v in GOOD.items() if k != "calibration"}),
        json.dumps(GOOD | {"calibration": ["a"]}),
        json.dumps(GOOD | {"train": ["a", "a"]}),
    ],
)
def test_damaged_splits_are_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"split\.json"):
        read_split(path)


def test_a_missing_split(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"split\.json"):
        read_split(tmp_path / "split.json")


def test_overlap_is_by_patient_across_data_sets_and_visits() -> None:
    yale = [CaseFiles("BraTS-MET-00086-000", "BraTS-MET-00086", {}, dataset="pretreat-mets")]
    other = [
        CaseFiles("brats-met-00086-001", "brats-met-00086", {}, dataset="brats-mets"),
        CaseFiles("BraTS-MET-00099-000", "BraTS-MET-00099", {}, dataset="brats-mets"),
    ]
    assert overlapping_patients(yale, other) == {"BraTS-MET-00086"}
    assert overlapping_patients(other, yale) == {"brats-met-00086"}
    with pytest.raises(LayoutError, match=r"1 patient is .*BraTS-MET-00086"):
        refuse_overlap(yale, other)
    refuse_overlap(yale, other[1:])


@given(first=visit_counts, second=visit_counts)
def test_overlap_is_what_both_have(first: list[int], second: list[int]) -> None:
    shared = overlapping_patients(cases(first), cases(second))
    assert shared == {f"P-{p:04d}" for p in range(min(len(first), len(second)))}
    assert not overlapping_patients(cases(first), cases(second, "Q"))
