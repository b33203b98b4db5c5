"""Who calls: the JWT of a CDS Hooks client is verified here, and nothing else is believed about the caller."""

from cds_service.auth.clients import Client, Clients
from cds_service.auth.clients_file import read_clients
from cds_service.auth.key_ring import KeyRing
from cds_service.auth.refusals import Check, ReplayMemoryUnavailable, Unauthenticated
from cds_service.auth.verifier import Caller, Replay, Verifier

__all__ = [
    "Caller",
    "Check",
    "Client",
    "Clients",
    "KeyRing",
    "Replay",
    "ReplayMemoryUnavailable",
    "Unauthenticated",
    "Verifier",
    "read_clients",
]
