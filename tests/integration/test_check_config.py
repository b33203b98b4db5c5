"""What is wrong with a site file, and what is in force: reported at the start and by `check-config`."""

import re
from contextlib import closing
from pathlib import Path

import pytest

from cds_service.cli import main, plexus_cds
from cds_service.config.settings import Settings, read_settings
from cds_service.errors import SettingsError
from cds_service.toml_file import line_of
from cds_service.web.app import create_app
from tests.integration.test_site_file import CARD, MAPPED, PROPOSED, SPELLINGS, no_settings  # noqa: F401 - a fixture is used by its name
from tests.support.serving import COMMAND, Server

INTEGRATION = Path(__file__).parents[2] / "docs" / "integration.md"

WRONG = {
    "no TOML": ("off = ?", "line 1"),
    "a member twice": (f"{CARD}off = true\n{CARD}off = true\n", "line 2"),
    "an unknown key": (f'{CARD}polcy = "broad"', "polcy: is not known; did you mean policy?"),
    "a wrong type": (f'{CARD}off = "perhaps"', f"{CARD}off"),
    "a table that is none": (f"{CARD}shadow = true", "shadow"),
    **{
        f"{name} that is off": (f"{CARD}off = {value}", f"off: must be true or false, not {value} (line 1)")
        for name, value in (("a word", '"off"'), ("a text", '"true"'), ("a number", "0"))
    },
    **{
        f"days that are {name}": (
            f"{CARD}lookback.presentation = {value}",
            f"lookback.presentation: must be a whole number, not {value} (line 1)",
        )
        for name, value in (("turned on", "true"), ("a text", '"8"'), ("a fraction", "8.0"))
    },
    **{
        f"an end that is {name}": (
            f"{CARD}shadow.until = {value}",
            "shadow.until: must be a date such as 2027-03-31, without quotes, not ",
        )
        for name, value in (("a number", "0"), ("a text", '"2027-03-31"'), ("a moment", "2027-03-31T00:00:00"))
    },
    **{
        f"{name} at the top": (f"{name} = 8", f"{name}: belongs to a card now; write [cards.lumbosacral-plexus-mri")
        for name in ("dismissal_hours", "lookback")
    },
    "what belongs at the top, below a table": (
        MAPPED.format("not_watched") + 'dialect = "epic"',
        "orders.1.dialect: belongs at the top of the file, above the first [table] (line 5)",
    ),
    "a code of blanks": (MAPPED.format("not_watched").replace("IMG1", "  "), "orders.1.code: must not be empty"),
    "a local code twice, by an own name of its system": (
        '[systems]\n"urn:own" = "http://www.ama-assn.org/go/cpt"\n'
        + MAPPED.format("not_watched").replace("urn:site:orders", "urn:own")
        + MAPPED.format("lumbar_spine_mri").replace("urn:site:orders", SPELLINGS[1]),
        "orders: mapped more than once: IMG1",
    ),
    "a proposed code that is the spine's": (
        MAPPED.format("lumbar_spine_mri").replace("IMG1", "PLEX") + PROPOSED,
        "propose.plexus_mri_without_and_with_contrast.code: PLEX is mapped to lumbar_spine_mri under [[orders]]",
    ),
    "a proposed code with contrast that is without": (
        MAPPED.format("plexus_mri_without_contrast").replace("IMG1", " PLEX ") + PROPOSED,
        "a code of this one is mapped to plexus_mri or plexus_mri_with_contrast (line 6)",
    ),
    "a proposed code without contrast that may have it": (
        MAPPED.format("plexus_mri").replace("IMG1", "PLEX") + PROPOSED.replace("and_with_", ""),
        "a code of this one is mapped to plexus_mri_without_contrast",
    ),
    "a proposed code of two studies": (
        PROPOSED + PROPOSED.replace("and_with_", ""),
        "propose.plexus_mri_without_and_with_contrast and propose.plexus_mri_without_contrast have one code, PLEX",
    ),
    "an unknown limit": (f"{CARD}lookback.patience = 3", f"{CARD}lookback"),
    "a negative limit": (f"{CARD}lookback.presentation = -1", "lookback.presentation"),
    "a limit beyond the calendar": (f"{CARD}lookback.presentation = 99999999", "lookback.presentation"),
    "hours below zero": (f"{CARD}dismissal_hours = -1", "dismissal_hours: must be 0 or more, not -1 (line 1)"),
    "more hours than orders are known for": (
        f"{CARD}off = false\n{CARD}dismissal_hours = 49",
        "dismissal_hours: must be 48 or less, not 49 (line 2)",
    ),
    "hours in part": (f"{CARD}dismissal_hours = 0.5", "dismissal_hours: must be a whole number, not 0.5 (line 1)"),
    "hours in words": (f'{CARD}dismissal_hours = "8h"', 'dismissal_hours: must be a whole number, not "8h" (line 1)'),
    "hours turned on": (f"{CARD}dismissal_hours = true", "dismissal_hours: must be a whole number, not true (line 1)"),
    "an unknown prefetch key": ('prefetch = ["labs"]', "prefetch.1"),
    "a prefetch key that is no list": ('prefetch = "encounters"', 'must be a list: prefetch = ["..."]'),
    "an unknown category": ('conditions.dx = "diagnosis"', "conditions.dx: must be 'problem-list-item'"),
    "a category that is no text": ("conditions.dx = 7", "conditions.dx: must be 'problem-list-item'"),
    "keys of Conditions that are no table": ('conditions = ["problems"]', "conditions: must be a table"),
    "a key of Conditions that is another's": (
        'conditions.encounters = "problem-list-item"',
        "encounters is the key of something else",
    ),
    "a key of Conditions with a space": (
        '[conditions]\n"problem list" = "problem-list-item"',
        "conditions.problem list: must be a letter, and then",
    ),
    "keys of Conditions without the problem list": (
        'conditions.dx = "encounter-diagnosis"',
        'conditions: one of the keys must have the category "problem-list-item"',
    ),
    "an unknown study": (MAPPED.format("brain_mri"), "orders.1.study"),
    "a code that leaves the level open": (
        MAPPED.format("level_not_stated"),
        "orders.1.study: level_not_stated is no study; leave the code out: an order whose code is not mapped",
    ),
    "an order without a study": ('[[orders]]\nsystem = "s"\ncode = "c"', "orders.1.study"),
    "a local code twice": (MAPPED.format("not_watched") + MAPPED.format("lumbar_spine_mri"), "orders"),
    "a local code twice, in two spellings of its system": (
        "".join(MAPPED.format("not_watched").replace("urn:site:orders", spelling) for spelling in SPELLINGS[:2]),
        "orders: mapped more than once: IMG1",
    ),
    "a system that is not known": ('[systems]\n"urn:own" = "urn:other"', "systems.urn:own: urn:other is not known"),
    "a system that is known already": (
        '[systems]\n"http://loinc.org/" = "http://snomed.info/sct"',
        "http://loinc.org/ is known as http://loinc.org already",
    ),
    "an order that is not in a list": (MAPPED.format("not_watched").replace("[[orders]]", "[orders]"), "[[orders]]"),
    "a number that is no code": ('[[orders]]\nsystem = "s"\ncode = 7\nstudy = "not_watched"', "text in quotes"),
    "an end that is no date": (f'{CARD}shadow.until = "spring"', "shadow.until: must be a date such as"),
    "deep nesting": ("off = " + "[" * 100_000, "nested too deeply"),
    "another encoding": ("off = true # \udcff", "not UTF-8"),
    "a study that is never proposed": (PROPOSED.replace("plexus_mri", "brain_mri"), "propose"),
    "a shadow without an end": (f"[{CARD}shadow]", "shadow.until"),
    "an alias of an unknown key": ('prefetch_aliases.labs = "Labs"', "prefetch_aliases.labs: must be 'conditions',"),
    "an alias that is a key": (
        'prefetch_aliases.procedures = "encounters"',
        "prefetch_aliases.procedures: must be another",
    ),
    "an alias with a space": ('prefetch_aliases.procedures = "my key"', "prefetch_aliases.procedures: must be another"),
    "an alias of two keys": (
        'prefetch_aliases = {conditions = "All", procedures = "All"}',
        "site.toml: prefetch_aliases: All would stand for more than one key, or twice for one (line 1)",
    ),
    "an alias that is another key": (
        'prefetch_aliases.procedures = ["Surgeries", "encounters"]',
        "encounters would stand for more than one key",
    ),
    "an alias twice": (
        'prefetch_aliases.procedures = ["Surgeries", "Surgeries"]',
        "Surgeries would stand for more than one key",
    ),
    "no alias": ("prefetch_aliases.procedures = []", "prefetch_aliases.procedures: must have 1 or more entries"),
    "aliases that are no names": ("prefetch_aliases.procedures = 7", "prefetch_aliases.procedures: "),
    "Conditions that are split twice": (
        'prefetch_aliases.conditions = ["A", "B"]\n[conditions]\nA1 = "problem-list-item"',
        "conditions has several names, and so has [conditions]",
    ),
    "an unknown dialect": ('dialect = "meditech"', "dialect: must be 'standard', 'epic' or 'crd', not \"meditech\""),
    "an unknown card": ("cards.spine.off = true", "cards.spine: spine is not known; there are: lumbosacral-plexus-mri"),
    "cards that are no table": ("cards = true", "cards: must be a table"),
    **{
        f"the old place of {name}": (text, f"{name}: belongs to a card now; write {says} (line 1)")
        for name, text, says in (
            ("off", "off = true", "[cards.lumbosacral-plexus-mri] and below it off = ..."),
            ("policy", 'policy = "focused"', "[cards.lumbosacral-plexus-mri] and below it policy = ..."),
            ("limits", "limits.presentation = 3", "[cards.lumbosacral-plexus-mri.lookback]"),
            ("shadow", "[shadow]\nuntil = 2027-01-01", "[cards.lumbosacral-plexus-mri.shadow]"),
            (
                "propose",
                "[propose.ct_abdomen_pelvis]\n",
                "[cards.lumbosacral-plexus-mri.propose.ct_abdomen_pelvis]",
            ),
        )
    },
    "a missing file": (None, "No such file"),
}


