"""How long until the program answers? Importing it, --help, opening the panel; and is torch loaded?

    python benchmarks/start_up.py --output start_up.json

Each is a process of its own. The bare interpreter stands beside them: importing is shown without
it, --help with it, as a user waits. The panel is opened in the test harness where that is
installed; there only the modules count, since Slicer's own Qt is not what is timed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console
from rich.table import Table
from timing import arguments, in_turn, shown, spread, write

ROOT = Path(__file__).parents[1]
PANEL = """
import sys
sys.path[:0] = [{root!r}, {root!r} + "/ParetoSeg", {root!r} + "/Testing"]
from slicer_harness import harness
if harness.missing() is not None:
    print("not installed")
else:
    harness.install()
    harness.fresh_scene()
    harness.load_widget()
    print(" ".join(sorted({{"torch", "monai"}} & set(sys.modules))) or "none", flush=True)
    import os
    os._exit(0)
"""
LOADED = "import sys; print(' '.join(sorted({'torch', 'monai', 'numpy'} & set(sys.modules))))"


def started(*arguments: str) -> str:
    """Run Python with these arguments in the source folder; what it printed."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


def main() -> None:
    options = arguments(__doc__.splitlines()[0]).parse_args()
    ways = {
        "interpreter alone": ("-c", "pass"),
        "import ParetoSegLib": ("-c", "import ParetoSegLib"),
        "predict --help": ("-m", "ParetoSegLib.predict", "--help"),
    }
    seconds = in_turn(
        {name: lambda given=given: started(*given) for name, given in ways.items()},
        options.rounds,
        1,
    )
    rows = {name: spread(values) for name, values in seconds.items()}
    bare = rows["interpreter alone"]["quartiles"][1]
    over = [value - bare for value in seconds["import ParetoSegLib"]]
    rows["import ParetoSegLib, over the interpreter"] = spread(over)
    loaded = started("-c", "import ParetoSegLib; " + LOADED).strip() or "none"
    panel = started("-c", PANEL.format(root=str(ROOT))).splitlines()[-1]
    table = Table(title="Until it answers")
    for column in ("what", "median s", "quartiles s"):
        table.add_column(column)
    for name, row in rows.items():
        table.add_row(name, *shown(row))
    Console().print(table)
    Console().print(f"Loaded by import ParetoSegLib: {loaded}; by opening the panel: {panel}.")
    write(options.output, options.quick, rows=rows, import_loads=loaded, panel_loads=panel)


if __name__ == "__main__":
    main()
