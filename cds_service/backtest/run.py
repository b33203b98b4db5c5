"""One back-test from the export to the report: what is asked for, the engine, and files that are whole or absent."""

import csv
import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cds_service.backtest import local
from cds_service.backtest.export_files import ExportError, ExportFile, find_files
from cds_service.backtest.replay import replayed_keys
from cds_service.backtest.report import headline, report_files
from cds_service.backtest.scan import ORDER, Plan
from cds_service.backtest.summary import summarize
from cds_service.backtest.tally import Tally
from cds_service.backtest.work_folder import WorkFolder
from cds_service.errors import PlexusError
from cds_service.model import Site
from cds_service.spreadsheet import cell

SAMPLE = "PATIENT-DATA-sample.csv"
_REPORT_FILES = (
    *("report.html", "summary.json", "weeks.csv", "silences.csv", "studies.csv", "findings.csv", "errors.csv"),
    *("unmapped_orders.csv", "unmapped_conditions.csv", "places.csv", "compared.csv", SAMPLE),
)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Engine = Callable[[Plan, Sequence[ExportFile], WorkFolder], Tally]
"""Returns the sums of a back-test of some files, or of the table that it was made for."""


class TooManyUnusable(PlexusError):
    """More lines could not be used than the share that was given; the report is written."""


class NotWritten(PlexusError):
    """The export cannot be read, or the report or the private folder not be written."""


@dataclass(frozen=True)
class Request:
    """What to back-test, and where the report goes."""

    export: Path | None
    """None where the engine reads a table."""
    out: Path
    plan: Plan
    """Its resource types are filled in from the export."""
    about: tuple[str, ...] = ()
    work: Path | None = None
    """Where the private folder is; by default the folder of the report."""
    resume: bool = False
    fail_above: float | None = None
    """Per cent of the lines that may be unusable."""


def back_test(request: Request, engine: Engine) -> str:
    """Write the report of a back-test and return its first sentence.

    Raises ExportError, NotWritten, and TooManyUnusable after the report is written.
    """
    plan, files, others, notes = _prepared(request)
    place = request.work or request.out
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        with ExitStack() as folders:
            folder = out = folders.enter_context(WorkFolder(request.work or request.out, keeps=request.resume))
            if request.work and request.work.resolve() != request.out.resolve():
                out = folders.enter_context(WorkFolder(request.out))
            tally = engine(plan, files, folder)
            place = request.out
            summary = summarize(tally, plan, others)
            _write(request, out, report_files(summary, plan.variants[0].knowledge, (*request.about, *notes)), tally)
    except OSError as error:
        place = Path(error.filename) if error.filename else place
        option = "--out" if place.is_relative_to(request.out) and request.work else "--work"
        advice = f" Free some space, or give another {option}." if error.errno in _FULL else ""
        message = f"{place}: {error.strerror}. No report was written.{advice}"
        raise NotWritten(message) from error
    _check_share(summary, request)
    return headline(summary)


def _prepared(request: Request) -> tuple[Plan, list[ExportFile], list[str], list[str]]:
    """Return the plan with the resource types of the export, its files, those not read, and notes for the report."""
    optional_keys = [key for variant in request.plan.variants for key in variant.site.optional_keys]
    types = tuple(dict.fromkeys(replayed_keys(optional_keys).values()))
    if request.export is None:
        variants = tuple(replace(variant, site=_replayed(variant.site, ())) for variant in request.plan.variants)
        return replace(request.plan, types=types, variants=variants), [], [], []
    files, others = find_files(request.export, (ORDER, *types))
    named = {file.resource_type for file in files}
    absent = [kind for kind in (ORDER, *types) if kind not in named and "" not in named]
    for needed in (ORDER, "Condition"):
        if needed in absent:
            message = (
                f"{request.export}: no file of {needed} is here, and nothing can be replayed without. Export the types "
                f"{', '.join((ORDER, *types))}, into files that have the type in their name."
            )
            raise ExportError(message)
    notes = [f"The export has no {kind}: what only they say is missing from the replay." for kind in absent]
    for note in notes:
        sys.stderr.write(f"{note}\n")
    variants = tuple(replace(variant, site=_replayed(variant.site, absent)) for variant in request.plan.variants)
    return replace(request.plan, types=types, variants=variants), files, others, notes


def _replayed(site: Site, absent: Sequence[str]) -> Site:
    """Return a site that speaks, and reads the optional keys of which the export has resources."""
    kinds = replayed_keys(site.optional_keys)
    keys = tuple(key for key in site.optional_keys if key in kinds and kinds[key] not in absent)
    return replace(site, is_off=False, is_shadow=False, optional_keys=keys)


def _write(request: Request, out: WorkFolder, files: dict[str, bytes], tally: Tally) -> None:
    """Write all files beside each other, then move them to where the report is: a full disk leaves no half report."""
    if request.plan.sample_size:
        files[SAMPLE] = _sample(tally)
    unfinished = out.path / "report"
    unfinished.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in files.items():
        with os.fdopen(os.open(unfinished / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(content)
            os.fsync(stream.fileno())
    for name in _REPORT_FILES:
        if name in files:
            (unfinished / name).chmod(0o600 if name == SAMPLE else 0o644)
            (unfinished / name).replace(request.out / name)
        else:
            (request.out / name).unlink(missing_ok=True)


def _sample(tally: Tally) -> bytes:
    """Return the orders for chart review: patient data, for those alone who may read these charts."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["PATIENT DATA: order", "patient", "ordered", "result"])
    for _, orders in sorted(tally.samples.items()):
        writer.writerows(map(cell, order) for _, order in orders)
    return stream.getvalue().encode()


def _check_share(summary: dict[str, Any], request: Request) -> None:
    unusable = sum(row["lines"] for row in summary["errors"])
    share = 100 * unusable / max(summary["lines"], 1)
    if request.fail_above is not None and share > request.fail_above:
        message = (
            f"{unusable:,} of {summary['lines']:,} lines could not be used ({share:.2f} %), more than the "
            f"{request.fail_above:g} % of --fail-above. The report in {request.out} says where."
        )
        raise TooManyUnusable(message)


def on_this_machine(workers: int, *, resume: bool) -> Engine:
    """Return the engine that runs on this machine, with so many processes."""

    def run(plan: Plan, files: Sequence[ExportFile], folder: WorkFolder) -> Tally:
        return local.run(plan, files, folder, workers, resume=resume)

    return run
