"""Model folders with the few values that the panel reads; their weights are nobody's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from ParetoSegLib.core.labels import MODALITIES, REGIONS, presence_key


def every_set(
    regions: Sequence[str] = REGIONS, modalities: Sequence[str] = MODALITIES
) -> dict[str, list[str]]:
    """An assessable table in which ET needs t1c and everything else needs nothing."""
    return {
        presence_key(subset): [r for r in regions if r != "et" or "t1c" in subset]
        for count in range(1, len(modalities) + 1)
        for subset in combinations(modalities, count)
    }


def write_model(
    folder: Path,
    name: str = "Test model",
    modalities: Sequence[str] = MODALITIES,
    assessable: Mapping[str, Sequence[str]] | None = None,
    card: str = "# Test model\n[a link](https://example.org) <b>bold</b>\n",
) -> Path:
    """Write ``model.json`` and the card; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tree = {
        "format_version": 1,
        "name": name,
        "modalities": list(modalities),
        "assessable": dict(every_set() if assessable is None else assessable),
    }
    (folder / "model.json").write_text(json.dumps(tree), encoding="utf-8")
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    return folder
