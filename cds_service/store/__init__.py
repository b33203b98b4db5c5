"""The database, which no other package knows: what was shown and decided, and what clients report about it."""

from cds_service.store.circuit_breaker import CircuitBreaker
from cds_service.store.database import NOT_MIGRATED, READY, UNREACHABLE, Store
from cds_service.store.dismissal_lookup import DismissalLookup
from cds_service.store.recorder import Recorder

__all__ = ["NOT_MIGRATED", "READY", "UNREACHABLE", "CircuitBreaker", "DismissalLookup", "Recorder", "Store"]
