"""The commands, as a person uses them: explain a decision, print an example, render the review."""

import dataclasses
import gc
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cds_service import __main__ as command
from cds_service import __version__, cli, examples, review
from cds_service.cli import main
from cds_service.knowledge import load
from tests.support.notation import call
from tests.support.service import TODAY, log_lines

DAY = ["--today", TODAY.isoformat()]


@pytest.fixture
def run(capsys, monkeypatch):
    """Give a function that runs a command with a body on standard input; returns exit code, output and errors."""

    def run(*arguments, body=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
        code = main([*arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def body(patient, order, drafted="", **members):
    """Return the hook call of a vignette as bytes, with members of the call changed."""
    row = {"patient": patient, "order": order, "also drafted": drafted, "call": "", "site": ""}
    return json.dumps(call(row, TODAY) | members).encode()


SAYS = {
    "card": (
        body("prostate cancer [remission, 2023-03]", "lumbar MRI [for leg weakness]"),
        [
            "Orders\n  ServiceRequest/o1, MRI lumbar spine without contrast\n    monitored: it is selected, and",
            "Record\n  Read: 1 Condition, 0 Procedures\n",
            "    Leg weakness (this order's reason) [the order] - it points to the plexus\n",
            "    Prostate cancer, in remission, since 2023-03 [Condition/prostate-cancer] - it can reach the plexus\n",
            "  Decision table\n    History: could involve the plexus. Sign: specific sign. Result: card, warning, ",
            "warning, recommended: replace the order\n",
            "  Reasons for no card\n    None of 17 applies\n",
            "    Card (warning): proposes MRI lumbosacral plexus without and with IV contrast\n",
            "    Recommended suggestion: replace the order\n",
        ],
    ),
    "silence with its order and what was not used": (
        body("prostate cancer [refuted]; radiotherapy course [completed, site breast]", "lumbar MRI"),
        [
            "ServiceRequest/o1, MRI lumbar spine without contrast\n  Findings\n",
            "    Radiotherapy, breast [Procedure/radiotherapy-course] - does not count: its field does not reach the",
            "    Condition/prostate-cancer: its status, refuted, does not count\n",
            "    status does not count: 1\n",
            "    History: no history. Sign: no sign. Result: no card (no_history)\n",
            "  Reasons for no card\n    Number 16 of 17 applies: no_history\n",
            "    No card (no_history): No malignancy and no radiotherapy that counts is on record.",
        ],
    ),
    "what was not used, by its reason": (
        body(
            '"a lump"; "a swelling"; carcinoma in situ of the prostate; carcinoma in situ of the cervix (ICD-9-CM);'
            "radiotherapy planning; radiotherapy planning CT; brachytherapy of the breast [not-done];"
            "prostate cancer [refuted]",
            "lumbar MRI",
        ),
        [
            "    without a code: 2",
            "    not a malignancy that counts: 2",
            "    radiotherapy not delivered: 2",
            "    status does not count: 2",
        ],
    ),
    "what silences": (
        body("prostate cancer", 'lumbar MRI [for "cauda equina syndrome"]'),
        [
            "    Cauda equina syndrome (this order's reason) [the order] - it suppresses the card",
            "    No card (emergency): ",
        ],
    ),
    "unwatched": (
        body("prostate cancer", "cervical MRI"),
        [
            "    not monitored: this card does not monitor",
            "    No card (nothing_watched): No selected order is one that this card monitors.",
        ],
    ),
    "no draft, and nothing to read": (
        body("", "lumbar MRI", context={"patientId": "p", "userId": "Practitioner/u", "draftOrders": {"entry": []}}),
        ["  The call has no draft order.\n", "Record\n  Not read: the answer did not need it.\n", "    No card ("],
    ),
    "half a record": (
        body(
            "",
            "lumbar MRI",
            prefetch={
                "conditions": {
                    "resourceType": "Bundle",
                    "entry": [
                        {
                            "resource": {
                                "resourceType": "Condition",
                                "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C61"}]},
                            }
                        },
                        {"resource": {"resourceType": "Condition", "subject": {"reference": "Patient/else"}}},
                        {"resource": 5},
                    ],
                },
                "procedures": {"resourceType": "OperationOutcome"},
            },
        ),
        [
            "  Read: 1 Condition, 0 Procedures\n",
            "  Not read: procedures, the client could not read it\n",
            "  Entries that are not resources: 1\n",
            "  Entries of another patient, dropped: 1\n",
        ],
    ),
}


@pytest.mark.parametrize(("sent", "lines"), SAYS.values(), ids=SAYS)
def test_decide(sent, lines, run):
    """`decide` prints orders, record, findings, unused entries, decision table, reasons for no card, and outcome."""
    code, out, _ = run("decide", "-", *DAY, body=sent)
    assert code == 0
    assert [line for line in lines if line not in out] == [], out


