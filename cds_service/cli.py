"""The command `plexus-cds`: serve the hooks, explain one decision, print an example call, review the knowledge."""

import argparse
import json
import os
import sys
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

from cds_service import __version__, examples, review, server
from cds_service.auth import read_clients
from cds_service.clock import SYSTEM_CLOCK, Clock
from cds_service.config.check import effective_configuration
from cds_service.config.settings import MOST_DAYS, PREFIX, read_settings
from cds_service.config.site_file import SiteSource
from cds_service.decision.as_of import as_of
from cds_service.decision.order_select import decide
from cds_service.errors import PlexusError, SettingsError, StoreUnavailable
from cds_service.explanation import explain
from cds_service.fhir.search import fetcher
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.store.period import Period
from cds_service.validation_stamp import check_stamp, checked_knowledge, fully_checked, write_stamp
from cds_service.web.app import limits_of
from cds_service.web.dashboard.table_files import chunks
from cds_service.web.request_body import parsed


def main(arguments: list[str] | None = None, clock: Clock = SYSTEM_CLOCK) -> int:
    """Run one command and return its exit code: 0 done, 1 a fault that is told in one line, 2 wrong usage."""
    chosen = _parser(clock).parse_args(arguments)
    try:
        return int(chosen.run(chosen) or 0)
    except StoreUnavailable as error:
        print(f"plexus-cds: the store cannot be used: {error.why}", file=sys.stderr)
    except PlexusError as error:
        print(f"plexus-cds: {error}", file=sys.stderr)
    except RecursionError:
        print("plexus-cds: the JSON is nested too deeply", file=sys.stderr)
    return 1


def _parser(clock: Clock) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="plexus-cds", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.set_defaults(clock=clock)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="answer hook calls")
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", help="port to listen on (default 8080)")
    serve.add_argument("--workers", help="processes (default 1)")
    serve.add_argument("--threads", help="calls that each works on at once (default 32)")
    serve.add_argument("--development", action="store_true", help="for trying out: the Sandbox may call")
    serve.set_defaults(run=_serve)
    explained = commands.add_parser("decide", help="explain the decision for one hook call")
    explained.add_argument("call", type=argparse.FileType("rb"), help="a file with the call, or - for standard input")
    explained.add_argument("--cards", action="store_true", help="print the cards as JSON instead")
    when = explained.add_mutually_exclusive_group()
    when.add_argument("--today", type=date.fromisoformat, help="the day to decide on; the record is read as it is")
    when.add_argument("--as-of", type=date.fromisoformat, help="likewise, without what was recorded after that day")
    explained.set_defaults(run=_decide)
    example = commands.add_parser("example", help="print an example call, dated from today")
    example.add_argument("name", nargs="?", help="which (default: list them)")
    example.set_defaults(run=_example)
    checked = commands.add_parser("check-config", help="say what is wrong with the settings and their files")
    checked.add_argument("site_file", nargs="?", help="a site file (default: the one in PLEXUS_CDS_SITE_FILE)")
    checked.set_defaults(run=_check_config)
    migrated = commands.add_parser("migrate", help="bring the tables of the store up to date")
    migrated.set_defaults(run=_migrate)
    purged = commands.add_parser("purge", help="delete what the store has kept for long enough")
    purged.add_argument("--days", type=int, help="how long is long enough (default: PLEXUS_CDS_STORE_DAYS)")
    purged.add_argument("--dry-run", action="store_true", help="say what would be deleted instead")
    purged.set_defaults(run=_purge)
    exported = commands.add_parser("export", help="print what the store has; comments of clinicians are told only here")
    exported.add_argument("what", choices=("cards", "feedback", "decisions", "unrecognized", "comments"))
    exported.add_argument("--from", dest="first", type=date.fromisoformat, default=date.min, help="the first day")
    exported.add_argument("--to", dest="last", type=date.fromisoformat, default=date.max, help="the last day")
    exported.add_argument("--format", choices=("csv", "ndjson"), default="csv")
    exported.set_defaults(run=_export)
    reviewed = commands.add_parser("review", help="check the knowledge, and write REVIEW.md and the hazard log from it")
    reviewed.add_argument("--check", action="store_true", help="fail where it is stale instead")
    reviewed.set_defaults(run=_review)
    return parser


