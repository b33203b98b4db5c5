"""`tools/valuesets_from_tables.py` on a few codes: nothing is dropped in silence, and its bytes never waver.

`tools/mutate_words.py` on one topic: it finds what no text needs.
"""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
SCT = "http://snomed.info/sct"
LOINC = "http://loinc.org"
COLUMNS = ("system", "code", "display", "group", "match", "reach", "verified_by", "notes")
TABLES = ("malignancy", "contraindications")
PLAN = ("malignancy-plexus-adjacent", "malignancy-unspecified", "malignancy-excluded", "egfr")
MALIGNANCY = [
    (ICD, "C61", "Malignant neoplasm of prostate", "malignancy", "prefix", "plexus_adjacent"),
    (ICD, "C51-C53", "Female genital organs", "malignancy", "range", "plexus_adjacent"),
    (ICD, "C80.1", "Malignant (primary) neoplasm, unspecified", "malignancy", "prefix", "unspecified"),
    (SCT, "399068003", "Malignant tumor of prostate (disorder)", "malignancy", "exact", "plexus_adjacent"),
    (ICD, "D07.5", "Carcinoma in situ of prostate", "in_situ", "prefix", "excluded"),
    (ICD, "Z92.21", "Personal history of antineoplastic chemotherapy", "supportive", "prefix", "supportive"),
]
CONTRAINDICATIONS = [
    (LOINC, "62238-1", "Glomerular filtration rate by CKD-EPI", "egfr", "exact", ""),
    (ICD, "F40.240", "Claustrophobia", "claustrophobia", "prefix", ""),
]


