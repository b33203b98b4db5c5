"""The server: what `plexus-cds serve` does once the settings are read."""

import gc
import socket
import sys
from collections.abc import Iterable
from importlib import import_module
from math import ceil
from pathlib import Path

from cds_service import __version__, metrics
from cds_service.auth import Client
from cds_service.config.settings import Settings
from cds_service.errors import SettingsError
from cds_service.logs import log_event, log_to_stderr
from cds_service.store import NOT_MIGRATED, READY, Store
from cds_service.store.migration import prepare

_SPARE_THREADS = 4
"""They refuse what is too much, and answer probes, while all the others are at work."""

_CONNECTIONS = 512
"""Of each worker, idle ones too; who comes when they are all taken hears nothing, so there must be more than enough."""

_HEADER_MILLISECONDS = 10_000
"""For the head of a request; a connection that has none goes after this time, too."""

_SPARE_SECONDS = 2
"""A server that is told to stop waits for the calls in work, which may read a record, and for so much longer.

Then it kills, as a worker that is told so while it starts never hears it.
"""


def serve(settings: Settings, clients: Iterable[Client] = ()) -> None:
    """Answer hook calls until told to stop; the settings reach the workers by the environment."""
    from granian import Granian  # noqa: PLC0415 - no other command needs a server
    from granian.constants import HTTPModes, Interfaces  # noqa: PLC0415
    from granian.http import HTTP1Settings  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415

    log_to_stderr()
    _claim(settings)
    _warn_of_strangers(settings)
    _prepare_store(settings)
    _load(settings, clients)
    server = Granian(
        "cds_service.web.app:app_from_environment",
        factory=True,
        interface=Interfaces.WSGI,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        blocking_threads=settings.threads + _SPARE_THREADS,
        backpressure=_CONNECTIONS,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=_HEADER_MILLISECONDS, max_buffer_size=settings.header_kilobytes * 1024
        ),
        websockets=False,
        log_level=LogLevels.error,
        respawn_failed_workers=True,
        workers_kill_timeout=ceil(settings.fetch_seconds) + _SPARE_SECONDS,
    )
    with metrics.shared():
        print(_greeting(settings), flush=True)
        gc.freeze()  # the workers are forks: what they share is not looked through, and so copied, by each of them
        server.serve()


def _load(settings: Settings, clients: Iterable[Client]) -> None:
    """Load what calls need and is slow to load: the workers, which are forks, then have it before the first call."""
    if settings.fhir_servers or any(one.fhir_servers or not one.jwks_file for one in clients):
        import_module("cds_service.http_client")
    if settings.clients_file:
        import_module("cds_service.auth.public_keys")
    if settings.workers > 1:
        import_module("cds_service.store.writing")  # one loads it when it first writes; of several each would have it


def _claim(settings: Settings) -> None:
    """Fail on a taken port: two servers on one port would start and share the calls."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            message = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another with --port"
            raise SettingsError(message) from None


def _warn_of_strangers(settings: Settings) -> None:
    """Say loudly what is open to anyone, where others than this machine may come."""
    if settings.is_local and not settings.public_url:
        return
    reached = f"anyone who reaches {settings.host}:{settings.port}, or {settings.base_url}"
    if not settings.clients_file:
        action = "name the clients in PLEXUS_CDS_CLIENTS_FILE, or let a proxy in front authenticate callers"
        effect = "hook calls are answered without authentication"
        log_event(
            "warning", "startup_warning", reason="no_authentication", exposure=reached, effect=effect, action=action
        )
    if settings.development:
        effect = "playground and dashboard need no token, and a call signed as the CDS Hooks Sandbox may be answered"
        action = "unset PLEXUS_CDS_DEVELOPMENT, or listen on 127.0.0.1 only; the Sandbox's key is public"
        log_event(
            "warning", "startup_warning", reason="development_mode", exposure=reached, effect=effect, action=action
        )


def _prepare_store(settings: Settings) -> None:
    """Migrate an embedded store before the workers start; one that is not ready costs no card, and is told loudly."""
    store = Store(settings.store_url.get_secret_value())
    state, why = prepare(store)
    store.close()
    if state != READY:
        check = "that its folder is writable and has free space" if store.embedded else "that it is running"
        action = "run plexus-cds migrate" if state == NOT_MIGRATED else f"check {check}, and PLEXUS_CDS_STORE_URL"
        effect = "no call is answered" if settings.clients_file else "cards are returned, but nothing is stored"
        log_event(
            "warning",
            "startup_warning",
            reason="store_not_ready",
            error=why or state,
            store=repr(store),
            state=state,
            effect=effect,
            action=action,
        )


def _greeting(settings: Settings) -> str:
    base = settings.base_url
    lines = [f"plexus-cds {__version__} answers on {base}", f"Discovery: {base}/cds-services"]
    if settings.development:
        lines += [
            "Development mode: for trying out, not for patients.",
            f"Playground: {base}/",
            f"Dashboard: {base}/dashboard",
            *_first_call(settings),
            "Stop with Ctrl-C.",
        ]
    return "\n".join(lines)


def _first_call(settings: Settings) -> list[str]:
    """Return what to type for a first card, or that it takes a token."""
    if settings.clients_file:
        return [f"Each call needs a token of a client in {settings.clients_file}."]
    command = Path(sys.argv[0])
    shown = command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command
    return [
        "A card for the article's patient:",
        f"  {shown} example article | curl -s -H 'Content-Type: application/json' -d @- \\",
        f"    {settings.base_url}/cds-services/lumbosacral-plexus-mri-order-select",
    ]
