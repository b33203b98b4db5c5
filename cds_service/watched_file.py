"""The operator's files, read again whenever they change; one that went wrong changes nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from cds_service.errors import SettingsError
from cds_service.logs import log_event

_T = TypeVar("_T")


class WatchedFile(Generic[_T]):
    """What a file says at this moment; `told` is what is logged of it when it was read again."""

    def __init__(
        self, name: str, path: Path, read: Callable[[Path], _T], told: Callable[[_T], Mapping[str, Any]]
    ) -> None:
        self.is_invalid = False
        """The file was changed and cannot be used; what it said before stays in force."""
        self._name, self._path, self._read, self._told = name, path, read, told
        self._seen = self._stamp()
        self._said = read(path)

    def current(self) -> _T:
        """Return what the file says, read anew where it has changed."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self._read_again()
        return self._said

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read_again(self) -> None:
        try:
            self._said = self._read(self._path)
            self.is_invalid = False
            log_event("info", f"{self._name}_reloaded", **self._told(self._said))
        except SettingsError as error:
            self.is_invalid = True
            log_event("error", f"{self._name}_invalid", error=str(error))