def test_decide_in_shadow(run, tmp_path, monkeypatch):
    """In shadow mode `decide` says that no card is shown, and what it would have said."""
    file = tmp_path / "site.toml"
    file.write_text("cards.lumbosacral-plexus-mri.shadow.until = 2099-01-01\n")
    monkeypatch.setenv("PLEXUS_CDS_SITE_FILE", str(file))
    _, out, _ = run("decide", "-", *DAY, body=body("prostate cancer", "lumbar MRI"))
    assert out.startswith("Shadow mode: no card is shown.\nOrders\n")


def test_decide_cards(run):
    """`decide --cards` prints the cards that a client would get."""
    code, out, _ = run("decide", "-", "--cards", *DAY, body=body("prostate cancer", "lumbar MRI"))
    assert (code, len(json.loads(out)["cards"])) == (0, 1)


def test_decide_json(run):
    """`decide --json` prints the same steps as data."""
    code, out, _ = run("decide", "-", "--json", *DAY, body=body("prostate cancer", "lumbar MRI [for leg weakness]"))
    steps = json.loads(out)
    [outcome] = steps["outcomes"]
    assert (code, steps["orders"][0]["is_watched"], outcome["card"]["indicator"]) == (0, True, "warning")
    assert len(outcome["decision_table"]) == 12


WRONG_USAGE = {
    "a mistyped command": (["decid"], "No such command 'decid'. Did you mean 'decide'?"),
    "a mistyped option": (["serve", "--prot", "1"], "Did you mean one of: '--host', '--port'?"),
    "no command": ([], "Usage: plexus-cds"),
    "no date": (["export", "cards", "--from", "2026-02-30"], "'2026-02-30' is not a date; use YYYY-MM-DD"),
    "a reversed period": (
        ["export", "cards", "--from", "2026-02-02", "--to", "2026-02-01"],
        "--from 2026-02-02 is after --to 2026-02-01",
    ),
    "a file that is not there": (["decide", "gone.json"], "'gone.json': No such file or directory"),
    "two days": (["decide", "-", *DAY, "--as-of", "2026-02-01"], "--today and --as-of exclude each other"),
    "two formats": (["decide", "-", "--cards", "--json"], "--cards and --json exclude each other"),
}


@pytest.mark.parametrize(("arguments", "fault"), WRONG_USAGE.values(), ids=WRONG_USAGE)
def test_wrong_usage(arguments, fault, run):
    """Wrong usage is exit code 2, and says what is wrong and what was given."""
    code, out, errors = run(*arguments)
    assert (code, out) == (2, "")
    assert fault in errors


def test_help(run):
    """The help lists the commands by section, and that of each command has examples."""
    code, out, _ = run("--help")
    sections = re.findall(r"^([A-Z][a-z]+):$", out, re.MULTILINE)
    assert (code, sections) == (0, ["Options", "Run", "Try", "Configure", "Evaluate", "Knowledge", "Data"])
    for name in cli.plexus_cds.commands:
        assert f"\n  {name} " in out
        code, own, _ = run(name, "--help")
        assert (code, "Example" in own, f"    plexus-cds {name}" in own or "| plexus-cds" in own) == (0, True, True)


def test_version(run):
    """`--version` prints the name and the version."""
    assert run("--version") == (0, f"plexus-cds {__version__}\n", "")


def test_completion():
    """Shell completion knows commands and examples, and imports nothing that only a command needs."""
    script = "import sys; from cds_service import cli\ntry: cli.main()\nfinally: print('flask' in sys.modules)"
    own = {
        **os.environ,
        "_PLEXUS_CDS_COMPLETE": "bash_complete",
        "COMP_WORDS": "plexus-cds example art",
        "COMP_CWORD": "2",
    }
    done = subprocess.run([sys.executable, "-c", script], env=own, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-2:] == ["plain,article", "False"]


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        (b"{", "standard input, line 1, column 2: The body is not JSON"),
        (b'{"hook":\n  ?}', "standard input, line 2, column 3: The body is not JSON"),
        (b"{\xff}", "byte 2: The body is not JSON: it is not UTF-8"),
        (b"[" * 100_000, "The body is not JSON"),
        (b"[]", "This is not a CDS Hooks call: the body must be a JSON object, not an array."),
        (b'{"hook": "patient-view", "hookInstance": "1", "context": {"patientId": "p"}}', "of another one"),
        (body("", "lumbar MRI", prefetch=None), "The patient's record could not be read"),
    ],
)
def test_decide_faults(sent, fault, run):
    """What cannot be decided is one clear line and exit code 1."""
    code, out, errors = run("decide", "-", body=sent)
    assert (code, out, errors.count("\n")) == (1, "", 1)
    assert errors.startswith("plexus-cds: ")
    assert fault in errors