@pytest.mark.parametrize(("text", "names"), WRONG.values(), ids=WRONG)
def test_each_way_to_be_wrong_stops_the_start(text, names, tmp_path, knowledge, capsys):
    """A wrong file is a SettingsError at the start; check-config reports it in a plain line with file and member."""
    file = tmp_path / "site.toml"
    if text is not None:
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(SettingsError):
        create_app(Settings(site_file=str(file)), knowledge)
    assert main(["check-config", str(file)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "site.toml" in line
    assert names in line
    assert "instance of" not in line, "plain"


KEYS = "'allergies', 'devices', 'egfr', 'encounters', 'imaging_orders' or 'imaging_reports'"
SEVERAL = """
prefetch = ["labs"]
[cards.lumbosacral-plexus-mri]
polcy = "broad"
policy = "narrow"
off = "perhaps"
shadow = { until = "spring", untill = 3 }
[cards.lumbosacral-plexus-mri.lookback]
patience = 3
presentation = -1
trauma = 1.5
[cards.lumbosacral-plexus-mri.propose.brain_mri]
system = ""
"""


def test_all_that_is_wrong_is_told_at_once(tmp_path, capsys):
    """check-config reports the faults of all members at once, in words that need no Python."""
    file = tmp_path / "site.toml"
    file.write_text(SEVERAL + MAPPED.format("brain_mri"), encoding="utf-8")
    assert main(["check-config", str(file)]) == 1
    printed = capsys.readouterr().err.replace("plexus-cds: ", "", 1).splitlines()
    lines = [re.sub("there are: .* [(]", "there are: ... (", line.removeprefix(f"{file}: ")) for line in printed]
    assert sorted(lines) == [
        f"{CARD}lookback.patience: patience is not known; there are: ... (line 9)",
        f"{CARD}lookback.presentation: must be 0 or more, not -1 (line 10)",
        f"{CARD}lookback.trauma: must be a whole number, not 1.5 (line 11)",
        f'{CARD}off: must be true or false, not "perhaps" (line 6)',
        f"{CARD}polcy: is not known; did you mean policy? (line 4)",
        f"{CARD}policy: must be 'broad' or 'focused', not \"narrow\" (line 5)",
        f"{CARD}propose.brain_mri.code: is missing (line 12)",
        f"{CARD}propose.brain_mri.display: is missing (line 12)",
        f"{CARD}propose.brain_mri.system: must not be empty (line 13)",
        f"{CARD}propose.brain_mri: brain_mri is not known; there are: ... (line 12)",
        f'{CARD}shadow.until: must be a date such as 2027-03-31, without quotes, not "spring" (line 7)',
        f"{CARD}shadow.untill: is not known; did you mean until? (line 7)",
        "orders.1.study: brain_mri is not known; there are: ... (line 17)",
        f'prefetch.1: must be {KEYS}, not "labs" (line 2)',
    ]


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1\nb.c = 2\n", ["b", "c"], 2),
        ("[b]\n# c = 1\nc = 2\n", ["b", "c"], 3),
        ('["b c"."d.e"] # a table\n"f=g" = 2\n', ["b c", "d.e", "f=g"], 2),
        ("[[o]]\nx = 1\n[[o]]\n\nx = 2\n", ["o", 1, "x"], 5),
        ("[[o]]\nx = 1\n[[o]]\nx = 2\n", ["o", 1, "y"], 3),
        ("[[o]]\n[[o]]\n", ["o"], 1),
        ("a = 1\nt = { x = 1 }\n", ["t", "x"], 2),
        ("a = 1\n", ["gone"], None),
    ],
)
def test_line_of(text, path, line):
    """The line of a key is found under each way to write it, and else that of the innermost table around it."""
    assert line_of(text, path) == line


