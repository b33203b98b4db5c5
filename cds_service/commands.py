"""What each command of `plexus-cds` does; cds_service/cli.py has their options and help."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from cds_service import examples, review, server
from cds_service.auth import read_clients
from cds_service.clock import Clock
from cds_service.config.check import effective_configuration
from cds_service.config.settings import Settings, environment_name, read_settings
from cds_service.config.site_file import SiteSource, effective_site, read_site_file
from cds_service.decision import order_select
from cds_service.decision.as_of import as_of
from cds_service.egress_policy import ca_file_fault, is_base_url, without_user
from cds_service.errors import CallError, NotAHookCall, NotJson, PlexusError, SettingsError, StoreUnavailable
from cds_service.explanation import describe, render
from cds_service.fhir.search import fetcher
from cds_service.progress import Progress
from cds_service.review.knowledge_diff import as_table, changed_answers
from cds_service.store import Store
from cds_service.store.migration import migrate as migrate_store
from cds_service.store.period import Period
from cds_service.strict_json import UnsafeJson, strict_json
from cds_service.validation_stamp import check_stamp, checked_knowledge, fully_checked, write_stamp
from cds_service.web import dialects
from cds_service.web.app import limits_of
from cds_service.web.dashboard.table_files import chunks
from cds_service.web.request_body import DEPTH

if TYPE_CHECKING:
    from cds_service.backtest.scan import Variant

_RECORD_IS_OF_TODAY = (
    "Warning: the record is read as it is now, and what was recorded after {} counts as of that day. "
    "Use --as-of instead to leave it out."
)


def serve(options: dict[str, str | int | None], *, development: bool) -> None:
    """Run the server; `options` go before the environment, by which the settings reach the workers."""
    overrides = {name: str(value) for name, value in options.items() if value is not None}
    if development:
        overrides["development"] = "true"
    os.environ.update({environment_name(name): value for name, value in overrides.items()})
    settings = read_settings()
    SiteSource(settings, checked_knowledge())
    file = settings.clients_file
    server.serve(settings, read_clients(Path(file), development=settings.development) if file else ())


def decide(
    content: bytes,
    name: str,
    folder: Path | None,
    *,
    as_json: bool,
    cards: bool,
    day: date | None,
    is_as_of: bool,
    clock: Clock,
) -> None:
    """Print the decision on the call in a file of this name: its explanation, the same as JSON, or the cards.

    It is made by the knowledge in a folder (default: the installed one), and as of the day where that is asked for.
    """
    settings, knowledge = read_settings(), checked_knowledge(folder)
    day = day or clock.today()
    body = examples.dated(_hook_call(content, name), day)
    if is_as_of:
        body, later = as_of(body, day)
        click.echo(f"As of {day}: entries of the record that came later and are left out: {later}.", err=True)
    elif day < clock.today():
        click.echo(_RECORD_IS_OF_TODAY.format(day), err=True)
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
    words = {term: word.name for term, word in knowledge.about.words.items()}
    click.echo(json.dumps(description, indent=2) if as_json else render(description, words))


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
        message = f"{name}: This is not a CDS Hooks call: the body must be a JSON object, not {_json_type(body)}."
        raise NotAHookCall(message)
    raise NotJson(fault)


def _json_type(body: object) -> str:
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


def integration_sheet(
    issuer: str, base_url: str, *, html: bool, output: Path | None, call: str | None, clock: Clock
) -> None:
    """Print or write the sheet of the client with an issuer, or print the call of one of its test patients."""
    from cds_service import integration_sheet as sheet  # noqa: PLC0415 - few commands need it

    try:
        configuration = sheet.read_configuration(issuer, base_url, checked_knowledge(), clock.today())
    except sheet.UnknownClient as error:
        raise click.BadParameter(str(error), click.get_current_context(), param_hint="'--client'") from None
    if call:
        click.echo(json.dumps(sheet.call_of(call, configuration), indent=2))
        return
    is_html = html or (output is not None and output.suffix.lower() in (".html", ".htm"))
    text = (sheet.as_html if is_html else sheet.as_markdown)(sheet.sections(configuration))
    if output:
        output.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {output}.")
    else:
        click.echo(text, nl=False)


def doctor(urls: Sequence[str], options: dict[str, Any], *, as_json: bool, clock: Clock) -> int:
    """Print the results of all checks of a deployment, and return 1 if one failed, else 0."""
    from cds_service import doctor as checks  # noqa: PLC0415 - it loads requests and joserfc
    from cds_service.auth.signing import read_signing_key  # noqa: PLC0415 - likewise

    key, kid, instances = options.pop("key"), options.pop("kid"), options.pop("instances")
    ca_fault = ca_file_fault(options["ca_file"]) if options["ca_file"] else ""
    if ca_fault:
        message = f"--ca-file: {options['ca_file']} {ca_fault}"
        raise SettingsError(message)
    for url in (*urls, *instances):
        if not is_base_url(url):
            message = f'must be an https:// or http:// URL such as https://cds.example.org, not "{without_user(url)}"'
            raise SettingsError(message)
    probe = checks.Probe(clock=clock, key=read_signing_key(Path(key), kid) if key else None, **options)
    results, shown = [], None
    for url, result in checks.examine(urls, probe, instances):
        results.append({"url": url} | result.as_json())
        if not as_json:
            click.echo(("" if shown == url else f"{url or 'All together'}\n") + checks.render(result))
            shown = url
    states = [result["state"] for result in results]
    counts = {state.value: states.count(state) for state in checks.State}
    if as_json:
        click.echo(json.dumps({"counts": counts, "results": results}, indent=2))
    else:
        click.echo(", ".join(f"{count} {state}" for state, count in counts.items()))
    return 1 if counts["failed"] else 0


def migrate() -> None:
    """Bring the tables of the store up to date."""
    store = Store(read_settings().store_url.get_secret_value())
    is_ahead = migrate_store(store)
    click.echo(f"{store}: the tables are {'ahead of this version: nothing to do' if is_ahead else 'up to date'}.")


def purge(days: int | None, *, dry_run: bool, clock: Clock) -> None:
    """Delete what is older than so many days (default: the setting), and print how many rows of each table."""
    settings = read_settings()
    days = settings.store_days if days is None else days
    if days == 0:
        click.echo("Nothing is deleted: the retention period is 0 days, which keeps everything.")
        return
    before = clock.today() - timedelta(days=days)
    with closing(Store(settings.store_url.get_secret_value())) as store:
        if dry_run:
            from cds_service.store.retention import count_old  # noqa: PLC0415 - it loads SQLAlchemy

            _print_counts(f"{store}: would delete what is older than {before}:", count_old(store, before))
        else:
            _delete_old(store, before)


def _delete_old(store: Store, before: date) -> None:
    """Delete with progress, and print what was deleted, also where Ctrl-C or a store that fails ends it early."""
    from cds_service.store.retention import count_old, delete_old  # noqa: PLC0415 - it loads SQLAlchemy

    old = count_old(store, before)
    deleted, progress = dict.fromkeys(old, 0), Progress("deleted", sum(old.values()), "rows")
    try:
        with _deferred_ctrl_c() as raise_if_interrupted:
            for batch in delete_old(store, before):
                deleted |= {table: deleted[table] + count for table, count in batch.items()}
                progress.advance(sum(batch.values()))
                raise_if_interrupted()
    except (KeyboardInterrupt, StoreUnavailable):
        advice = "what was deleted stays deleted; run the command again for the rest"
        _print_counts(f"{store}: stopped while deleting what is older than {before}; {advice}:", deleted)
        raise
    _print_counts(f"{store}: deleted what is older than {before}:", deleted)
    if not store.checkpoint():
        click.echo(f"Note: deleted rows stay in {store.file}-wal until no other process reads the store.", err=True)


@contextmanager
def _deferred_ctrl_c() -> Iterator[Callable[[], None]]:
    """Yield a function that raises KeyboardInterrupt after a first Ctrl-C; a second one interrupts as usual."""
    interrupted, previous_handler = Event(), signal.getsignal(signal.SIGINT)

    def set_interrupted(*_: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, previous_handler)

    def raise_if_interrupted() -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt

    if previous_handler is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, set_interrupted)
    try:
        yield raise_if_interrupted
    finally:
        signal.signal(signal.SIGINT, previous_handler)


def _print_counts(heading: str, counts: Mapping[str, int]) -> None:
    click.echo(heading)
    for table, count in counts.items():
        click.echo(f"  {table}: {count}")


def export(dataset: str, first: date, last: date, file_format: str) -> None:
    """Print the rows of a period, both days included, as CSV or NDJSON."""
    from cds_service.store.export import columns, rows  # noqa: PLC0415 - it loads SQLAlchemy

    period = Period(first, last)
    with closing(Store(read_settings().store_url.get_secret_value())) as store, store.reading() as connection:
        sys.stdout.writelines(chunks(file_format, columns(dataset), rows(connection, dataset, period)))


def backtest(
    export: Path | None,
    out: Path,
    first: date | None,
    last: date | None,
    *,
    workers: int | None,
    engine: str,
    table: str | None,
    column: str,
    compare: Path | None,
    knowledge: Path | None,
    who: bool,
    at_least: int,
    sample: int,
    fail_above: float | None,
    work: Path | None,
    resume: bool,
    clock: Clock,
) -> None:
    """Replay an export, or a table on Spark, and write the report; print its first sentence and where it is."""
    from cds_service.backtest.run import Request, back_test, on_this_machine  # noqa: PLC0415 - few commands need it
    from cds_service.backtest.scan import EARLIEST, Plan  # noqa: PLC0415 - likewise

    settings, today = read_settings(), clock.today()
    variants, about = _variants(settings, knowledge, compare, today)
    plan = Plan(
        variants, (), first or EARLIEST, last or date.max, today, at_least=at_least, by_place=who, sample_size=sample
    )
    if engine == "spark":
        from cds_service.backtest.spark import Table, on_spark  # noqa: PLC0415 - it is an optional extra

        run = on_spark(Table(table, column) if table else None)
    else:
        run = on_this_machine(workers or len(os.sched_getaffinity(0)), resume=resume)
    request = Request(export, out, plan, about, work, resume=resume, fail_above=fail_above)
    previous_handler = signal.signal(signal.SIGTERM, _raise_system_exit)
    try:
        click.echo(back_test(request, run))
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
    click.echo(f"The report is {out / 'report.html'}.")


def _raise_system_exit(*_: object) -> None:
    """End as an exception does, so that what holds patient data is removed."""
    raise SystemExit(128 + signal.SIGTERM)


def _variants(
    settings: Settings, folder: Path | None, compare: Path | None, today: date
) -> "tuple[tuple[Variant, ...], tuple[str, ...]]":
    """Return what decides and, to compare, another: another site file, or other knowledge for the same one."""
    from cds_service.backtest.scan import Variant  # noqa: PLC0415 - few commands need it

    site = SiteSource(settings, checked_knowledge(folder)).current(today)
    variants, about = (Variant(site, folder),), (f"Site file: {settings.site_file or 'none'}.",)
    if compare is None:
        return variants, about
    if compare.is_dir():
        other = Variant(SiteSource(settings, checked_knowledge(compare)).current(today), compare)
    else:
        knowledge = checked_knowledge(folder)
        file = read_site_file(compare, knowledge)
        other = Variant(effective_site(settings, file, knowledge.card_id, today), folder)
    return (*variants, other), (*about, f"Compared with: {compare.name}.")


def diff_knowledge(old: Path, new: Path, *, as_json: bool, clock: Clock) -> None:
    """Print the calls whose answer is another by the new knowledge, as a table or as JSON."""
    changes = changed_answers(checked_knowledge(old), checked_knowledge(new), clock.today())
    click.echo(json.dumps(changes, indent=2) if as_json else as_table(changes))


def write_review(*, check_only: bool) -> None:
    """Validate the card files, and write what is generated from them; or fail where that is out of date."""
    knowledge = fully_checked()
    if check_only:
        review.check(knowledge)
        check_stamp()
    else:
        click.echo(f"Wrote {', '.join(map(str, review.write(knowledge)))} and {write_stamp().name}")
