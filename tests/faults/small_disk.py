"""A disk that a test can fill and empty again while the service writes to it."""

import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.serving import Server

_BYTES = 8 * 1024 * 1024
_MAY_MOUNT = 21
"""The number of CAP_SYS_ADMIN."""


class SmallDisk:
    """A file system in memory with little space: a real ENOSPC."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._ballast = folder, folder / "ballast"

    def fill(self, _server: Server) -> None:
        """Leave no space; space that the service frees meanwhile is filled by the next call of this function."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:
            while ballast.write(bytes(4096)):
                pass

    def empty(self, _server: Server) -> None:
        """Give the space back."""
        self._ballast.unlink()


class LimitedFiles:
    """A folder in which the service cannot write for a while (EFBIG), for those who may not mount a file system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, server: Server) -> None:
        """Refuse each write to a file."""
        _limit_files(server, 0)

    def empty(self, server: Server) -> None:
        """Allow writes again."""
        _limit_files(server, resource.RLIM_INFINITY)


Disk = SmallDisk | LimitedFiles


def _limit_files(server: Server, limit: int) -> None:
    pid = server.process.pid
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    for process in (pid, *map(int, workers)):
        resource.prlimit(process, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Mount a file system of 8 MB in a folder."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_BYTES}", "none", folder], check=True)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def limited_files(folder: Path) -> Iterator[Disk]:
    """Yield a folder whose files can be limited."""
    folder.mkdir()
    yield LimitedFiles(folder)


def _may_mount() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [capabilities] = re.findall(r"^CapEff:\s*(\w+)", status, re.MULTILINE)
    return bool(int(capabilities, 16) >> _MAY_MOUNT & 1)


DISKS: list[Callable[[Path], object]] = [limited_files, *([small_disk] if _may_mount() else [])]
"""The kinds of disk that this user can have."""
