"""Who calls: the JWT of a CDS Hooks client is verified here, and nothing else is believed about the caller."""

from cds_service.auth.clients import Client, Clients, read_clients
from cds_service.auth.errors import Check, ReplayCacheUnavailable, Unauthenticated
from cds_service.auth.key_sets import KeySetCache
from cds_service.auth.verifier import Principal, ReplayProtection, TokenVerifier

__all__ = [
    "Check",
    "Client",
    "Clients",
    "KeySetCache",
    "Principal",
    "ReplayCacheUnavailable",
    "ReplayProtection",
    "TokenVerifier",
    "Unauthenticated",
    "read_clients",
]
