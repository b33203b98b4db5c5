"""The command `plexus-cds`: serve the hooks, explain one decision, print an example call, review the knowledge."""

import argparse
import json
import os
import socket
import sys
from datetime import date
from pathlib import Path
from uuid import uuid4

from cds_service import __version__, examples, review
from cds_service.decision.order_select import decide
from cds_service.errors import PlexusError, SettingsError
from cds_service.explanation import explain
from cds_service.fhir.search import fetcher
from cds_service.knowledge import load
from cds_service.settings import PREFIX, Settings, read_settings
from cds_service.site import SiteFile, SiteSource, read_site_file
from cds_service.web.app import limits_of
from cds_service.web.body import parsed


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a fault that is told in one line, 2 wrong usage."""
    chosen = _parser().parse_args(arguments)
    try:
        return int(chosen.run(chosen) or 0)
    except PlexusError as error:
        print(f"plexus-cds: {error}", file=sys.stderr)
    except RecursionError:
        print("plexus-cds: the JSON is nested too deeply", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="plexus-cds", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="answer hook calls")
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", help="port to listen on (default 8080)")
    serve.add_argument("--workers", help="processes (default 1)")
    serve.add_argument("--threads", help="threads of each (default 8)")
    serve.add_argument("--development", action="store_true", help="for trying out: the Sandbox may call")
    serve.set_defaults(run=_serve)
    explained = commands.add_parser("decide", help="explain the decision for one hook call")
    explained.add_argument("call", type=argparse.FileType("rb"), help="a file with the call, or - for standard input")
    explained.add_argument("--cards", action="store_true", help="print the cards as JSON instead")
    explained.add_argument("--today", type=date.fromisoformat, default=date.today(), help="the day to decide on")
    explained.set_defaults(run=_decide)
    example = commands.add_parser("example", help="print an example call, dated from today")
    example.add_argument("name", nargs="?", help="which (default: list them)")
    example.set_defaults(run=_example)
    checked = commands.add_parser("check-config", help="say what is wrong with the settings and the site file")
    checked.add_argument("site_file", nargs="?", help="a site file (default: the one in PLEXUS_CDS_SITE_FILE)")
    checked.set_defaults(run=_check_config)
    reviewed = commands.add_parser("review", help="write REVIEW.md from the knowledge")
    reviewed.add_argument("--check", action="store_true", help="fail where it is stale instead")
    reviewed.set_defaults(run=_review)
    return parser


def _serve(chosen: argparse.Namespace) -> None:
    from granian import Granian  # noqa: PLC0415 - no other command needs a server
    from granian.constants import Interfaces  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415

    for name in ("host", "port", "workers", "threads"):
        if getattr(chosen, name) is not None:
            os.environ[f"{PREFIX}{name.upper()}"] = getattr(chosen, name)
    if chosen.development:
        os.environ[f"{PREFIX}DEVELOPMENT"] = "true"
    settings = read_settings()
    SiteSource(settings, load())
    _claim(settings)
    print(_greeting(settings), flush=True)
    Granian(
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
    ).serve()


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


def _greeting(settings: Settings) -> str:
    base = settings.base_url
    lines = [f"plexus-cds {__version__} answers on {base}", f"Discovery: {base}/cds-services"]
    if settings.development:
        command = Path(sys.argv[0])
        shown = command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command
        lines += [
            "Development mode: for trying out, not for patients.",
            "A card for the article's patient:",
            f"  {shown} example article | curl -s -H 'Content-Type: application/json' -d @- \\",
            f"    {base}/cds-services/lumbosacral-plexus-mri-order-select",
            "Stop with Ctrl-C.",
        ]
    return "\n".join(lines)


def _decide(chosen: argparse.Namespace) -> int:
    settings, knowledge = read_settings(), load()
    body = parsed(chosen.call.read())
    hook = body.get("hook") if isinstance(body, dict) else None
    decision = decide(
        examples.dated(body, chosen.today),
        hook if hook in ("order-select", "order-sign") else "order-select",
        knowledge,
        SiteSource(settings, knowledge).current(chosen.today),
        today=chosen.today,
        fetch=fetcher(settings.fhir_servers, limits_of(settings)),
        new_id=lambda: str(uuid4()),
    )
    print(
        json.dumps({"cards": decision.cards}, indent=2) if chosen.cards else explain(decision, knowledge, chosen.today)
    )
    return 0


def _example(chosen: argparse.Namespace) -> int:
    if chosen.name is None:
        print("\n".join(examples.names("calls")))
        return 0
    try:
        print(json.dumps(examples.example("calls", chosen.name, date.today()), indent=2))
    except KeyError as error:
        raise PlexusError(error.args[0]) from None
    return 0


def _check_config(chosen: argparse.Namespace) -> int:
    settings, knowledge, today = read_settings(), load(), date.today()
    path = chosen.site_file or settings.site_file
    said = read_site_file(Path(path), knowledge) if path else SiteFile()
    print(f"Settings{' and ' + path if path else ''}: nothing wrong. In force on {today}:")
    for name, value in {**settings.model_dump(), "site_file": path or "none", **said.model_dump()}.items():
        print(f"  {name}: {value}")
    print(f"  limits in all: {json.dumps({**knowledge.limits, **said.limits})}")
    if said.shadow and said.shadow.until < today:
        print(f"Note: the shadow mode ended on {said.shadow.until}; cards are shown.")
    return 0


def _review(chosen: argparse.Namespace) -> int:
    knowledge = load()
    if chosen.check:
        review.check(knowledge)
    else:
        print(f"Wrote {review.write(knowledge)}")
    return 0
