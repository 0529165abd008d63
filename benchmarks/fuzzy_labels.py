"""What do fuzzy labels of a whole case cost, against two SciPy distance transforms a region?

    python benchmarks/fuzzy_labels.py --output fuzzy_labels.json

The rival takes the distance to the inside and to the outside of each region over the whole image,
which is what a band about the boundary costs when lesions are not told apart; it does not even
give each lesion a band of its own. Painted lesions, 155 × 240 × 240, three nested regions.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from painted_lesions import painted_masks
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from timing import arguments, in_turn, ratio, shown, spread, write

from ParetoSegLib.method.fuzzy import BAND_MM, fuzzy_labels

SHAPE, COUNTS = (155, 240, 240), (1, 10, 40)
QUICK_SHAPE, QUICK_COUNTS = (40, 70, 70), (1, 2)


def whole_image(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A band of the same shape from two transforms a region over the whole image."""
    found = {}
    for region, mask in masks.items():
        distance = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
        t = np.clip(0.5 + distance / (2 * BAND_MM), 0, 1)
        found[region] = np.where(t <= 0.5, 2 * t * t, 1 - 2 * (1 - t) ** 2).astype(np.float32)
    return found


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.set_defaults(rounds=5)
    options = parser.parse_args()
    shape, counts = (QUICK_SHAPE, QUICK_COUNTS) if options.quick else (SHAPE, COUNTS)
    table = Table(title=f"Fuzzy labels of {' × '.join(map(str, shape))}, three regions")
    for column in ("lesions", "ours s", "quartiles", "two EDTs s", "quartiles", "times faster"):
        table.add_column(column)
    rows = []
    for count in counts:
        masks = painted_masks(shape, count)
        ways = {
            "ours": lambda masks=masks: fuzzy_labels(masks, (1.0, 1.0, 1.0)),
            "edt": lambda masks=masks: whole_image(masks),
        }
        seconds = in_turn(ways, options.rounds, 0 if options.quick else 1)
        row = {name: spread(values) for name, values in seconds.items()}
        row |= {"lesions": count, "faster": ratio(seconds["edt"], seconds["ours"])}
        rows.append(row)
        faster = shown(row["faster"], 1)
        table.add_row(
            str(count), *shown(row["ours"]), *shown(row["edt"]), f"{faster[0]} ({faster[1]})"
        )
    Console().print(table)
    least = min(row["faster"]["quartiles"][1] for row in rows)
    write(options.output, options.quick, shape=shape, rows=rows, least_times_faster=least)


if __name__ == "__main__":
    main()
