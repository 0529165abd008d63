"""The second case in a warm process: what is left once the model is there?

    python benchmarks/warm_worker.py --model MODEL CASE [CASE …] --output warm_worker.json

One process segments the cases again and again. The first one pays for imports, the model and what
the network needs to start; the later ones should cost the network and the files. A second pass
prepares each case while the one before it runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path, nargs="+", metavar="CASE")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=6, help="cases in all, with and without")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--backend", default="auto", choices=("auto", "torch", "openvino"))
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()

    began = time.perf_counter()
    from fresh_process import timed
    from machine import machine_facts
    from rich.console import Console
    from rich.table import Table

    from ParetoSegLib.core.outputs import whole_file
    from ParetoSegLib.core.prefetch import prefetched
    from ParetoSegLib.data.layouts import find_cases
    from ParetoSegLib.pipeline import (
        SegmentOptions,
        load,
        make_ready,
        segment_files,
        segment_ready,
    )
    from ParetoSegLib.review.export import write_result

    imports = time.perf_counter() - began
    wanted = SegmentOptions(device=options.device, backend=options.backend)
    folders = (options.cases * options.rounds)[: options.rounds]
    files = [find_cases(folder)[1][0] for folder in folders]
    model, loading = timed(lambda: load(options.model))

    plain: list[dict[str, Any]] = []
    ahead: list[float] = []
    with tempfile.TemporaryDirectory(prefix="paretoseg-bench-") as scratch:
        place = Path(scratch)
        for case in files:
            began = time.perf_counter()
            result = segment_files(case, model, wanted)
            _, writing = timed(lambda result=result: write_result(result, place / "result"))
            stages: Any = result.facts["seconds"]
            whole = time.perf_counter() - began
            needed = stages["segmenting"] + stages["reading"] + writing
            plain.append({"seconds": whole, "network_and_files": needed, "stages": stages})
        began = time.perf_counter()
        for _, take in prefetched(files, lambda case: make_ready(case, model)):
            write_result(segment_ready(take(), model, wanted), place / "result")
            ahead.append(time.perf_counter() - began)
            began = time.perf_counter()

    first = imports + loading + plain[0]["seconds"]
    later = statistics.median(run["seconds"] for run in islice(plain, 1, None))
    share = statistics.median(r["seconds"] / r["network_and_files"] for r in islice(plain, 1, None))
    overlapped = statistics.median(ahead[1:])
    table = Table(title=f"A warm process, {options.model.name}, {wanted.device}")
    for column in ("what", "value"):
        table.add_column(column)
    table.add_row("first case, imports and model included", f"{first:.2f} s")
    table.add_row("  of it imports", f"{imports:.2f} s")
    table.add_row("  of it the model", f"{loading:.2f} s")
    table.add_row("later cases, median", f"{later:.2f} s")
    table.add_row("  against network, reading and writing", f"{share:.2f} ×")
    table.add_row("later cases, prepared ahead, median", f"{overlapped:.2f} s")
    Console().print(table)
    if options.output:
        whole_run = {
            "machine": machine_facts(),
            "model": options.model.name,
            "imports_seconds": imports,
            "model_seconds": loading,
            "first_seconds": first,
            "later_seconds": later,
            "later_against_network_and_files": share,
            "later_prepared_ahead_seconds": overlapped,
            "runs": plain,
            "runs_prepared_ahead": ahead,
        }
        with whole_file(options.output) as file:
            file.write_text(json.dumps(whole_run, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
