"""The first case, read and prepared in a thread while PyTorch is still being imported.

The import is a second of mostly Python on one core. Python hands its lock over every 5 ms, and
reading asks for it after every piece that it inflates: left at that, the two take turns instead of
working side by side. While a head start is on, the lock changes hands a hundred times as often.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from ParetoSegLib.core.errors import ParetoSegError
from ParetoSegLib.data.case import Case, CaseFiles, read_case
from ParetoSegLib.data.preprocessing import Prepared, PreprocessingSettings, prepare

SWITCH_SECONDS = 5e-5


@dataclass(frozen=True)
class Begun:
    """What a head start has done.

    Args:
        case: as read, without labels.
        prepared: with ``settings``; ``None`` where it cannot be: whoever tries again is told why.
        settings: that were guessed.
        seconds: of ``reading`` and ``preparing``.
    """

    case: Case
    prepared: Prepared | None
    settings: PreprocessingSettings
    seconds: dict[str, float]


class HeadStart:
    """Reads and prepares a case from the moment it is made.

    Args:
        files: of the case.
        settings: what the model will most likely want; where it does not, only the reading was
            worth its while.
    """

    def __init__(
        self, files: CaseFiles, settings: PreprocessingSettings = PreprocessingSettings()
    ) -> None:
        self._files, self._settings = files, settings
        pool = ThreadPoolExecutor(1, thread_name_prefix="head-start")
        self._future: Future[Begun] | None = pool.submit(self._begin)
        pool.shutdown(wait=False)

    def take(self, files: CaseFiles) -> Begun | None:
        """What was done, once, for the case that it was done for; ``None`` for any other.

        Raises:
            ImageReadError, GeometryError: as ``read_case``.
        """
        if files != self._files or self._future is None:
            return None
        future, self._future = self._future, None
        return future.result()

    def _begin(self) -> Begun:
        usual = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            return self._begun()
        finally:
            sys.setswitchinterval(usual)

    def _begun(self) -> Begun:
        began = time.perf_counter()
        case = read_case(self._files, with_labels=False)
        read = time.perf_counter()
        prepared: Prepared | None = None
        with suppress(ParetoSegError):
            prepared = prepare(case, self._settings)
        seconds = {
            "reading": round(read - began, 3),
            "preparing": round(time.perf_counter() - read, 3),
        }
        return Begun(case, prepared, self._settings, seconds)
