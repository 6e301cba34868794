"""How often, and how soon, work that has failed is tried again: data from which every engine derives its own retries.

The module does not try anything.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

from fairlead.adapters.errors import Cancelled, ContractError, InputInvalid, Problem


@dataclass(frozen=True)
class Retries:
    """Tries after the first one: the n-th waits ``delay * backoff ** (n - 1)`` seconds, at most ``max_delay``."""

    times: int = 0
    delay: float = 0.0
    """Seconds before the first."""
    backoff: float = 1.0
    """By what each delay is longer than the one before."""
    max_delay: float = 3600.0
    jitter: float = 0.0
    """By what part a delay may be longer or shorter, by chance, so that many do not come back at once."""

    def __post_init__(self) -> None:
        """Raise `InputInvalid` with every field that is out of range."""
        rules: list[tuple[str, Any, str, type[Any], float, float]] = [
            ("retries", self.times, "a whole number, 0 or more", int, 0, math.inf),
            ("retry_delay", self.delay, "seconds, 0 or more", float, 0, math.inf),
            ("retry_backoff", self.backoff, "a factor, 1 or more", float, 1, math.inf),
            ("max_retry_delay", self.max_delay, "seconds, 0 or more", float, 0, math.inf),
            ("retry_jitter", self.jitter, "a part between 0 and 1", float, 0, 1),
        ]
        problems = [
            Problem(name, f"{value!r} is out of range", expected, f"Give {expected}.")
            for name, value, expected, kind, least, most in rules
            if not (isinstance(value, int | kind) and least <= value <= most)
        ]
        if problems:
            raise InputInvalid(problems)

    def delays(self, most: int | None = None) -> list[float]:
        """Return the seconds before each try after the first, or before the first ``most`` of them, without jitter."""
        number = self.times if most is None else min(most, self.times)
        return [self._delay(each) for each in range(1, number + 1)]

    def wait_before(self, number: int) -> float:
        """Return the seconds to wait before the n-th try after the first, from 1, with jitter."""
        by_chance = 1 + random.uniform(-self.jitter, self.jitter)  # noqa: S311 (no secret)
        return min(self._delay(number) * by_chance, self.max_delay)

    def _delay(self, number: int) -> float:
        try:
            return min(self.delay * float(self.backoff) ** (number - 1), self.max_delay)
        except OverflowError:  # beyond all numbers
            return self.max_delay if self.delay else 0.0


NONE = Retries()


def is_retryable(error: BaseException) -> bool:
    """Tell whether another try can help: not where a contract is broken or the run was cancelled, else as it says."""
    return (
        isinstance(error, Exception)
        and not isinstance(error, ContractError | Cancelled)
        and bool(getattr(error, "retryable", True))
    )
