"""What each command of `plexus-cds` does; cds_service/cli.py has their options and help."""

import json
import os
import sys
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from cds_service import examples, review, server
from cds_service.auth import read_clients
from cds_service.clock import Clock
from cds_service.config.check import effective_configuration
from cds_service.config.settings import environment_name, read_settings
from cds_service.config.site_file import SiteSource
from cds_service.decision import order_select
from cds_service.decision.as_of import as_of
from cds_service.errors import CallError, NotAHookCall, NotJson, PlexusError
from cds_service.explanation import describe, render
from cds_service.fhir.search import fetcher
from cds_service.store import Store
from cds_service.store.migration import migrate as migrate_store
from cds_service.store.period import Period
from cds_service.strict_json import UnsafeJson, strict_json
from cds_service.validation_stamp import check_stamp, checked_knowledge, fully_checked, write_stamp
from cds_service.web import dialects
from cds_service.web.app import limits_of
from cds_service.web.dashboard.table_files import chunks
from cds_service.web.request_body import DEPTH

_NOT_AS_OF = (
    "Warning: the record is read as it is now, and what was recorded after {} counts as of that day. "
    "Use --as-of instead to leave it out."
)


def serve(options: dict[str, str | int | None], *, development: bool) -> None:
    """Run the server; `options` go before the environment, by which the settings reach the workers."""
    given = {name: str(value) for name, value in options.items() if value is not None}
    if development:
        given["development"] = "true"
    os.environ.update({environment_name(name): value for name, value in given.items()})
    settings = read_settings()
    SiteSource(settings, checked_knowledge())
    file = settings.clients_file
    server.serve(settings, read_clients(Path(file), development=settings.development) if file else ())


def decide(
    content: bytes, name: str, *, as_json: bool, cards: bool, today: date | None, as_of_day: date | None, clock: Clock
) -> None:
    """Print the decision on the call in a file of this name: its explanation, the same as JSON, or the cards."""
    settings, knowledge = read_settings(), checked_knowledge()
    day = as_of_day or today or clock.today()
    body = examples.dated(_hook_call(content, name), day)
    if as_of_day:
        body, later = as_of(body, as_of_day)
        click.echo(f"As of {day}: entries of the record that came later and are left out: {later}.", err=True)
    elif day < clock.today():
        click.echo(_NOT_AS_OF.format(day), err=True)
    hook = body["hook"] if body.get("hook") == "order-sign" else "order-select"
    site = SiteSource(settings, knowledge).current(day)
    try:
        decision = order_select.decide(
            body,
            hook,
            knowledge,
            site,
            today=day,
            fetch=fetcher(settings.fhir_servers, limits_of(settings)),
            new_id=_new_id,
        )
    except CallError as error:
        message = f"{name}: {error}"
        raise PlexusError(message) from None
    if cards:
        shown = dialects.answer(decision, hook, site.dialect, knowledge, site, _new_id)
        click.echo(json.dumps(shown.body, indent=2))
        return
    description = describe(decision, body, hook, knowledge, site, day)
    click.echo(json.dumps(description, indent=2) if as_json else render(description))


def _new_id() -> str:
    return str(uuid4())


def _hook_call(content: bytes, name: str) -> dict[str, Any]:
    """Return the JSON object of a file, or raise NotJson or NotAHookCall, saying where it is wrong."""
    try:
        body = strict_json(content, depth=DEPTH)
    except UnsafeJson as error:
        fault = f"{name}: The body is not JSON that can be read safely: {error}."
    except json.JSONDecodeError as error:
        fault = f"{name}, line {error.lineno}, column {error.colno}: The body is not JSON: {error.msg}."
    except UnicodeDecodeError as error:
        fault = f"{name}, byte {error.start + 1}: The body is not JSON: it is not UTF-8."
    else:
        if isinstance(body, dict):
            return body
        message = f"{name}: This is not a CDS Hooks call: the body must be a JSON object, not {_kind(body)}."
        raise NotAHookCall(message)
    raise NotJson(fault)


def _kind(body: object) -> str:
    return {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}.get(type(body), "a number")


def example(name: str | None, clock: Clock) -> None:
    """Print the names of the example calls, or one of them, dated from today."""
    if name is None:
        click.echo("\n".join(examples.names("calls")))
        return
    click.echo(json.dumps(examples.example("calls", name, clock.today()), indent=2))


def check_config(site_file: str | None, clock: Clock) -> None:
    """Print each value in effect, or fail with a line for each fault."""
    click.echo(effective_configuration(site_file, fully_checked(), clock.today()))


def migrate() -> None:
    """Bring the tables of the store up to date."""
    store = Store(read_settings().store_url.get_secret_value())
    is_ahead = migrate_store(store)
    click.echo(f"{store}: the tables are {'ahead of this version: nothing to do' if is_ahead else 'up to date'}.")


def purge(days: int | None, *, dry_run: bool, clock: Clock) -> None:
    """Delete what is older than so many days (default: the setting), and print how many rows of each table."""
    from cds_service.store.writing import purge as purge_store  # noqa: PLC0415 - it loads SQLAlchemy

    settings = read_settings()
    days = settings.store_days if days is None else days
    if days == 0:
        click.echo("Nothing is deleted: the retention period is 0 days, which keeps everything.")
        return
    before = clock.today() - timedelta(days=days)
    with closing(Store(settings.store_url.get_secret_value())) as store:
        deleted = purge_store(store, before, dry_run=dry_run)
    click.echo(f"{store}: {'would delete' if dry_run else 'deleted'} what is older than {before}:")
    for table, amount in deleted.items():
        click.echo(f"  {table}: {amount}")


def export(dataset: str, first: date, last: date, file_format: str) -> None:
    """Print the rows of a period, both days included, as CSV or NDJSON."""
    from cds_service.store.export import columns, rows  # noqa: PLC0415 - it loads SQLAlchemy

    period = Period(first, last)
    with closing(Store(read_settings().store_url.get_secret_value())) as store, store.reading() as connection:
        sys.stdout.writelines(chunks(file_format, columns(dataset), rows(connection, dataset, period)))


def write_review(*, check_only: bool) -> None:
    """Validate the card files, and write what is generated from them; or fail where that is out of date."""
    knowledge = fully_checked()
    if check_only:
        review.check(knowledge)
        check_stamp()
    else:
        click.echo(f"Wrote {', '.join(map(str, review.write(knowledge)))} and {write_stamp().name}")
