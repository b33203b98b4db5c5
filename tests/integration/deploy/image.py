"""deploy/Containerfile carried out without a container engine: each instruction, at the places that it names.

bubblewrap gives a build this machine's programs and empty folders at /opt, /build and /var/lib. The base is this
machine with a Python environment of its own, as there is no registry to take python:3.13-slim from.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
_OWN = ("opt", "build", "var", "tmp", "proc", "dev")
"""Top-level folders that a build does not share with this machine."""


@dataclass
class Stage:
    """What one FROM leads to: the folder with its files, and what a container is started with."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    values: dict[str, str] = field(default_factory=dict)
    """The last ENTRYPOINT, CMD, HEALTHCHECK, USER and EXPOSE, as written."""


def instructions(text: str) -> list[tuple[str, str]]:
    """Return each instruction of a Containerfile with its arguments, without comments and line breaks."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(name, rest.strip()) for name, rest in (line.split(None, 1) for line in joined.splitlines())]


def build(folder: Path) -> Stage:
    """Carry out the Containerfile below a folder and return its last stage."""
    stages: dict[str, Stage] = {}
    stage = Stage(folder)
    for number, (name, rest) in enumerate(instructions(CONTAINERFILE.read_text(encoding="utf-8"))):
        if name == "FROM":
            stage = _base(folder / f"stage-{number}")
            stages[rest.rpartition(" AS ")[2]] = stage
        elif name == "ENV":
            pairs = (pair.split("=", 1) for pair in shlex.split(rest))
            stage.environment |= {key: value.replace("$PATH", stage.environment["PATH"]) for key, value in pairs}
        elif name == "WORKDIR":
            stage.workdir = rest
            (stage.root / rest.strip("/")).mkdir()
        elif name == "COPY":
            _copy(rest, stage, stages)
        elif name == "RUN":
            _run(stage, rest)
        elif name in ("USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"):
            stage.values[name] = rest
        else:
            assert name in ("ARG", "LABEL"), f"{name} is not carried out here"
    return stage


def command(stage: Stage, *arguments: str, tmp: str = "--tmpfs /tmp") -> list[str]:
    """Return the command that runs another in the stage, its files read-only, but for /tmp and /var/lib/plexus-cds."""
    state = stage.root / "var" / "lib" / "plexus-cds"
    user, group = stage.values["USER"].split(":")
    return [
        *("bwrap", "--tmpfs", "/", *_shared(), "--dev", "/dev", "--proc", "/proc", *tmp.split()),
        *("--ro-bind", str(stage.root / "opt"), "/opt", "--ro-bind", str(stage.root / "var"), "/var"),
        *("--bind", str(state), "/var/lib/plexus-cds", "--remount-ro", "/"),
        *("--unshare-user", "--uid", user, "--gid", group, "--cap-drop", "ALL", "--", *arguments),
    ]


def exec_form(rest: str) -> list[str]:
    """Return the JSON list of an ENTRYPOINT, a CMD or a HEALTHCHECK."""
    words: list[str] = json.loads(rest[rest.index("[") :])
    return words


def _shared() -> Iterator[str]:
    """Yield the options for the folders of this machine that a stage sees, read-only."""
    for folder in Path("/").iterdir():
        if folder.name not in _OWN:
            yield from ("--ro-bind", str(folder), str(folder))


def _base(root: Path) -> Stage:
    for name in ("opt", "var/lib"):
        (root / name).mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "venv", root / "python"], check=True)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PLEXUS_CDS_", "PYTHON"))}
    return Stage(root, own | {"PATH": "/python/bin:/usr/bin:/bin"})


def _copy(rest: str, stage: Stage, stages: dict[str, Stage]) -> None:
    options = [word for word in rest.split() if word.startswith("--")]
    *sources, target = [word for word in rest.split() if not word.startswith("--")]
    origin = next((stages[option[7:]].root for option in options if option.startswith("--from=")), ROOT)
    for source in sources:
        place = stage.root / stage.workdir.strip("/") / target.lstrip("/")
        if target.endswith("/"):
            place /= Path(source).name
        place.parent.mkdir(parents=True, exist_ok=True)
        found = origin / source.lstrip("/")
        if found.is_dir():
            shutil.copytree(found, place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(found, place)


def _run(stage: Stage, script: str) -> None:
    """Run a script as root of a build does: it may write to the folders of the stage, and reach PyPI."""
    own = [part for made in stage.root.iterdir() for part in ("--bind", str(made), f"/{made.name}")]
    namespaces = ["--tmpfs", "/", *_shared(), "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", *own]
    shell = ["--chdir", stage.workdir, "--", "/bin/sh", "-c", script]
    done = subprocess.run(
        ["bwrap", *namespaces, *shell], env=stage.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
