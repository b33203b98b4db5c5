"""Temporary folders that the workers of a server share for as long as it runs."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory


@contextmanager
def temporary_folder(prefix: str) -> Iterator[str]:
    """Yield a new private folder, removed at the end of the body, which no cleaner of old temporary files takes away.

    systemd-tmpfiles deletes what nobody touched for ten days, in a PrivateTmp, too, but leaves a folder that is locked
    (tmpfiles.d(5), "Age"). The workers, which are forks, hold the lock as well.
    """
    with TemporaryDirectory(prefix=prefix) as folder:
        if sys.platform == "win32":
            yield folder
            return
        import fcntl  # noqa: PLC0415 - Windows has none

        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield folder
        finally:
            os.close(descriptor)
