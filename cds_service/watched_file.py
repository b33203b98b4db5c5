"""The operator's files, read again whenever they change; one that went wrong changes nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from cds_service.errors import SettingsError
from cds_service.logs import log_event

_T = TypeVar("_T")


class WatchedFile(Generic[_T]):
    """The current value of a file; `summarize` returns the fields to log when it was read again."""

    def __init__(
        self, name: str, path: Path, read: Callable[[Path], _T], summarize: Callable[[_T], Mapping[str, Any]]
    ) -> None:
        self.is_invalid = False
        """The file was changed and is not valid; its last valid value stays in force."""
        self._name, self._path, self._read, self._summarize = name, path, read, summarize
        self._last_stamp = self._stamp()
        self._value = read(path)

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

    def _read_again(self) -> None:
        try:
            self._value = self._read(self._path)
            self.is_invalid = False
            log_event("info", f"{self._name}_reloaded", **self._summarize(self._value))
        except SettingsError as error:
            self.is_invalid = True
            log_event("error", f"{self._name}_invalid", error=str(error))