def test_serve_does_not_start_with_a_wrong_file(tmp_path):
    """`plexus-cds serve` with a wrong file ends at once with exit code 1 and one line, as with a wrong setting."""
    file = tmp_path / "site.toml"
    file.write_text("of = true", encoding="utf-8")
    with closing(Server(COMMAND, site_file=str(file))) as server:
        try:
            assert server.process.wait(20) == 1
        finally:
            server.kill()
        assert (server.output(), len(server.errors().splitlines())) == ("", 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            'prefetch = ["encounters"]\nconditions.dx = "problem-list-item"',
            ["prefetch: encounters ({file})", '"dx": "problem'],
        ),
        (
            "",
            [
                "policy: broad (default)",
                "off: false (default)",
                "presentation: 365 (default)",
                "PLEXUS_CDS_PORT: 8080 (default)",
            ],
        ),
        (
            f'{CARD}policy = "focused"\n{CARD}lookback.presentation = 100',
            ["policy: focused ({file})", "presentation: 100 ({file})", "trauma: 90 (default)"],
        ),
        (MAPPED.format("lumbar_spine_mri") + PROPOSED, ["IMG1", "lumbar_spine_mri", "PLEX"]),
        (f"[{CARD}shadow]\nuntil = 2020-01-01", ["shadow mode ended on 2020-01-01; cards are shown"]),
        (f"[{CARD}shadow]\nuntil = 2999-01-01", ["2999"]),
    ],
)
def test_a_right_file(text, says, tmp_path, capsys):
    """check-config prints what is in force and exits with 0; of a shadow that is past it says so."""
    file = tmp_path / "site.toml"
    file.write_text(text, encoding="utf-8")
    assert main(["check-config", str(file)]) == 0
    out = capsys.readouterr().out
    assert [line for line in says if line.format(file=file) not in out] == []
    assert ("ended" in out) is ("2020" in text)


