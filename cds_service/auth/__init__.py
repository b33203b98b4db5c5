"""Who calls: the JWT of a CDS Hooks client is verified here, and nothing else is believed about the caller."""

from cds_service.auth.clients import Client, Clients, read_clients
from cds_service.auth.errors import Check, ReplayMemoryUnavailable, Unauthenticated
from cds_service.auth.key_sets import KeyRing
from cds_service.auth.verifier import Principal, Replay, Verifier

__all__ = [
    "Check",
    "Client",
    "Clients",
    "KeyRing",
    "Principal",
    "Replay",
    "ReplayMemoryUnavailable",
    "Unauthenticated",
    "Verifier",
    "read_clients",
]