class Bench:
    """A copy of the tools, with a plan of a few value sets and tables of a few codes."""

    def __init__(self, folder: Path) -> None:
        self.tools = Path(shutil.copytree(TOOLS, folder / "tools", ignore=shutil.ignore_patterns("__pycache__")))
        self.card = folder / "cards" / "lumbosacral_plexus_mri"
        self.tables = folder / "tables"
        (self.card / "valuesets").mkdir(parents=True)
        self.tables.mkdir()
        self.keep("valuesets_plan.csv", lambda row: row["value_set"] in PLAN)
        self.keep("valuesets_rows.csv", lambda row: row["table"] in TABLES)
        self.table("malignancy", MALIGNANCY)
        self.table("contraindications", CONTRAINDICATIONS)

    def keep(self, name: str, wanted) -> None:
        """Keep some rows of a table of the tools."""
        file = self.tools / name
        with file.open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        with file.open("w", encoding="utf-8", newline="") as opened:
            writer = csv.DictWriter(opened, rows[0])
            writer.writeheader()
            writer.writerows(filter(wanted, rows))

    def table(self, name: str, rows) -> None:
        """Write a table of verified codes."""
        with (self.tables / f"{name}.csv").open("w", encoding="utf-8", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(COLUMNS)
            writer.writerows((*row, "a test", "") for row in rows)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the tool as its docstring says."""
        command = [sys.executable, str(self.tools / "valuesets_from_tables.py"), *(arguments or (str(self.tables),))]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    def value_set(self, name: str) -> dict:
        """Return a value set that was written."""
        return json.loads((self.card / "valuesets" / f"{name}.json").read_text(encoding="utf-8"))

    def codes(self, name: str) -> set[tuple[str, str]]:
        """Return the members of a value set: (last word of the system, code)."""
        includes = self.value_set(name)["compose"]["include"]
        listed = [
            (include["system"], concept["code"]) for include in includes for concept in include.get("concept", [])
        ]
        filters = [
            (include["system"], code_filter["value"])
            for include in includes
            for code_filter in include.get("filter", [])
        ]
        return {(system.rpartition("/")[2], code) for system, code in listed + filters}

    def written(self) -> dict[str, bytes]:
        """Return the bytes of all that was written."""
        return {file.name: file.read_bytes() for file in self.card.rglob("*") if file.is_file()}


@pytest.fixture
def bench(tmp_path) -> Bench:
    """Give the tools in a folder where they can write."""
    return Bench(tmp_path)


def in_all_editions(category: str) -> set[tuple[str, str]]:
    """Return a category of ICD-10 in each edition; the Danish one has a letter in front."""
    systems = ("icd-10-cm", "icd-10", "icd-10-gm", "icd-10-nl", "icd-10-ca")
    return {*((system, category) for system in systems), ("urn:oid:1.2.208.176.2.4.12", f"D{category}")}


def test_codes_in_are_codes_out(bench):
    """Every code of the tables is in its set, ranges written out, and beside ICD-10-CM's WHO's and each edition's."""
    done = bench.run()
    assert done.returncode == 0, done.stdout + done.stderr
    adjacent = {code for category in ("C51", "C52", "C53", "C61") for code in in_all_editions(category)}
    assert bench.codes("malignancy-plexus-adjacent") == adjacent | {("sct", "399068003")}
    assert bench.codes("malignancy-unspecified") == in_all_editions("C80.1")
    assert bench.codes("malignancy-excluded") == {("icd-10-cm", "D07.5")}
    assert bench.codes("egfr") == {("loinc.org", "62238-1")}
    into_sets = sum(len(bench.codes(name)) for name in PLAN)
    [total] = [line.split() for line in done.stdout.splitlines() if line.startswith("all ")]
    assert total == ["all", str(into_sets + 2), "2", str(into_sets)]


def test_what_is_written(bench):
    """A value set has our words, its provenance and the copyright that is owed; valuesets.csv lists it."""
    bench.run()
    value_set = bench.value_set("egfr")
    assert "Regenstrief" in value_set["copyright"]
    [include] = value_set["compose"]["include"]
    assert [extension["valueString"] for extension in include["extension"]] == ["eGFR", "a test"]
    listed = (bench.card / "valuesets.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in listed] == ["value_set", *PLAN]


def test_a_reject_is_listed(bench):
    """What goes into no set is listed with its reason: supportive rows, harmless ones, and repeated codes."""
    bench.table("malignancy", [*MALIGNANCY, (SCT, "399068003", "Prostate cancer", "in_situ", "exact", "")])
    done = bench.run()
    assert done.returncode == 0, done.stdout + done.stderr
    rejected = [line for line in done.stdout.splitlines() if line.startswith("rejected (1)")]
    assert any("supportive" in line and line.endswith(": Z92.21") for line in rejected)
    assert any("harmless" in line and line.endswith(": F40.240") for line in rejected)
    assert any(line.endswith(": 399068003") for line in rejected)


def test_the_narrowest_row_wins(bench):
    """A code that a range and a row of its own both name goes where its own row says."""
    bench.table("malignancy", [*MALIGNANCY, (ICD, "C53", "Cervix uteri", "malignancy", "prefix", "unspecified")])
    done = bench.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("icd-10-cm", "C53") in bench.codes("malignancy-unspecified")
    assert ("icd-10-cm", "C53") not in bench.codes("malignancy-plexus-adjacent")
    assert "another row of the table states it more closely: C53" in done.stdout


def test_our_own_table(bench):
    """brakes.csv beside the tools is read too, and there one code may go to sets of several families."""
    shutil.copy(TOOLS / "valuesets_plan.csv", bench.tools)
    shutil.copy(TOOLS / "valuesets_rows.csv", bench.tools)
    sets = ("emergency-cord-or-cauda-equina", "spine-disease", "acute-trauma")
    bench.keep("valuesets_plan.csv", lambda row: row["value_set"] in (*sets, *PLAN))
    wanted = ("cord_cauda_red_flag", "spine_disease", "trauma_.*")
    bench.keep("valuesets_rows.csv", lambda row: row["table"] in TABLES or row["group"] in wanted)
    bench.keep("valuesets_rows.csv", lambda row: row["table"] in (*TABLES, "brakes"))
    bench.keep("brakes.csv", lambda row: row["group"].startswith(("cord", "spine_disease", "trauma")))
    done = bench.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("icd-10", "M49.0") in bench.codes(sets[0]) & bench.codes(sets[1])
    assert {("icd-10", "S32"), ("icd-10-cm", "^S72(?!...[^ABC])")} <= bench.codes("acute-trauma")
    assert ("icd-10-cm", "S32") in bench.codes("spine-disease")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((ICD, "C62", "Testis", "malignancy", "prefix", "nearby"), "C62 Testis: no route fits"),
        ((SCT, "399068004", "Prostate cancer", "malignancy", "exact", "unspecified"), "399068004: wrong check digit"),
        ((LOINC, "62238-2", "Prostate cancer", "malignancy", "exact", "unspecified"), "62238-2: wrong check digit"),
        ((ICD, "F40.2", "Cancer phobia", "malignancy", "prefix", "unspecified"), "F40.240 is rejected, but F40.2"),
    ],
)
def test_a_code_that_is_lost_or_wrong_fails(row, says, bench):
    """A row that fits nothing, a wrong check digit or a category over a reject make it exit with 1 and say so."""
    bench.table("malignancy", [*MALIGNANCY, row])
    done = bench.run()
    assert done.returncode == 1, done.stderr
    [fault] = [line for line in done.stdout.splitlines() if line.startswith("FAULT")]
    assert says in fault


