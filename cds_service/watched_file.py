"""The operator's TOML files, read again whenever they change; an invalid file changes nothing."""

import json
import logging
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from cds_service.errors import SettingsError

_T = TypeVar("_T")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the contents of a TOML file; SettingsError, with its name and the cause, where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        reason = "it is not UTF-8: save it with that encoding"
    except RecursionError:
        reason = "it is nested too deeply"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    message = f"{path.name} cannot be read: {reason}"
    raise SettingsError(message)


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
            note = {self._name: "read again", **self._summarize(self._value)}
        except SettingsError as error:
            self.is_invalid = True
            note = {self._name: "wrong; the one before stays in force", "fault": str(error)}
        logging.getLogger("plexus_cds").warning(json.dumps(note))
