"""The operator's files, read again whenever they change; one that went wrong changes nothing.

The workers of a server keep the last valid version of each file for one another, so that one that starts while a file
is invalid does as the others do.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from cds_service.errors import SettingsError
from cds_service.logs import log_event
from cds_service.temporary_folder import temporary_folder

_T = TypeVar("_T")

_FOLDER = "_PLEXUS_CDS_LAST_VALID"
"""The environment variable for the folder that the workers share."""


@contextmanager
def shared() -> Iterator[None]:
    """Let the processes started in the body keep the last valid version of each file, in a temporary folder."""
    with temporary_folder("plexus-cds-files-") as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[_FOLDER]


def remove_shared_folder() -> None:
    """Remove the folder of the last valid versions, where the server did not live to do so itself."""
    if folder := os.environ.get(_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)


class WatchedFile(Generic[_T]):
    """The current value of a file; `summarize` returns the fields to log when it was read again.

    `read_at_start` reads the file or its copy where a process starts; SettingsError where neither is valid.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        read: Callable[[Path], _T],
        summarize: Callable[[_T], Mapping[str, Any]],
        read_at_start: Callable[[Path], _T] | None = None,
    ) -> None:
        self.is_invalid = False
        """The file was changed and is not valid; its last valid value stays in force."""
        self._name, self._path, self._read, self._summarize = name, path, read, summarize
        self._read_at_start = read_at_start or read
        self._last_stamp = self._stamp()
        self._value = self._first_value()

    def current(self) -> _T:
        """Return the value of the file, read again where it has changed."""
        stamp = self._stamp()
        if stamp != self._last_stamp:
            self._last_stamp = stamp
            self._read_again()
        return self._value

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _first_value(self) -> _T:
        try:
            return self._valid_value(self._read_at_start)
        except SettingsError as error:
            kept = self._kept_value()
            if kept is None:
                raise
            self._report_invalid(error)
            return kept

    def _read_again(self) -> None:
        try:
            self._value = self._valid_value(self._read)
            self.is_invalid = False
            log_event("info", f"{self._name}_reloaded", **self._summarize(self._value))
        except SettingsError as error:
            self._report_invalid(error)
            kept = self._kept_value()  # another worker may have read a version that this one missed
            self._value = self._value if kept is None else kept

    def _report_invalid(self, error: SettingsError) -> None:
        self.is_invalid = True
        log_event("error", f"{self._name}_invalid", error=str(error))

    def _valid_value(self, read: Callable[[Path], _T]) -> _T:
        """Return the value of the file, and keep a copy of it; SettingsError where it is not valid."""
        stamp = self._stamp()
        value = read(self._path)
        if folder := os.environ.get(_FOLDER):
            self._keep(Path(folder), stamp)
        return value

    def _keep(self, folder: Path, stamp: tuple[int, ...] | None) -> None:
        """Copy the file; where that fails, no copy is left: an old one could admit a client that was taken out."""
        kept, partial = folder / self._name, folder / f"{self._name}.{os.getpid()}.{threading.get_ident()}"
        with suppress(OSError):
            shutil.copyfile(self._path, partial)
            if self._stamp() == stamp:  # else what was copied may not be what was read
                partial.replace(kept)
                return
        for copy in (kept, partial):
            with suppress(OSError):
                copy.unlink()

    def _kept_value(self) -> _T | None:
        """Return the last valid value that a worker of this server read, or None where there is no copy."""
        folder = os.environ.get(_FOLDER)
        if not folder or not (kept := Path(folder) / self._name).exists():
            return None
        try:
            return self._read_at_start(kept)
        except SettingsError:
            return None