def test_example(run):
    """`example` lists the examples, and prints one dated from today."""
    assert run("example")[1].split() == examples.names("calls")
    code, out, _ = run("example", "article")
    assert code == 0
    assert "@today" not in out
    assert json.loads(out)["hook"] == "order-select"
    code, _, error = run("example", "nobody")
    assert (code, f"There are: {', '.join(examples.names('calls'))}." in error) == (2, True)


def test_review_is_current(run):
    """REVIEW.md is what the knowledge renders to, and the check of it can fail."""
    assert run("review", "--check")[0] == 0


def test_review_is_stale(run, tmp_path, monkeypatch):
    """A REVIEW.md that is not what the knowledge renders to is reported, and written anew."""
    page = tmp_path / "REVIEW.md"
    monkeypatch.setattr(review, "path", lambda: page)
    assert run("review", "--check") == (
        1,
        "",
        "plexus-cds: REVIEW.md is stale: run `plexus-cds review`, read what changed, and commit it\n",
    )
    assert run("review")[0] == 0
    assert run("review", "--check")[0] == 0


def test_review_tells_signatures(tmp_path):
    """REVIEW.md names who reviewed which version, and whether it has changed since."""
    knowledge = load()
    rows = [
        {"version": knowledge.version, "reviewer": "A", "date": "2026-01-01"},
        {"version": "0", "reviewer": "B", "date": "2025-01-01"},
    ]
    page = review.page(dataclasses.replace(knowledge, signatures=rows), tmp_path / "none")
    assert f"* Version {knowledge.version} was reviewed by A on 2026-01-01.\n" in page
    assert "* Version 0 was reviewed by B on 2025-01-01, and it has changed since.\n" in page


def test_a_reason_that_falls_away(service, caplog):
    """A PET/CT whose reason turns out refuted in the record is not watched after all, and no fault."""
    sent = json.loads(body("prostate cancer", "PET/CT"))
    drafted = sent["context"]["draftOrders"]["entry"][0]["resource"]
    drafted["reasonReference"] = [{"reference": "Condition/px"}]
    sign = {
        "resourceType": "Condition",
        "id": "px",
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "G54.1"}]},
    }
    refuted = sign | {"verificationStatus": {"coding": [{"code": "refuted"}]}}
    sent["prefetch"]["more"] = {"resourceType": "Bundle", "entry": [{"resource": sign}]}
    sent["prefetch"]["conditions"]["entry"].append({"resource": refuted})
    caplog.set_level("INFO", "plexus_cds")
    assert service.cards(sent) == []
    assert log_lines(caplog)[-1]["reasons"] == ["nothing_watched"]


def test_ctrl_c(monkeypatch, capsys):
    """Ctrl-C ends a command, wherever it is, with the exit code of shells and without a trace."""

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", interrupted)
    assert command.main() == 130
    gc.unfreeze()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["serve", "--port", "abc"], "'--port': must be a whole number from 1 to 65535, not 'abc'."),
        (["serve", "--threads", "0"], "'--threads': must be a whole number from 1 to 256, not '0'."),
        (["purge", "--days", "-3"], "'--days': must be a whole number from 0 to 36500, not '-3'."),
        (["example", "articel"], "there is no 'articel'. Did you mean article? There are: article, "),
        (["export", "cadrs"], "there is no 'cadrs'. Did you mean cards? There are: cards, "),
        (["export", "nothing"], "there is no 'nothing'. There are: cards, "),
        (["exprot"], "Did you mean 'export'?"),
    ],
)
def test_wrong_values(arguments, says, run):
    """Wrong usage exits with 2, and says what was given, what there is, and what may be meant."""
    code, out, error = run(*arguments)
    assert (code, out) == (2, "")
    assert says in error


def test_a_call_that_cannot_be_decided_names_its_file(run, tmp_path):
    """`decide` names the file of a call in which a member is missing."""
    file = tmp_path / "call.json"
    file.write_text('{"hook": "order-select"}', encoding="utf-8")
    code, _, error = run("decide", str(file))
    assert code == 1
    assert error.startswith(f"plexus-cds: {file}: This is not a CDS Hooks call: ")


COMMAND = [sys.executable, "-m", "cds_service"]


def test_output_that_cannot_be_written():
    """A full disk under the output is one line and exit code 1."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*COMMAND, "example", "article"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "plexus-cds: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("arguments", [["example", "article"], ["example"]], ids=["much", "little"])
def test_output_that_nobody_reads(arguments):
    """A reader that closes the output ends the command without a trace."""
    reader, writer = os.pipe()
    os.close(reader)
    command_line = [*COMMAND, *arguments]
    done = subprocess.run(command_line, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