def test_an_empty_set_fails(bench):
    """A set of the plan that no code goes to makes it exit with 1."""
    bench.table("contraindications", CONTRAINDICATIONS[1:])
    done = bench.run()
    assert (done.returncode, "FAULT egfr: empty" in done.stdout) == (1, True)


def test_a_code_without_words_fails(bench):
    """A code for which wording.csv has no words stops the run and is named: none goes out unworded."""
    bench.table("contraindications", [*CONTRAINDICATIONS, (LOINC, "2160-0", "Creatinine", "egfr", "exact", "")])
    done = bench.run()
    assert done.returncode != 0
    assert "wording.csv has no observation words for loinc.org 2160-0 Creatinine" in done.stderr


def test_twice_the_same_bytes(bench):
    """Run twice, and with the rows in another order, it writes the same bytes."""
    bench.run()
    first = bench.written()
    bench.run()
    assert bench.written() == first
    bench.table("malignancy", MALIGNANCY[::-1])
    bench.run()
    assert bench.written() == first
    assert len(first) == len(PLAN) + 1


def test_the_repository_is_not_touched(bench):
    """The tools write beside themselves only, so that these tests leave the real value sets alone."""
    real = TOOLS.parent / "cards" / "lumbosacral_plexus_mri" / "valuesets.csv"
    before = real.read_bytes(), real.stat().st_mtime_ns
    bench.run()
    assert (real.read_bytes(), real.stat().st_mtime_ns) == before


@pytest.mark.parametrize("arguments", [("a", "b"), ("/nowhere/at/all",)])
def test_wrong_usage(arguments, bench):
    """A missing folder, or more than one, ends with an exit code that is not 0, and writes nothing."""
    assert bench.run(*arguments).returncode != 0
    assert bench.written() == {}


def damaged_words(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Damage the words of the topic `stat`, which are few."""
    command = [sys.executable, "-m", "tools.mutate_words", *arguments, "stat"]
    return subprocess.run(command, cwd=TOOLS.parent, capture_output=True, text=True, timeout=120, check=False)


def test_every_damage_to_a_word_is_noticed():
    """Whatever is done to a row of reason_words.csv, some text of the corpus is read otherwise."""
    done = damaged_words()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "survived" not in done.stdout


def test_a_word_without_a_text_survives(tmp_path):
    """A spelling that no text of a corpus needs is named, and the exit code is 1."""
    lines = (
        (TOOLS.parent / "tests" / "contract" / "words" / "every_word.csv")
        .read_text(encoding="utf-8")
        .splitlines(keepends=True)
    )
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("".join(line for line in lines if not line.startswith("cito,")), encoding="utf-8")
    done = damaged_words("--corpus", str(corpus))
    assert done.returncode == 1, done.stdout + done.stderr
    [survivor] = [line for line in done.stdout.splitlines() if line.startswith("survived")]
    assert survivor.endswith("without 'cito'")


def test_a_corpus_that_is_read_wrongly_is_refused(tmp_path):
    """A corpus with a wrong expectation stops the run before anything is damaged, and the text is named."""
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("text,says,named\nfoot drop,none,\n", encoding="utf-8")
    done = damaged_words("--corpus", str(corpus))
    assert done.returncode == 1
    assert "'foot drop': expected none" in done.stderr
