"""A command run as deploy/plexus-cds.service has systemd run it: its user, its read-only files, its system calls.

bubblewrap and seccomp stand in for systemd, which a test cannot start. The lines of the unit decide what is forbidden.
"""

import errno
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pyseccomp import ALLOW, EQ, ERRNO, MASKED_EQ, Arg, SyscallFilter

UNIT = Path(__file__).parents[3] / "deploy" / "plexus-cds.service"
_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
_ALL_FAMILIES = range(64)
_WRITE, _EXECUTE = 2, 4
"""PROT_WRITE and PROT_EXEC."""


def directives(text: str) -> dict[str, list[str]]:
    """Return the values of each directive of a unit, in their order."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def sandboxed(folder: Path, command: str) -> Path:
    """Return a script that runs a command of this environment as the unit does; it may write below the folder only.

    `folder/state` stands for /var/lib, and `folder/tmp` for the unit's own /tmp.
    """
    unit = directives(UNIT.read_text(encoding="utf-8"))
    assert (unit["ProtectSystem"], unit["PrivateTmp"], unit["StateDirectory"]) == (["strict"], ["yes"], ["plexus-cds"])
    state, tmp, script = folder / "state", folder / "tmp", folder / "sandboxed"
    for made in (state / "plexus-cds", tmp):
        made.mkdir(parents=True)
    (state / "plexus-cds").chmod(int(unit["StateDirectoryMode"][0], 8))
    environment = " ".join(unit["Environment"]).replace("%S", str(state)).split()
    filters = [_allowed(unit["SystemCallFilter"]), *_denied(unit)]
    numbers = range(3, 3 + len(filters))
    for number, one in zip(numbers, filters, strict=True):
        with (folder / f"{number}.bpf").open("wb") as file:
            one.export_bpf(file)
    options = [
        "--ro-bind / / --dev /dev --proc /proc --unshare-user --unshare-ipc --uid 10001 --gid 10001",
        *(f"--bind {made} {made}" for made in (state / "plexus-cds", tmp)),
        *(f"--add-seccomp-fd {number}" for number in numbers),
    ]
    opened = " ".join(f"{number}<{folder}/{number}.bpf" for number in numbers)
    script.write_text(
        f"#!/bin/sh\numask {unit['UMask'][0]}\nexport TMPDIR={tmp} {' '.join(environment)}\n"
        f'exec bwrap {" ".join(options)} -- {command} "$@" {opened}\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return script


def _allowed(lines: list[str]) -> SyscallFilter:
    """Return the filter of SystemCallFilter=: first what is allowed, then, after a tilde, what is not."""
    names = set(_calls("@default"))
    for line in lines:
        calls = {call for group in line.removeprefix("~").split() for call in _calls(group)}
        names = names - calls if line.startswith("~") else names | calls
    one = SyscallFilter(ERRNO(errno.EPERM))
    for name in sorted(names):
        with suppress(OSError, ValueError):  # this machine's libseccomp or architecture does not have it
            one.add_rule(ALLOW, name)
    return one


def _calls(group: str) -> Iterator[str]:
    """Yield the system calls of a group, as this machine's systemd has it."""
    if not group.startswith("@"):
        yield group
        return
    command = ["systemd-analyze", "syscall-filter", "--no-pager", group]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    for line in listed:
        if name := line.partition("#")[0].strip():
            yield from _calls(name)


def _denied(unit: dict[str, list[str]]) -> Iterator[SyscallFilter]:
    """Yield the filters of the other directives: memory that is written and executed, address families, namespaces."""
    assert (unit["MemoryDenyWriteExecute"], unit["RestrictNamespaces"]) == (["yes"], ["yes"])
    one = SyscallFilter(ALLOW)
    one.add_rule(ERRNO(errno.EPERM), "mmap", Arg(2, MASKED_EQ, _WRITE | _EXECUTE, _WRITE | _EXECUTE))
    for name in ("mprotect", "pkey_mprotect"):
        one.add_rule(ERRNO(errno.EPERM), name, Arg(2, MASKED_EQ, _EXECUTE, _EXECUTE))
    kept = {_FAMILIES[name] for name in unit["RestrictAddressFamilies"][0].split()}
    for family in set(_ALL_FAMILIES) - kept:
        one.add_rule(ERRNO(errno.EAFNOSUPPORT), "socket", Arg(0, EQ, family))
    one.add_rule(ERRNO(errno.ENOSYS), "clone3")
    one.add_rule(ERRNO(errno.EPERM), "unshare")
    yield one
