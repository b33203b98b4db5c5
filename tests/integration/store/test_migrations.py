"""The tables: made from nothing, the same as the code expects, and reported plainly where they are missing."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import cds_service.store
from cds_service.store import NOT_MIGRATED, READY, UNREACHABLE, Store
from cds_service.store.database import REVISION
from cds_service.store.migration import migrate, prepare
from cds_service.store.replay_cache import ReplayCache
from cds_service.store.tables import CARDS, METADATA
from tests.support.databases import rows
from tests.support.service import CLOCK
from tests.support.serving import example, free_port, granian

SECRET = "hunter2"


def differences(store):
    """Return how the tables of a database differ from those that the code works with."""
    with store.reading() as connection:
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA)


def test_the_migrations_make_the_tables(empty_store):
    """From an empty database the migrations make what tables.py says; a second time changes nothing."""
    assert empty_store.state() != READY
    for _ in range(2):
        migrate(empty_store)
        assert empty_store.state() == READY
        assert differences(empty_store) == []


def test_a_difference_would_be_seen(empty_store):
    """The comparison of tables notices a column that is missing."""
    migrate(empty_store)
    with empty_store.writing() as connection:
        connection.execute(text("ALTER TABLE cards DROP COLUMN patient"))
    assert [kind for kind, *_ in differences(empty_store)] == ["add_column"]


def test_the_newest_migration_is_the_one_that_is_asked_for():
    """The revision that makes a store ready is the last of the migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(cds_service.store.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_several_migrate_at_once(empty_url):
    """Machines that start at the same time wait for each other."""
    stores = [Store(empty_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, stores))
    assert [store.state() for store in stores] == [READY] * 4


def test_used_tokens_stay_used(empty_url, empty_store):
    """A token that was used before a migration is not new after it, and none is used twice after it."""
    migrate(empty_store, "0002")
    expires_at, old = CLOCK.now() + timedelta(minutes=5), ReplayCache(empty_store, CLOCK)
    assert old.is_new("https://ehr.example.org", "before", expires_at)
    migrate(empty_store)
    assert differences(empty_store) == []
    with closing(Store(empty_url, durable=False)) as store:
        new = ReplayCache(store, CLOCK)
        assert not new.is_new("https://ehr.example.org", "before", expires_at)
        assert new.is_new("https://ehr.example.org", "after", expires_at)
    assert not old.is_new("https://ehr.example.org", "after", expires_at)  # a worker that runs on meanwhile


def test_a_newer_database_is_used(empty_store):
    """A database that a later version has migrated serves this version, too."""
    migrate(empty_store)
    with empty_store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    assert empty_store.state() == READY


def test_a_newer_database_is_left_as_it_is(empty_url, empty_store, command):
    """On a database that a later version has migrated there is nothing to do for the command, which says so."""
    migrate(empty_store)
    with empty_store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    code, output, errors = command("migrate", store_url=empty_url)
    assert (code, errors) == (0, "")
    assert "ahead of this version: nothing to do" in output


def test_a_database_of_something_else_is_refused(empty_url, empty_store, command):
    """A revision that is none of ours, though it sorts after them, is neither ready nor migrated."""
    migrate(empty_store)
    with empty_store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'e5f1a'"))
    assert empty_store.state() == NOT_MIGRATED
    code, output, errors = command("migrate", store_url=empty_url)
    [line] = errors.splitlines()
    assert (code, output) == (1, "")
    assert "the store cannot be used: Can't locate revision" in line


def test_the_command_migrates(empty_url, empty_store, command):
    """`plexus-cds migrate` makes the tables and says where, without user and password."""
    code, output, errors = command("migrate", store_url=empty_url)
    assert (code, errors) == (0, "")
    assert "up to date" in output
    assert "postgres:" not in output
    assert empty_store.state() == READY


def test_the_file_is_the_users_own(tmp_path, command):
    """The folder and the file of the embedded store can be read by nobody else."""
    code, _, errors = command("migrate", store_url=f"sqlite:///{tmp_path}/made/50% off/store.sqlite3")
    assert (code, errors) == (0, "")
    file = tmp_path / "made" / "50% off" / "store.sqlite3"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_server_makes_the_embedded_store(tmp_path):
    """The first start makes the file; a card that is shown then is in it when the server has ended."""
    url = f"sqlite:///{tmp_path}/state/store.sqlite3"
    with granian("--development", store_url=url) as server:
        [card] = server.client.cards(example())
        assert server.stop() == 0, server.errors()
        assert "store" not in server.errors()
    with closing(Store(url)) as store:
        assert [row.uuid for row in rows(store, CARDS)] == [card["uuid"]]


WRONG = [
    "mysql://user:hunter2@host/name",
    "postgresql://user:hunter2@host:port/name",
    "postgresql://user:hunter2@host",
    "postgresql://user:hunter2@host/name?sslmod=require",
    "postgresql:/user:hunter2@host",
    "hunter2",
    "sqlite://",
    "sqlite:///:memory:",
    "sqlite://hunter2/name",
    "sqlite:////tmp/file?hunter2=1",
    "sqlite:////tmp/hunter2%00",
]


@pytest.mark.parametrize("url", WRONG)
@pytest.mark.parametrize("name", ["serve", "migrate", "check-config"])
def test_a_wrong_address_stops_the_start(name, url, command):
    """Each command says in one line what an address must look like, and never repeats the one that was given."""
    code, output, errors = command(name, store_url=url)
    [line] = errors.splitlines()
    assert (code, output) == (1, "")
    assert line.startswith("plexus-cds: PLEXUS_CDS_STORE_URL: ")
    assert SECRET not in line


@pytest.mark.parametrize("key", ["short", "hunter2hunter2"])
def test_a_short_key_stops_the_start(key, command):
    """A key that could be guessed is refused, and never repeated."""
    _, _, errors = command("check-config", patient_key=key)
    [line] = errors.splitlines()
    assert line.startswith("plexus-cds: PLEXUS_CDS_PATIENT_KEY: must have 16 characters or more")
    assert key not in line


@pytest.mark.parametrize(
    "url", ["postgresql://us:hunter2@db.example/cds?password=hunter2", "postgres://us:hunter2@db.example/cds"]
)
def test_no_secret_is_shown(url, command):
    """check-config prints where the store is, without user, password or key."""
    code, output, errors = command("check-config", store_url=url, patient_key="hunter2" * 3)
    assert (code, errors) == (0, "")
    assert "PLEXUS_CDS_STORE_URL: PostgreSQL at db.example, database cds" in output
    assert SECRET not in output


def test_a_database_without_tables_is_told(postgresql):
    """A PostgreSQL that is not migrated does not keep the server from starting, and it says so in one line."""
    with granian(store_url=postgresql()) as server:
        [line] = server.errors().splitlines()
        assert '"state":"not_migrated"' in line
        assert "run plexus-cds migrate" in line
        assert server.client.cards(example())


def test_a_store_that_is_gone_is_told_at_the_start():
    """A PostgreSQL that cannot be reached does not keep the server from starting; its password is not logged."""
    with granian(store_url=f"postgresql://user:{SECRET}@127.0.0.1:{free_port()}/cds") as server:
        [line] = server.errors().splitlines()
        assert '"state":"unreachable"' in line
        assert SECRET not in line + server.output()


def test_a_file_that_cannot_be_made_is_told_at_the_start(tmp_path):
    """The start says why an embedded store cannot be used, and what to look at."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with granian(store_url=f"sqlite:///{tmp_path}/file/store.sqlite3") as server:
        [line] = server.errors().splitlines()
        line_of_log = json.loads(line)
        assert line_of_log["state"] == "unreachable"
        assert line_of_log["error"].startswith(f"{tmp_path}/file")
        assert "folder" in line_of_log["action"]


GONE = {
    "no server": lambda _: f"postgresql://user:{SECRET}@127.0.0.1:{free_port()}/cds",
    "no folder": lambda folder: f"sqlite:///{folder}/file/store.sqlite3",
}


@pytest.mark.parametrize("where", GONE.values(), ids=GONE)
@pytest.mark.parametrize("name", ["migrate", "purge"])
def test_a_store_that_is_gone_is_told_by_each_command(name, where, tmp_path, command):
    """A command says in one line that the store cannot be reached, without its password."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    url = where(tmp_path)
    assert prepare(Store(url))[0] == Store(url).state() == UNREACHABLE
    code, output, errors = command(name, store_url=url)
    [line] = errors.splitlines()
    assert (code, output) == (1, "")
    assert line.startswith("plexus-cds: the store cannot be used: ")
    assert SECRET not in line
