"""Another process that uses tokens: a module of its own, so that it starts without all that the tests need."""

from datetime import timedelta

from cds_service.clock import SYSTEM_CLOCK
from cds_service.store import Store
from cds_service.store.replay_cache import ReplayCache

HELD: list = []
"""What this process has: its memory, and the barrier at which it waits for the others."""


def begin(url: str, barrier) -> None:
    """Open a memory of this process."""
    HELD.extend([ReplayCache(Store(url, durable=False), SYSTEM_CLOCK), barrier])


def uses(token_ids: list[str]) -> list[bool]:
    """Use tokens once all the processes are there, and tell which of them were new."""
    tokens, barrier = HELD
    barrier.wait(60)
    soon = SYSTEM_CLOCK.now() + timedelta(minutes=5)
    return [tokens.is_new("https://ehr.example.org", token_id, soon) for token_id in token_ids]
