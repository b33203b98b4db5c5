"""The server: what `plexus-cds serve` does once the settings are read."""

import json
import socket
import sys
from pathlib import Path

from cds_service import __version__, metrics
from cds_service.errors import SettingsError
from cds_service.settings import Settings
from cds_service.store import NOT_MIGRATED, READY, Store
from cds_service.store.migration import prepare


def serve(settings: Settings) -> None:
    """Answer hook calls until told to stop; the settings reach the workers by the environment."""
    from granian import Granian  # noqa: PLC0415 - no other command needs a server
    from granian.constants import Interfaces  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415

    _claim(settings)
    _prepare_store(settings)
    server = Granian(
        "cds_service.web.app:app_from_environment",
        factory=True,
        interface=Interfaces.WSGI,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        blocking_threads=settings.threads,
        websockets=False,
        log_level=LogLevels.error,
        respawn_failed_workers=True,
        workers_kill_timeout=5,  # a terminal's Ctrl-C reaches the workers too, and can leave one waiting for ever
    )
    with metrics.shared():
        print(_greeting(settings), flush=True)
        server.serve()


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


def _prepare_store(settings: Settings) -> None:
    """Migrate an embedded store before the workers start; one that is not ready costs no card, and is told loudly."""
    store = Store(settings.store_url.get_secret_value())
    state = prepare(store)
    store.close()
    if state != READY:
        do = "run plexus-cds migrate" if state == NOT_MIGRATED else "see whether it runs, and PLEXUS_CDS_STORE_URL"
        line = {"store": repr(store), "state": state, "lost": "cards are shown, but nothing is kept", "do": do}
        print(json.dumps(line), file=sys.stderr, flush=True)


def _greeting(settings: Settings) -> str:
    base = settings.base_url
    lines = [f"plexus-cds {__version__} answers on {base}", f"Discovery: {base}/cds-services"]
    if settings.development:
        command = Path(sys.argv[0])
        shown = command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command
        lines += [
            "Development mode: for trying out, not for patients.",
            f"Playground: {base}/",
            f"Dashboard: {base}/dashboard",
            "A card for the article's patient:",
            f"  {shown} example article | curl -s -H 'Content-Type: application/json' -d @- \\",
            f"    {base}/cds-services/lumbosacral-plexus-mri-order-select",
            "Stop with Ctrl-C.",
        ]
    return "\n".join(lines)
