"""What the image installs is pinned with hashes, in step with setup.cfg, and no place to get it from is named."""

import configparser
import re
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "deploy").glob("*.lock"))
PIN = re.compile(r"^([a-z0-9.-]+)==(\S+)((?: ; [^\\\n]+)?)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n", re.MULTILINE)
INSTALLED = {canonicalize_name(distribution.name): distribution for distribution in distributions()}


def pins(file: Path) -> dict[str, str]:
    """Return the versions of a lock file."""
    return {name: version for name, version, _, _ in PIN.findall(file.read_text(encoding="utf-8"))}


def wanted() -> list[Requirement]:
    """Return what setup.cfg says that the service needs, with PostgreSQL."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["options"]["install_requires"] + config["options.extras_require"]["postgresql"]
    return [Requirement(line) for line in lines.splitlines() if line]


def needs(requirement: Requirement, locked: dict[str, str]) -> list[Requirement]:
    """Return what the pinned version of a package needs in turn; nothing of one that is not the one installed here."""
    name = canonicalize_name(requirement.name)
    if name not in INSTALLED or INSTALLED[name].version != locked.get(name):
        return []
    asked = [Requirement(line) for line in INSTALLED[name].requires or ()]
    return [new for new in asked if new.marker is None or any(map(new.marker.evaluate, environments(requirement)))]


def environments(requirement: Requirement) -> list[dict[str, str]]:
    """Return the environments for the markers of a package's needs: no extra, and each that is asked for."""
    return [{"extra": extra} for extra in ("", *requirement.extras)]


def all_wanted(locked: dict[str, str]) -> list[Requirement]:
    """Return what is needed, and what that needs, and so on."""
    found, left = {}, wanted()
    while left:
        requirement = left.pop()
        if str(requirement) not in found:
            found[str(requirement)] = requirement
            left += needs(requirement, locked)
    return list(found.values())


@pytest.mark.parametrize("file", LOCKS, ids=lambda file: file.name)
def test_each_line_is_a_pin_with_hashes_or_a_comment(file):
    """No line is an option, an address, or a package that any content could stand for."""
    text = file.read_text(encoding="utf-8")
    assert pins(file)
    left = [line for line in PIN.sub("", text).splitlines() if not re.fullmatch(r" *# [^:/]*:?", line)]
    assert left == []


def test_in_step_with_setup_cfg():
    """Each package that setup.cfg asks for, and each that those need, is pinned to a version that was asked for."""
    locked = pins(ROOT / "deploy" / "requirements.lock")
    wrong = [
        str(requirement)
        for requirement in all_wanted(locked)
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), ""))
    ]
    assert wrong == [], "run make lock"


def test_the_image_copies_what_the_wheel_is_built_from():
    """Each file and folder of the Containerfile exists and is let through, with all that the wheel needs."""
    copied = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (ROOT / "deploy" / "Containerfile").read_text("utf-8"), re.MULTILINE
    )
    names = {name for line in copied for name in line.split()}
    assert [name for name in names if not (ROOT / name).exists()] == []
    let_through = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    assert names == {str(file.relative_to(ROOT)) for pattern in let_through for file in ROOT.glob(pattern)}
    assert names >= {
        "cards",
        "cds_service",
        "fixtures",
        "setup.cfg",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "NOTICE",
    }
