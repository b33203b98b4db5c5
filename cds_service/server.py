"""The server that `plexus-cds serve` runs: granian with its workers, after the checks of a start."""

import errno
import gc
import signal
import socket
import sys
from collections.abc import Iterable
from importlib import import_module
from math import ceil
from pathlib import Path

from cds_service import __version__, metrics, watched_file
from cds_service.auth import Client
from cds_service.config.settings import Settings
from cds_service.errors import SettingsError
from cds_service.logs import log_event, log_to_stderr
from cds_service.store import NOT_MIGRATED, READY, Store
from cds_service.store.migration import prepare
from cds_service.store.period import PLAYGROUND
from cds_service.web import body_drain

_SPARE_THREADS = 4
"""They refuse excess calls and answer probes while all others are busy; each is started when it is needed."""

_CONNECTIONS = 512
"""Of each worker, including idle ones; a client beyond them gets no answer at all, so there are more than enough."""

_HEADER_MILLISECONDS = 10_000
"""For the headers of a request; an idle connection is closed after this time, too."""

_SPARE_SECONDS = 2
"""Beyond the calls in progress, which may read a record, before a server that stops kills its workers.

A worker that is told to stop while it starts misses it.
"""


def serve(settings: Settings, clients: Iterable[Client] = ()) -> None:
    """Answer hook calls until stopped; the settings reach the workers through the environment."""
    from granian import Granian  # noqa: PLC0415 - no other command needs a server
    from granian.constants import HTTPModes, Interfaces  # noqa: PLC0415
    from granian.http import HTTP1Settings  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415

    log_to_stderr()
    _check_port(settings)
    _warn_of_open_access(settings)
    _prepare_store(settings)
    _load(settings, clients)
    server = Granian(
        "cds_service.web.app:app_from_environment",
        factory=True,
        interface=Interfaces.WSGI,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        blocking_threads=settings.threads + body_drain.CONCURRENT + _SPARE_THREADS,
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
    _ignore_signals()
    with metrics.shared(), watched_file.shared():
        print(_greeting(settings), flush=True)
        gc.freeze()  # the workers are forks: a collection in each would copy what they share
        server.serve()


def _load(settings: Settings, clients: Iterable[Client]) -> None:
    """Import what calls need and is slow to import, so that the workers, which are forks, share it."""
    if settings.fhir_servers or any(client.fhir_servers or not client.jwks_file for client in clients):
        import_module("cds_service.http_client")
    if settings.clients_file:
        import_module("cds_service.auth.public_keys")
    if settings.traces:
        import_module("cds_service.web.traces")
    if settings.workers > 1:
        import_module("cds_service.store.writing")  # a single worker imports it at its first write


def _ignore_signals() -> None:
    """Ignore signals that mean nothing here and would end the process, as one to reopen a log file does."""
    for name in ("SIGUSR1", "SIGUSR2"):
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)


def _check_port(settings: Settings) -> None:
    """Raise SettingsError where the address cannot be used, or its port is taken.

    Otherwise two servers on one port would start and share the calls.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            other = "port with --port or PLEXUS_CDS_PORT"
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                other = "address with --host or PLEXUS_CDS_HOST"
            message = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another {other}"
            raise SettingsError(message) from None


def _warn_of_open_access(settings: Settings) -> None:
    """Warn of what anyone may use, where other machines can reach the service."""
    if settings.is_local and not settings.public_url:
        return
    reached = f"anyone who can reach {settings.host}:{settings.port} or {settings.base_url}"
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
    """Migrate an embedded store before the workers start; warn of a store that is not ready, which costs no card."""
    store = Store(settings.store_url.get_secret_value())
    state, reason = prepare(store)
    store.close()
    if state != READY:
        check = "that its folder is writable and has free space" if store.embedded else "that it is running"
        action = "run plexus-cds migrate" if state == NOT_MIGRATED else f"check {check}, and PLEXUS_CDS_STORE_URL"
        effect = "no call is answered" if settings.clients_file else "cards are returned, but nothing is stored"
        log_event(
            "warning",
            "startup_warning",
            reason="store_not_ready",
            error=reason or state,
            store=repr(store),
            state=state,
            effect=effect,
            action=action,
        )


def _greeting(settings: Settings) -> str:
    base = settings.base_url
    lines = [f"plexus-cds {__version__} listening on {base}", f"Discovery: {base}/cds-services"]
    if settings.development:
        lines += [
            "Development mode: playground, dashboard, CORS for the Sandbox. Not for use with patients.",
            f"Playground: {base}/",
            f"Dashboard: {base}/dashboard",
            f"About the card: {base}/cards/lumbosacral-plexus-mri",
            *_first_call(settings),
            "Stop with Ctrl-C.",
        ]
    return "\n".join(lines)


def _first_call(settings: Settings) -> list[str]:
    """Return the commands for a first card, counted with the playground's calls, or that a token is needed."""
    if settings.clients_file:
        return [f"Each call needs a token of a client in {settings.clients_file}."]
    command = Path(sys.argv[0])
    shown = command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command
    return [
        "To get a card for the sample patient:",
        f"  {shown} example article | curl -s -H 'Content-Type: application/json' \\",
        f"    -H 'X-Plexus-CDS-Client: {PLAYGROUND}' -d @- \\",
        f"    {settings.base_url}/cds-services/lumbosacral-plexus-mri-order-select | python3 -m json.tool",
    ]
