"""How many examples Hypothesis draws: a fifth by default, all with `--hypothesis-profile=full` (`make fuzz`).

Both profiles draw the same examples every time; tools/fuzz.py draws others each time.
"""

from collections.abc import Iterable
from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, settings

Case = TypeVar("Case")

ALL = 100
settings.register_profile(
    "full", derandomize=True, max_examples=ALL, deadline=None, database=None, suppress_health_check=HealthCheck
)
settings.register_profile("small", settings.get_profile("full"), max_examples=ALL // 5)
settings.load_profile("small")


def examples(number: int) -> settings:
    """Return settings for `number` examples in the full profile, and for the same share of them in another one."""
    return settings(max_examples=max(1, number * settings.default.max_examples // ALL))


def share(cases: Iterable[Case]) -> list[Case]:
    """Return all of some cases in the full profile, and in another one as large a share of them as of the examples."""
    listed = list(cases)
    return Random(ALL).sample(listed, max(1, len(listed) * settings.default.max_examples // ALL))  # the same each time
