"""The command `plexus-cds`: its commands, options, help and exit codes.

cds_service/commands.py, which has what they do, is imported by the first that runs, so that help, `--version` and
shell completion answer quickly.
"""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from cds_service import __version__, examples
from cds_service.clock import SYSTEM_CLOCK, Clock
from cds_service.errors import PlexusError, StoreUnavailable

_SECTIONS = {
    "Run": ("serve",),
    "Try": ("example", "decide"),
    "Configure": ("check-config", "integration-sheet", "doctor"),
    "Evaluate": ("backtest",),
    "Knowledge": ("review", "diff-knowledge"),
    "Data": ("migrate", "purge", "export"),
}

_DATASETS = ("cards", "feedback", "decisions", "unrecognized", "comments")

_MAX_RETENTION_DAYS = 36500


def main(arguments: list[str] | None = None, clock: Clock = SYSTEM_CLOCK) -> int:
    """Run one command and return its exit code: 0 done, 1 a fault that is printed in one line, 2 wrong usage."""
    try:
        exit_code: int = plexus_cds.main(arguments, "plexus-cds", standalone_mode=False, obj=clock) or 0
        sys.stdout.flush()
    except BrokenPipeError:  # what click did not write itself; it ends alike, with 1 and without a word
        _drop_output()
        return 1
    except OSError as error:
        fault = f"{error.filename or 'the output cannot be written'}: {error.strerror}"
        _drop_output()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except StoreUnavailable as error:
        fault = f"the store cannot be used: {error.reason}"
    except PlexusError as error:
        fault = str(error)
    except RecursionError:
        fault = "the JSON is nested too deeply"
    else:
        return exit_code
    click.echo(f"plexus-cds: {fault}", err=True)
    return 1


def _drop_output() -> None:
    """Send what is left of the output nowhere, so that Python's exit does not fail on it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Sections(click.Group):
    """Commands that the help lists by section."""

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections."""
        for title, names in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(80)) for name in names])


class _Day(click.ParamType[date]):
    """A date, written as YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> date:
        """Return the date, or fail with what was given instead."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date; use YYYY-MM-DD", param, context)


_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class _Number(click.IntRange):
    """A whole number within limits."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> int:
        """Return the number, or fail with what was given instead."""
        try:
            number: int = super().convert(value, param, context)
        except click.BadParameter:
            message = f"must be a whole number from {self.min} to {self.max}, not {value!r}."
            raise click.BadParameter(message, context, param) from None
        return number


class _Name(click.ParamType[str]):
    """One of some names, which shell completion knows; a wrong one is answered with the one that is meant."""

    name = "name"

    def __init__(self, names: Callable[[], Sequence[str]]) -> None:
        self.names = names

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> str:
        """Return the name, or fail with the names that there are."""
        names = self.names()
        if value not in names:
            close = get_close_matches(value, names, 1)
            hint = f"Did you mean {close[0]}? " if close else ""
            self.fail(f"there is no {value!r}. {hint}There are: {', '.join(names)}.", param, context)
        return str(value)

    def shell_complete(self, _context: click.Context, _param: click.Parameter, prefix: str) -> list[CompletionItem]:
        """Return the names that begin with what is typed."""
        return [CompletionItem(name) for name in self.names() if name.startswith(prefix)]


def _commands() -> Any:
    """Import what the commands do. Imports leave no garbage, and looking for it is a seventh of their time."""
    if "cds_service.commands" not in sys.modules:
        gc.disable()
        import_module("cds_service.commands")
        gc.freeze()  # what was imported is not looked through while the knowledge is read
        gc.enable()
    return sys.modules["cds_service.commands"]


def _examples_of_use(*lines: str) -> str:
    """Return the last part of a command's help, whose mark keeps its lines apart."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def _command(name: str, help_text: str, *lines: str) -> Callable[[Callable[..., Any]], click.Command]:
    return plexus_cds.command(name, help=help_text, epilog=_examples_of_use(*lines))