def test_prefetch_lines_are_printed(tmp_path, capsys, service):
    """check-config prints each key with its query, as discovery has them, under the names of the site."""
    assert main(["check-config"]) == 0
    out = capsys.readouterr().out.splitlines()
    templates = service.get("/cds-services").json()["services"][0]["prefetch"]
    assert [f"  {key}: {query}" for key, query in templates.items()] == out[-len(templates) :]
    file = tmp_path / "site.toml"
    file.write_text('prefetch = ["devices"]\nprefetch_aliases.procedures = "Surgical_History"', encoding="utf-8")
    assert main(["check-config", str(file)]) == 0
    out = capsys.readouterr().out
    for line in ("Surgical_History: Procedure?", "devices: Device?", "conditions: Condition?"):
        assert f"  {line}patient={{{{context.patientId}}}}\n" in out
    file.write_text('prefetch_aliases.conditions = ["Problems", "Encounter_Dx"]', encoding="utf-8")
    assert main(["check-config", str(file)]) == 0
    out = capsys.readouterr().out
    for name in ("Problems", "Encounter_Dx"):
        assert f"  {name}: Condition?patient={{{{context.patientId}}}}\n" in out
    assert "Note: Problems, Encounter_Dx are parts of conditions: restrict the query of each" in out


def test_a_study_without_a_code_is_noted(tmp_path, capsys):
    """In the dialect epic, each proposal without a code of the site is noted with the table to write."""
    file = tmp_path / "site.toml"
    for dialect, notes in (("epic", 2), ("standard", 0)):
        file.write_text(f'dialect = "{dialect}"\n{PROPOSED}', encoding="utf-8")
        assert main(["check-config", str(file)]) == 0
        out = capsys.readouterr().out
        assert out.count("has no code for the dialect epic") == notes
        table = "[cards.lumbosacral-plexus-mri.propose.ct_abdomen_pelvis]"
        assert (table in out) is bool(notes)


