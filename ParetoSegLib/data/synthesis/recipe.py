"""A recipe for synthetic patients: settings, and which heads with which weight; from YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ParetoSegLib.core.config import from_mapping, load_config
from ParetoSegLib.core.errors import ConfigError, LayoutError
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.data.synthesis.head_files import MNI, HeadFile, find_heads, shipped_heads
from ParetoSegLib.data.synthesis.heads import small_head
from ParetoSegLib.data.synthesis.settings import SynthesisSettings

SHIPPED, SMALL = "shipped", "small"
"""Places that are no folders: the label maps in Resources/Heads, and toy heads without files."""


@dataclass(frozen=True)
class HeadSource:
    """Where heads come from.

    Args:
        place: ``shipped``, ``small``, ``mni``, or a folder or file below the folder of heads.
        names: only the heads of these names; all where it is empty.
        weight: share of the patients from here, relative to the other sources.
        optional: whether it may be missing; its share then goes to the others.
    """

    place: str = SHIPPED
    names: tuple[str, ...] = ()
    weight: float = 1.0
    optional: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise ConfigError(f"The weight of the heads {self.place} must be more than 0.")

    def files(self, folder: Path) -> list[HeadFile]:
        """The heads, sorted by name.

        Args:
            folder: where ``place`` is looked for.

        Raises:
            LayoutError: they are missing.
        """
        if self.place == SHIPPED:
            found = shipped_heads()
        elif self.place == MNI:
            found = find_heads(MNI)
        else:
            found = find_heads(folder / self.place)
        if not self.names:
            return found
        named = {head.name: head for head in found}
        missing = [name for name in self.names if name not in named]
        if missing:
            raise LayoutError(f"{Path(self.place).name} holds no head called {missing[0]}.")
        return [named[name] for name in sorted(self.names)]


@dataclass(frozen=True)
class Recipe:
    """What a set of patients is made from.

    Args:
        settings: of every patient.
        heads: their sources.
        cases: how many patients, unless the command line says so.
        seed: of all of them, unless the command line says so.
        first: number of the first patient, so that several sets can lie in one folder.
    """

    settings: SynthesisSettings = field(default_factory=SynthesisSettings)
    heads: tuple[HeadSource, ...] = (HeadSource(),)
    cases: int | None = None
    seed: int | None = None
    first: int = 1

    def __post_init__(self) -> None:
        if not self.heads:
            raise ConfigError("heads is empty; name at least one source of heads.")
        if not 1 <= self.first <= 99999:
            raise ConfigError(f"first is {self.first}; give a number from 1 to 99999.")


@dataclass(frozen=True)
class _Document:
    """A recipe's file as it stands."""

    settings: Mapping[str, Any] | None = None
    heads: tuple[Any, ...] | None = None
    cases: int | None = None
    seed: int | None = None
    first: int | None = None
    sets: Mapping[str, Any] | None = None


def read_recipe(file: Path, name: str | None = None) -> Recipe:
    """Read a recipe.

    A file may hold several under ``sets``: each inherits what stands outside and may replace it,
    ``settings`` one by one.

    Args:
        file: YAML.
        name: of the set; needed exactly where the file holds sets.

    Raises:
        ConfigError: it cannot be read, a key or a value is wrong, or there is no such set.
    """
    shared = load_config(_Document, file)
    if shared.sets is None:
        if name is not None:
            raise ConfigError(f"The configuration file {file.name} holds no sets; leave out --set.")
        return _recipe(shared, _Document())
    if name is None or name not in shared.sets:
        known = ", ".join(map(str, shared.sets))
        raise ConfigError(f"{file.name} holds the sets {known}; choose one with --set NAME.")
    return _recipe(shared, from_mapping(_Document, shared.sets[name] or {}, f"sets.{name}."))


def _recipe(shared: _Document, own: _Document) -> Recipe:
    tree: dict[str, Any] = {"settings": {**(shared.settings or {}), **(own.settings or {})}}
    for key in ("heads", "cases", "seed", "first"):
        value = getattr(own, key) if getattr(own, key) is not None else getattr(shared, key)
        if value is not None:
            tree[key] = value
    return from_mapping(Recipe, tree)


def head_chooser(recipe: Recipe, folder: Path) -> Callable[[int], HeadFile]:
    """A function from a patient's seed to its head, by the sources' weights.

    Args:
        recipe: names the sources.
        folder: where their places are looked for.

    Raises:
        LayoutError: a source that is not optional is missing, or all are.
    """
    sources: list[tuple[float, list[HeadFile]]] = []
    for source in recipe.heads:
        if source.place == SMALL:
            sources.append((source.weight, []))
            continue
        try:
            sources.append((source.weight, source.files(folder)))
        except LayoutError:
            if not source.optional:
                raise
    if not sources:
        raise LayoutError("None of the recipe's heads are there; name their folder with --heads.")
    total = sum(weight for weight, _ in sources)

    def choose(seed: int) -> HeadFile:
        draw = derive_seed(seed, "choice of source") / 2**63 * total
        number = 0
        while number < len(sources) - 1 and draw >= sources[number][0]:
            draw -= sources[number][0]
            number += 1
        files = sources[number][1]
        if not files:
            return HeadFile(f"small-{seed}", lambda: small_head(seed))
        return files[derive_seed(seed, "choice of head") % len(files)]

    return choose
