"""Configuration trees survive YAML, take overrides, and refuse what they do not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.core.config import from_mapping, load_config, to_mapping, to_yaml
from ParetoSegLib.core.errors import ConfigError


@dataclass(frozen=True)
class Leaf:
    rate: float = 0.5
    kind: Literal["a", "b"] = "a"
    limit: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate is {self.rate}; it must lie between 0 and 1.")


@dataclass(frozen=True)
class Tree:
    name: str = "x"
    size: tuple[int, int, int] = (1, 2, 3)
    names: tuple[str, ...] = ()
    on: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)
    leaf: Leaf = field(default_factory=Leaf)


trees = st.builds(
    Tree,
    name=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1),
    size=st.tuples(*[st.integers(-9, 9)] * 3),
    names=st.lists(st.text("abc+", max_size=4)).map(tuple),
    on=st.booleans(),
    leaf=st.builds(
        Leaf,
        rate=st.floats(0, 1),
        kind=st.sampled_from(["a", "b"]),
        limit=st.none() | st.integers(),
    ),
)


@given(trees)
def test_mapping_and_back_is_the_same(tree: Tree) -> None:
    assert from_mapping(Tree, to_mapping(tree)) == tree


@given(tree=trees)
def test_yaml_and_back_is_the_same(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("config") / "config.yaml"
    file.write_text(to_yaml(tree), encoding="utf-8")
    assert load_config(Tree, file) == tree


@given(digits=st.integers(1, 9), exponent=st.integers(1, 30))
def test_exponents_are_numbers_with_and_without_a_point(digits: int, exponent: int) -> None:
    for text in (f"{digits}e-{exponent}", f"{digits}.0e-{exponent}"):
        loaded = load_config(Tree, None, [f"leaf.rate={text}"])
        assert loaded.leaf.rate == float(text)


def test_an_override_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("name: y\nleaf: {rate: 0.25}\n", encoding="utf-8")
    tree = load_config(Tree, file, ["leaf.rate=1", "size=[4, 5, 6]", "leaf.kind=b", "extra={a: 1}"])
    assert tree == Tree("y", (4, 5, 6), extra={"a": 1}, leaf=Leaf(1.0, "b"))


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("nothing=1", "nothing"),
        ("leaf.nothing=1", "leaf.nothing"),
        ("leaf=1", "leaf"),
        ("name.deeper=1", "name"),
        ("leaf.rate=2", "rate is 2"),
        ("leaf.rate=fast", "leaf.rate"),
        ("leaf.kind=c", "leaf.kind"),
        ("size=[1, 2]", "size"),
        ("size=[1, 2, x]", "size"),
        ("on=1", "on"),
        ("name", "key=value"),
        ("name=[", "name=["),
    ],
)
def test_what_is_wrong_is_named(override: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Tree, None, [override])
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["- 1\n- 2\n", "a: [", b"\xff\xfe\x00"])
def test_a_broken_file_is_named(content: str | bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=r"broken\.yaml"):
        load_config(Tree, file)


def test_a_missing_file_is_named_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^The configuration file gone\.yaml"):
        load_config(Tree, tmp_path / "gone.yaml")
