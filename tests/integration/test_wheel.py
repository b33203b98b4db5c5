"""What is installed works: the wheel, in an environment and a folder that know nothing of the repository."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest
import requests

from cds_service.clock import SYSTEM_CLOCK
from tests.support.service import ORDER_SELECT
from tests.support.serving import environment, granian

ROOT = Path(__file__).parents[2]
STARTED = SYSTEM_CLOCK.today()
"""What is dated later in the run is dated on this day or, past midnight, on the next."""
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def done(*command, cwd: Path, **options) -> str:
    """Run a command outside of the repository and return what it prints; it must succeed."""
    own = {name: text for name, text in environment().items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    finished = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=own, capture_output=True, text=True, check=False, **options
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """Give a folder with nothing in it."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """Copy the sources, as a build leaves folders behind."""
    sources = tmp_path_factory.mktemp("sources")
    for name in ("cds_service", "cards", "fixtures"):
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, sources)
    return sources


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, sources, empty) -> Path:
    """Build the wheel."""
    built = tmp_path_factory.mktemp("built")
    done(sys.executable, *PIP, "wheel", "--no-deps", "--wheel-dir", built, sources, cwd=empty)
    (file,) = built.glob("plexus_cds-*.whl")
    return file


@pytest.fixture(scope="module")
def installed(tmp_path_factory, wheel, empty) -> Path:
    """Install the wheel and PyPI's `fixtures` by pip; the dependencies of both are lent from this environment."""
    home = tmp_path_factory.mktemp("venv")
    done(sys.executable, "-m", "venv", home, cwd=empty)
    python = home / "bin" / "python"
    done(python, *PIP, "install", "--no-deps", wheel, cwd=empty)
    done(python, *PIP, "install", "fixtures", cwd=empty)
    (site,) = home.glob("lib/python*/site-packages")
    lent = done(sys.executable, "-c", "import flask; print(flask.__path__[0])", cwd=empty).strip()
    (site / "lent.pth").write_text(f"{Path(lent).parent}{os.linesep}", encoding="utf-8")
    return home / "bin"


def test_no_top_level_data(wheel):
    """The wheel installs nothing but `cds_service`: other distributions install `cards` and `fixtures`."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/", 1)[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"cds_service"}


def test_all_data(wheel):
    """The wheel has every file of knowledge, every example, schema and template."""
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"{prefix}{file.relative_to(ROOT).as_posix()}"
        for prefix, folder in (("cds_service/", "cards"), ("cds_service/", "fixtures"), ("", "cds_service"))
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert wanted - names == set()


def test_the_same_by_way_of_the_source_distribution(wheel, sources, empty, tmp_path):
    """`python -m build` builds the wheel from the source distribution: that, too, has every file."""
    done(sys.executable, *PIP, "install", "--target", tmp_path / "tools", "setuptools >=77", cwd=empty)
    script = "import sys; sys.path.insert(0, sys.argv[1]); from setuptools import build_meta as setuptools; "
    script += "setuptools.build_sdist(sys.argv[2])"
    done(sys.executable, "-c", script, tmp_path / "tools", tmp_path, cwd=sources)
    (archive,) = tmp_path.glob("*.tar.gz")
    done(sys.executable, *PIP, "wheel", "--no-deps", "--wheel-dir", tmp_path, archive, cwd=empty)
    (other,) = tmp_path.glob("*.whl")
    assert set(zipfile.ZipFile(other).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_fixtures_of_others(installed, empty):
    """PyPI's `fixtures` stays what `import fixtures` brings, and the service is the installed one."""
    script = "import fixtures, cds_service, json; print(json.dumps([fixtures.Fixture.__name__, cds_service.__file__]))"
    name, file = json.loads(done(installed / "python", "-c", script, cwd=empty))
    assert name == "Fixture"
    assert Path(file).is_relative_to(installed.parent)


def test_article_by_command(installed, empty):
    """In an empty folder the two commands of the README give the article's card."""
    call = done(installed / "plexus-cds", "example", "article", cwd=empty)
    output = done(installed / "plexus-cds", "decide", "-", "--cards", cwd=empty, input=call)
    (card,) = json.loads(output)["cards"]
    assert_is_the_articles(card)


def test_article_by_http(installed, empty):
    """In an empty folder the installed server gives the article's card."""
    call = json.loads(done(installed / "plexus-cds", "example", "article", cwd=empty))
    with granian(command=str(installed / "plexus-cds"), cwd=empty) as server:
        (card,) = server.client.cards(call, ORDER_SELECT)
        page = server.client.get("/cards/lumbosacral-plexus-mri")
        assert server.stop() == 0
    assert_is_the_articles(card)
    assert page.status_code == requests.codes.ok


def assert_is_the_articles(card) -> None:
    """Prostate cancer, radiotherapy of the prostate 27 months ago, and the plexus MRI in place of the lumbar one."""
    assert "MRI lumbosacral plexus without and with IV contrast" in card["summary"]
    assert "2 years 3 months ago" in card["detail"]
    assert "prostate" in card["detail"].lower()
    update = card["suggestions"][0]["actions"][0]
    assert update["type"] == "update"
    assert STARTED <= date.fromisoformat(update["resource"]["authoredOn"]) <= SYSTEM_CLOCK.today()
