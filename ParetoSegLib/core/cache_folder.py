"""Where a user's caches lie on each system: files that may vanish any day and cost only time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "PARETOSEG_CACHE"
"""An environment variable that names another folder."""


def cache_folder() -> Path | None:
    """The folder for this program's caches; it may not be there yet.

    Windows: ``%LOCALAPPDATA%/ParetoSeg/Cache``; macOS: ``~/Library/Caches/ParetoSeg``; elsewhere
    ``$XDG_CACHE_HOME/paretoseg`` or ``~/.cache/paretoseg``. ``None`` where the user has no home:
    a folder that others may write to is no place for what is trusted later.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else home / "AppData" / "Local") / "ParetoSeg" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "ParetoSeg"
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The specification: a relative path is invalid and has to be ignored.
    return (xdg if xdg.is_absolute() else home / ".cache") / "paretoseg"
