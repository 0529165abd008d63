"""How long a case still takes, from how it goes and from how the last one went."""

from __future__ import annotations

from collections.abc import Mapping

ENOUGH = 0.1
"""Of a stage that must be done before its own pace tells its length."""


class Countdown:
    """Estimates the seconds that are left of one case.

    A stage that is under way takes as long as its pace says. What comes later takes as long as it
    did last time; without a last time, each stage takes its share on the progress bar, which is
    rough, and nothing is said before the pace of a stage is known.

    Args:
        stages: fraction of the whole at which each stage begins and ends, in their order.
        expected: seconds of each stage, from the last case and the sizes of both; may be empty.
    """

    def __init__(
        self, stages: Mapping[str, tuple[float, float]], expected: Mapping[str, float]
    ) -> None:
        self._stages = stages
        self._expected = dict(expected)
        self._stage = ""
        self._began = 0.0

    def seconds_left(self, stage: str, fraction: float, now: float) -> float | None:
        """Seconds until the whole is done, or ``None`` while nobody can tell.

        Args:
            stage: one of the stages; before the first, any other word.
            fraction: of the whole.
            now: on a clock that never goes back.
        """
        if stage != self._stage:
            self._stage, self._began = stage, now
        names = list(self._stages)
        known = all(name in self._expected for name in names)
        if stage not in self._stages:
            return sum(self._expected[name] for name in names) if known else None
        first, last = self._stages[stage]
        within = (fraction - first) / (last - first)
        spent = now - self._began
        if within >= ENOUGH:
            here = spent / within
        elif known:
            here = max(self._expected[stage], spent)
        else:
            return None
        later = names[names.index(stage) + 1 :]
        if known:
            rest = sum(self._expected[name] for name in later)
        else:
            rest = here * sum(self._share(name) for name in later) / self._share(stage)
        return max(0.0, here - spent) + rest

    def _share(self, stage: str) -> float:
        first, last = self._stages[stage]
        return last - first