def test_a_proposed_code_that_is_not_mapped_is_noted(tmp_path, capsys):
    """A code under propose that is not under [[orders]], in any spelling of its system, is noted."""
    file, note = tmp_path / "site.toml", "is not under [[orders]]"
    mapped = MAPPED.format("plexus_mri_with_contrast").replace("IMG1", "PLEX")
    snomed = PROPOSED.replace("urn:site:orders", "http://snomed.info/sct")
    for text, notes in (
        (PROPOSED, 1),
        (mapped + PROPOSED, 0),
        (MAPPED.format("plexus_mri_with_contrast") + PROPOSED, 1),
        (mapped.replace("urn:site:orders", "urn:oid:2.16.840.1.113883.6.96") + snomed, 0),
        ("", 0),
    ):
        file.write_text(text, encoding="utf-8")
        assert main(["check-config", str(file)]) == 0
        assert capsys.readouterr().out.count(note) == notes


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ('prefetch_aliases.egfr = "GFR"', "prefetch_aliases.egfr has no effect: prefetch does not turn it on."),
        (
            'prefetch_aliases.conditions = "Dx"\nconditions.problems = "problem-list-item"',
            "prefetch_aliases.conditions has no effect: [conditions] takes its place.",
        ),
        (MAPPED.format("not_watched").replace("urn:site:orders", "1.2.3.4"), "the system 1.2.3.4 is no URI"),
        (PROPOSED.replace("urn:site:orders", "EAP"), "the system EAP is no URI"),
        ('prefetch = ["egfr"]\nprefetch_aliases.egfr = "GFR"\nprefetch_aliases.procedures = ["A", "B"]', ""),
        (MAPPED.format("not_watched").replace("urn:site:orders", SPELLINGS[2]), ""),
    ],
)
def test_what_has_no_effect_is_noted(text, note, tmp_path, capsys):
    """check-config notes an alias of a key that is not requested, and a code system that no order can have."""
    file = tmp_path / "site.toml"
    file.write_text(text, encoding="utf-8")
    assert main(["check-config", str(file)]) == 0
    out = capsys.readouterr().out
    assert f"Note: {note}" in out if note else "no effect" not in out and "is no URI" not in out