@click.group(
    cls=_Sections,
    help="A CDS Hooks service that suggests a better imaging study where the ordered one does not fit.",
    epilog="Settings are environment variables, PLEXUS_CDS_...: `plexus-cds check-config` lists them.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="plexus-cds %(version)s")
def plexus_cds() -> None:
    """Group the commands."""


@_command(
    "serve", "Run the CDS Hooks server.", "plexus-cds serve --development", "plexus-cds serve --port 9000 --workers 2"
)
@click.option("--host", metavar="ADDRESS", help="Address to listen on  [env: PLEXUS_CDS_HOST; default: 127.0.0.1]")
@click.option(
    "--port",
    type=_Number(1, 65535),
    metavar="NUMBER",
    help="Port to listen on  [env: PLEXUS_CDS_PORT; default: 8080]",
)
@click.option(
    "--workers",
    type=_Number(1, 64),
    metavar="NUMBER",
    help="Worker processes  [env: PLEXUS_CDS_WORKERS; default: 1]",
)
@click.option(
    "--threads",
    type=_Number(1, 256),
    metavar="NUMBER",
    help="Calls that each worker handles at the same time  [env: PLEXUS_CDS_THREADS; default: 32]",
)
@click.option(
    "--development",
    is_flag=True,
    help="Development mode: playground, dashboard, CORS for the Sandbox  [env: PLEXUS_CDS_DEVELOPMENT]",
)
def _serve(*, development: bool, **options: str | int | None) -> None:
    _commands().serve(options, development=development)


@_command(
    "decide",
    "Explain the decision for one hook call.\n\n"
    "CALL is a file with the JSON body of the call, or - for standard input. Settings and site file apply as in the "
    "server  [env: PLEXUS_CDS_SITE_FILE, PLEXUS_CDS_FHIR_SERVERS].",
    "plexus-cds example article | plexus-cds decide -",
    "plexus-cds decide call.json --as-of 2026-03-31",
    "plexus-cds decide call.json --cards",
)
@click.argument("call", type=click.File("rb"))
@click.option("--cards", is_flag=True, help="Print the cards as JSON, as a client gets them.")
@click.option("--json", "as_json", is_flag=True, help="Print the explanation as JSON.")
@click.option("--today", type=_Day(), help="Day to decide on; the record is read as it is.")
@click.option("--as-of", type=_Day(), help="Day to decide on, without what was recorded after it.")
@click.option("--knowledge", type=_FOLDER, help="Folder like cards/ to decide by  [default: the installed one]")
@click.pass_obj
def _decide(
    clock: Clock,
    call: Any,
    *,
    cards: bool,
    as_json: bool,
    today: date | None,
    as_of: date | None,
    knowledge: Path | None,
) -> None:
    _refuse_both("--cards", "--json", cards and as_json)
    _refuse_both("--today", "--as-of", bool(today and as_of))
    name = getattr(call, "name", "<stdin>").replace("<stdin>", "standard input")
    day = as_of or today
    _commands().decide(
        call.read(), name, knowledge, as_json=as_json, cards=cards, day=day, is_as_of=as_of is not None, clock=clock
    )


def _refuse_both(option: str, other: str, are_given: bool) -> None:  # noqa: FBT001 - what it is about comes first
    if are_given:
        message = f"{option} and {other} exclude each other: give one of them."
        raise click.UsageError(message, click.get_current_context())


def _refuse_reversed(first: date, last: date) -> None:
    if first > last:
        message = f"--from {first} is after --to {last}."
        raise click.UsageError(message, click.get_current_context())


@_command(
    "example",
    "Print an example hook call, dated from today.\n\nWithout NAME, list the names.",
    "plexus-cds example",
    "plexus-cds example article > call.json",
)
@click.argument("name", type=_Name(lambda: examples.names("calls")), required=False)
@click.pass_obj
def _example(clock: Clock, name: str | None) -> None:
    _commands().example(name, clock)


@_command(
    "check-config",
    "Validate the configuration and print effective values.\n\n"
    "Settings, site file and clients file are all checked; every fault is printed, with its line and its value. "
    "SITE_FILE goes before the one of the settings  [env: PLEXUS_CDS_SITE_FILE].",
    "plexus-cds check-config",
    "plexus-cds check-config site.toml",
)
@click.argument("site_file", required=False, type=click.Path())
@click.pass_obj
def _check_config(clock: Clock, site_file: str | None) -> None:
    _commands().check_config(site_file, clock)


@_command(
    "integration-sheet",
    "Print the analyst's sheet for one client, as Markdown or HTML.\n\n"
    "Endpoints, prefetch, scopes, token, code maps, test patients and go-live steps, from the configuration in effect  "
    "[env: PLEXUS_CDS_SITE_FILE, PLEXUS_CDS_CLIENTS_FILE, PLEXUS_CDS_PUBLIC_URL]. It has no secrets.",
    "plexus-cds integration-sheet > sheet.md",
    "plexus-cds integration-sheet --client https://ehr.example.org --output sheet.html",
    "plexus-cds integration-sheet --client https://ehr.example.org --call article",
)
@click.option("--client", "issuer", default="", metavar="ISSUER", help="Client, by its issuer  [default: the only one]")
@click.option("--url", default="", help="Base URL by which the client calls  [env: PLEXUS_CDS_PUBLIC_URL]")
@click.option("--html", is_flag=True, help="Print HTML: one file that needs no network.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; HTML if it is *.html.")
@click.option("--call", type=_Name(examples.vignette_names), help="Print the call of a test patient instead.")
@click.pass_obj
def _integration_sheet(
    clock: Clock, *, issuer: str, url: str, html: bool, output: Path | None, call: str | None
) -> None:
    _refuse_both("--call", "--html", bool(call and html))
    _refuse_both("--call", "--output", bool(call and output))
    _commands().integration_sheet(issuer, url, html=html, output=output, call=call, clock=clock)


@_command(
    "doctor",
    "Check a deployment from outside.\n\n"
    "URL is the address before /cds-services; several are checked one after the other. Only synthetic patients are "
    "sent, and the calls are marked as trials, which no figure of the site has. Exit code 1 if a check failed.",
    "plexus-cds doctor http://127.0.0.1:8080",
    "plexus-cds doctor https://cds.example.org --key key.json --issuer https://ehr.example.org",
)
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option("--key", type=click.Path(), help="Private key of a client, a JWK or PEM, to sign tokens.")
@click.option("--kid", help="Its key id  [default: that of the JWK]")
@click.option("--issuer", default="", help="The client's issuer, as the clients file has it.")
@click.option("--tenant", default="", help="The client's tenant, where its tokens need one.")
@click.option("--jwks", default="", metavar="URL", help="The client's key set, to check that it has the key.")
@click.option("--fhir-server", default="", metavar="URL", help="The EHR's FHIR server, to check that it can be read.")
@click.option("--origin", default="", help="Origin of a client in a browser, to check CORS.")
@click.option(
    "--instance",
    "instances",
    multiple=True,
    metavar="URL",
    help="An instance behind the proxy, to read its state and versions; may be repeated.",
)
@click.option("--ca-file", default="", type=click.Path(), help="Certificate authorities (PEM) in place of public ones.")
@click.option("--body-megabytes", type=float, default=8, show_default=True, help="The documented body limit, in MiB.")
@click.option("--timeout", "seconds", type=float, default=10, show_default=True, help="Seconds for each call.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.pass_obj
def _doctor(clock: Clock, /, urls: tuple[str, ...], *, as_json: bool, **options: Any) -> int:
    if options["key"] and not options["issuer"]:
        message = "--key needs --issuer, as the clients file has it."
        raise click.UsageError(message, click.get_current_context())
    return _commands().doctor(urls, options, as_json=as_json, clock=clock)  # type: ignore[no-any-return]


@_command(
    "backtest",
    "Replay an export: how many cards would there have been?\n\n"
    "EXPORT is the folder of a FHIR Bulk Data export (NDJSON) with ServiceRequest, Condition and Procedure. The report "
    "has counts alone; docs/backtest.md says how to read it. Settings and site file apply as in the server  "
    "[env: PLEXUS_CDS_SITE_FILE].",
    "plexus-cds backtest export/ --out report/",
    "plexus-cds backtest export/ --out report/ --from 2025-10-01 --to 2026-09-30",
    "plexus-cds backtest export/ --out report/ --compare other-site.toml",
    "plexus-cds backtest --engine spark --table lake.fhir --column resource --out report/",
)
@click.argument("export", type=_FOLDER, required=False)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the report.")
@click.option("--from", "first", type=_Day(), help="First day of the orders  [default: 2000-01-01]")
@click.option("--to", "last", type=_Day(), help="Last day, included  [default: today]")
@click.option("--workers", type=click.IntRange(1), help="Processes  [default: one for each core]")
@click.option("--engine", type=click.Choice(["local", "spark"]), default="local", show_default=True)
@click.option("--table", metavar="NAME", help="With Spark, in place of EXPORT: a table of resources.")
@click.option("--column", default="resource", show_default=True, help="Its column of FHIR JSON, or SQL that gives it.")
@click.option("--compare", type=click.Path(exists=True, path_type=Path), help="Site file or folder like cards/.")
@click.option("--knowledge", type=_FOLDER, help="Folder like cards/ to decide by  [default: the installed one]")
@click.option("--who", is_flag=True, help="Also count by clinician and place.")
@click.option("--at-least", type=click.IntRange(1), default=11, show_default=True, help="Hide counts below this.")
@click.option(
    "--sample", type=click.IntRange(0), default=0, help="Orders of each result for chart review: PATIENT DATA."
)
@click.option("--fail-above", type=click.FloatRange(0, 100), help="Exit 1 above this share of unusable lines (%).")
@click.option("--work", type=_FOLDER, help="Where patient data is kept while it runs  [default: --out]")
@click.option("--resume", is_flag=True, help="Keep the work of a run that fails, and go on from it.")
@click.pass_obj
def _backtest(clock: Clock, /, **options: Any) -> None:
    _refuse_reversed(options["first"] or date.min, options["last"] or date.max)
    _refuse_both("--resume", "--engine spark", options["resume"] and options["engine"] == "spark")
    _refuse_both("EXPORT", "--table", options["export"] and options["table"])
    if not options["export"] and not options["table"]:
        message = "What is to be replayed? Give the folder of an export, or with --engine spark a --table."
        raise click.UsageError(message, click.get_current_context())
    if options["table"] and options["engine"] != "spark":
        message = "--table is read by Spark alone: add --engine spark."
        raise click.UsageError(message, click.get_current_context())
    _commands().backtest(clock=clock, **options)


@_command(
    "review",
    "Validate the card files, and write REVIEW.md and the hazard log from them.",
    "plexus-cds review",
    "plexus-cds review --check",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if REVIEW.md is out of date.")
def _review(*, check: bool) -> None:
    _commands().write_review(check_only=check)


@_command(
    "diff-knowledge",
    "Compare the answers of two versions of the knowledge.\n\n"
    "OLD and NEW are folders like cards/. Each example call and case of the playground whose answer changes is listed.",
    "plexus-cds diff-knowledge cards-1.0/ cards/",
    "plexus-cds diff-knowledge cards-1.0/ cards/ --json",
)
@click.argument("old", type=_FOLDER)
@click.argument("new", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
@click.pass_obj
def _diff_knowledge(clock: Clock, old: Path, new: Path, *, as_json: bool) -> None:
    _commands().diff_knowledge(old, new, as_json=as_json, clock=clock)


@_command(
    "migrate",
    "Apply database migrations.\n\nThe store is at PLEXUS_CDS_STORE_URL; the server migrates an embedded store itself.",
    "plexus-cds migrate",
)
def _migrate() -> None:
    _commands().migrate()


@_command(
    "purge",
    "Delete records past the retention period.\n\nThe store is at PLEXUS_CDS_STORE_URL.",
    "plexus-cds purge --dry-run",
    "plexus-cds purge --days 365",
)
@click.option(
    "--days",
    type=_Number(0, _MAX_RETENTION_DAYS),
    help="Retention period; 0 keeps everything  [env: PLEXUS_CDS_STORE_DAYS; default: 730]",
)
@click.option("--dry-run", is_flag=True, help="Delete nothing; print how many records would go.")
@click.pass_obj
def _purge(clock: Clock, *, days: int | None, dry_run: bool) -> None:
    _commands().purge(days, dry_run=dry_run, clock=clock)


@_command(
    "export",
    "Export stored data.\n\n"
    f"DATASET is one of: {', '.join(_DATASETS)}. "
    "The store is at PLEXUS_CDS_STORE_URL. Comments may contain patient data and are exported only here.",
    "plexus-cds export cards --from 2026-10-01 --to 2026-12-31 > cards.csv",
    "plexus-cds export feedback --format ndjson",
)
@click.argument("dataset", type=_Name(lambda: _DATASETS), metavar="DATASET")
@click.option("--from", "first", type=_Day(), default=date.min, help="First day  [default: all]")
@click.option("--to", "last", type=_Day(), default=date.max, help="Last day, included  [default: all]")
@click.option("--format", "file_format", type=click.Choice(["csv", "ndjson"]), default="csv", show_default=True)
def _export(dataset: str, first: date, last: date, file_format: str) -> None:
    _refuse_reversed(first, last)
    _commands().export(dataset, first, last, file_format)