def _serve(chosen: argparse.Namespace) -> None:
    for name in ("host", "port", "workers", "threads"):
        if getattr(chosen, name) is not None:
            os.environ[f"{PREFIX}{name.upper()}"] = getattr(chosen, name)
    if chosen.development:
        os.environ[f"{PREFIX}DEVELOPMENT"] = "true"
    settings = read_settings()
    SiteSource(settings, checked_knowledge())
    file, development = settings.clients_file, settings.development
    server.serve(settings, read_clients(Path(file), development=development) if file else ())


_NOT_AS_OF = (
    "the record is read as it is now, and what was recorded after {} counts as of that day. "
    "Use --as-of instead to leave it out."
)


def _decide(chosen: argparse.Namespace) -> int:
    settings, knowledge = read_settings(), checked_knowledge()
    today = chosen.as_of or chosen.today or chosen.clock.today()
    body = examples.dated(parsed(chosen.call.read()), today)
    if chosen.as_of:
        body, left_out = as_of(body, chosen.as_of)
        print(f"As of {today}: entries of the record that came later and are left out: {left_out}.", file=sys.stderr)
    elif today < chosen.clock.today():
        print(f"Warning: {_NOT_AS_OF.format(today)}", file=sys.stderr)
    hook = body.get("hook") if isinstance(body, dict) else None
    decision = decide(
        body,
        hook if hook in ("order-select", "order-sign") else "order-select",
        knowledge,
        SiteSource(settings, knowledge).current(today),
        today=today,
        fetch=fetcher(settings.fhir_servers, limits_of(settings)),
        new_id=lambda: str(uuid4()),
    )
    print(json.dumps({"cards": decision.cards}, indent=2) if chosen.cards else explain(decision, knowledge, today))
    return 0


def _example(chosen: argparse.Namespace) -> int:
    if chosen.name is None:
        print("\n".join(examples.names("calls")))
        return 0
    try:
        print(json.dumps(examples.example("calls", chosen.name, chosen.clock.today()), indent=2))
    except KeyError as error:
        raise PlexusError(error.args[0]) from None
    return 0


def _check_config(chosen: argparse.Namespace) -> None:
    print(effective_configuration(chosen.site_file, fully_checked(), chosen.clock.today()))


def _migrate(_chosen: argparse.Namespace) -> None:
    store = Store(read_settings().store_url.get_secret_value())
    is_ahead = migrate(store)
    print(f"{store}: the tables are {'ahead of this version: nothing to do' if is_ahead else 'up to date'}.")


def _purge(chosen: argparse.Namespace) -> None:
    from cds_service.store.retention import purge  # noqa: PLC0415 - it loads SQLAlchemy, for which a start would wait

    settings = read_settings()
    days = settings.store_days if chosen.days is None else chosen.days
    if not 0 <= days <= MOST_DAYS:
        message = f"--days: must be from 0 to {MOST_DAYS}"
        raise SettingsError(message)
    if days == 0:
        print("Nothing is deleted: 0 days means for ever.")
        return
    before = chosen.clock.today() - timedelta(days=days)
    with closing(Store(settings.store_url.get_secret_value())) as store:
        deleted = purge(store, before, dry_run=chosen.dry_run)
    print(f"{store}: {'would delete' if chosen.dry_run else 'deleted'} what is older than {before}:")
    for table, amount in deleted.items():
        print(f"  {table}: {amount}")


def _export(chosen: argparse.Namespace) -> None:
    from cds_service.store.export import columns, rows  # noqa: PLC0415 - likewise

    period = Period(chosen.first, chosen.last)
    with closing(Store(read_settings().store_url.get_secret_value())) as store, store.reading() as connection:
        sys.stdout.writelines(chunks(chosen.format, columns(chosen.what), rows(connection, chosen.what, period)))


def _review(chosen: argparse.Namespace) -> int:
    knowledge = fully_checked()
    if chosen.check:
        review.check(knowledge)
        check_stamp()
    else:
        print(f"Wrote {', '.join(map(str, review.write(knowledge)))} and {write_stamp().name}")
    return 0