def test_the_source_of_each_setting(monkeypatch, capsys):
    """check-config prints each setting with the variable that it comes from, or as a default; secrets are masked."""
    monkeypatch.setenv("PLEXUS_CDS_THREADS", "16")
    monkeypatch.setenv("PLEXUS_CDS_PATIENT_KEY", "hunter2" * 3)
    assert main(["check-config"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert {"  PLEXUS_CDS_THREADS: 16 (environment)", "  PLEXUS_CDS_PATIENT_KEY: ******** (environment)"} <= set(lines)
    assert {"  PLEXUS_CDS_WORKERS: 1 (default)", "  PLEXUS_CDS_PUBLIC_URL: http://127.0.0.1:8080 (default)"} <= set(
        lines
    )
    assert "hunter2" not in out


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_table_of_settings(name):
    """docs/integration.md has a row for each setting, with its default and its description."""
    field = Settings.model_fields[name]
    default = settings_default(field.default)
    row = f"| `PLEXUS_CDS_{name.upper()}` | {default} | {field.description} |"
    assert row in INTEGRATION.read_text(encoding="utf-8").splitlines()


def settings_default(value) -> str:
    """Return the default of a setting as the table has it."""
    text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{text}`" if value not in ("", ()) and text else "none"


def test_check_config_reads_the_settings(tmp_path, monkeypatch, capsys):
    """Without an argument, the file that PLEXUS_CDS_SITE_FILE names is checked."""
    monkeypatch.setenv("PLEXUS_CDS_SITE_FILE", f"{tmp_path}/gone.toml")
    assert main(["check-config"]) == 1
    assert "gone.toml" in capsys.readouterr().err


def test_settings_and_site_file_are_told_together(tmp_path, monkeypatch, capsys):
    """A wrong setting does not hide what is wrong with the site file: both are reported at once."""
    monkeypatch.setenv("PLEXUS_CDS_PORT", "many")
    assert main(["check-config", f"{tmp_path}/gone.toml"]) == 1
    printed = capsys.readouterr().err
    assert ("PLEXUS_CDS_PORT" in printed, "gone.toml" in printed) == (True, True)


def test_every_fault_of_the_settings_is_printed(monkeypatch, capsys):
    """A misspelled variable does not hide the faults of the others."""
    monkeypatch.setenv("PLEXUS_CDS_THREDS", "3")
    monkeypatch.setenv("PLEXUS_CDS_PORT", "many")
    assert main(["check-config"]) == 1
    errors = capsys.readouterr().err
    assert "did you mean PLEXUS_CDS_THREADS?" in errors
    assert 'PLEXUS_CDS_PORT: must be a whole number, not "many"' in errors


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("ALLOWED_ORIGINS", "foo", 'each must be like https://ehr.example.org or http://localhost:3000, not "foo"'),
        ("ALLOWED_ORIGINS", "https://a.example,https://b.example/path", 'not "https://b.example/path"'),
        ("ALLOWED_ORIGINS", "ftp://a.example", 'not "ftp://a.example"'),
        ("ALLOWED_ORIGINS", "https://a.example:port", 'not "https://a.example:port"'),
        (
            "PUBLIC_URL",
            "cds.example.org",
            'must be an https:// or http:// URL such as https://cds.example.org, not "cds',
        ),
        ("PUBLIC_URL", "https://cds.example.org/?a=1", 'not "https://cds.example.org/?a=1"'),
        ("FHIR_SERVERS", "ftp://fhir.example", 'each must begin with https://, not "ftp://fhir.example"'),
        ("FHIR_SERVERS", "https://user:hunter2@fhir.example", 'not "https://...@fhir.example"'),
        ("CA_FILE", "/nowhere.pem", '"/nowhere.pem" cannot be read: No such file'),
    ],
)
def test_a_wrong_address_is_refused(variable, value, says, monkeypatch, capsys):
    """A setting that is no address or no file is refused with its variable and its value, without a password in it."""
    monkeypatch.setenv(f"PLEXUS_CDS_{variable}", value)
    assert main(["check-config"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"plexus-cds: PLEXUS_CDS_{variable}: ")
    assert says in error
    assert "hunter2" not in error


@pytest.mark.parametrize(
    "origins", ["https://a.example", "http://localhost:3000/", "https://[::1]:8443 https://sandbox.cds-hooks.org"]
)
def test_origins_of_browsers(origins, monkeypatch):
    """What a browser sends as its Origin may be allowed."""
    monkeypatch.setenv("PLEXUS_CDS_ALLOWED_ORIGINS", origins)
    assert main(["check-config"]) == 0


@pytest.mark.parametrize(
    ("command", "option", "setting"),
    [
        ("serve", "port", "port"),
        ("serve", "workers", "workers"),
        ("serve", "threads", "threads"),
        ("purge", "days", "store_days"),
    ],
)
def test_options_have_the_limits_of_the_settings(command, option, setting):
    """An option of the command line takes what the setting of the same meaning takes."""
    [kind] = [parameter.type for parameter in plexus_cds.commands[command].params if parameter.name == option]
    limits = {type(limit).__name__: limit for limit in Settings.model_fields[setting].metadata}
    assert (kind.min, kind.max) == (limits["Ge"].ge, limits["Le"].le)


@pytest.mark.parametrize("name", ["store_url", "patient_key"])
def test_a_secret_from_a_file(name, tmp_path, monkeypatch, capsys):
    """A secret may stand in a file, with a line break at its end, and is masked like one in the environment."""
    secret = "postgresql://cds:hunter2hunter2@db.example/cds"
    (tmp_path / name).write_text(f"{secret}\n", encoding="utf-8")
    monkeypatch.setenv(f"PLEXUS_CDS_{name.upper()}_FILE", str(tmp_path / name))
    assert read_settings().model_dump()[name].get_secret_value() == secret
    assert main(["check-config"]) == 0
    out = capsys.readouterr().out
    assert f"PLEXUS_CDS_{name.upper()}_FILE: {tmp_path / name} (environment)" in out
    assert "hunter2" not in out


@pytest.mark.parametrize(
    ("content", "also", "says"),
    [
        (None, False, "cannot be read: No such file or directory"),
        (b" \n", False, "is empty; write the secret into it, or leave the setting out"),
        (b"\xff", False, "is not text in UTF-8"),
        (b"hunter2" * 3, True, "PLEXUS_CDS_PATIENT_KEY is set, too; leave one of them out"),
        (b"hunter2", False, "PLEXUS_CDS_PATIENT_KEY: must have 16 characters or more"),
    ],
)
def test_a_secret_file_that_cannot_be_used(content, also, says, tmp_path, monkeypatch, capsys):
    """A secret's file that is missing or empty stops the start, as the service would otherwise run without it."""
    file = tmp_path / "patient_key"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("PLEXUS_CDS_PATIENT_KEY_FILE", str(file))
    if also:
        monkeypatch.setenv("PLEXUS_CDS_PATIENT_KEY", "another secret of mine")
    assert main(["check-config"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("plexus-cds: PLEXUS_CDS_PATIENT_KEY")
    assert says in error
    assert "hunter2" not in error
