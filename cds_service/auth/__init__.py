"""Authentication of CDS Hooks clients by their JWTs (CDS Hooks 2.0.1, section "Security")."""

from cds_service.auth.clients import Client, Clients, read_clients
from cds_service.auth.key_sets import KeySetCache
from cds_service.auth.verifier import Principal, ReplayProtection, TokenVerifier
from cds_service.errors import Check, ReplayCacheUnavailable, Unauthenticated

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
