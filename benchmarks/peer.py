"""HealthChain, the one peer that installs from PyPI, in an environment of its own: it pins an older fhir.resources."""

import subprocess
import sys
from pathlib import Path

from benchmarks.machine import BenchmarkError

PATH = "/cds/cds-services/fixed-card"
RELEASE = "0.16.1"
_APP = Path(__file__).parent / "healthchain_app.py"


def environment_in(folder: Path) -> Path:
    """Return the folder of the environment."""
    return folder / "healthchain"


def command(folder: Path) -> list[str]:
    """Return what serves it, once it is installed."""
    return [str(environment_in(folder) / "bin" / "python"), str(_APP), "{port}"]


def install(folder: Path) -> None:
    """Install it, unless it is; raise BenchmarkError with the reason where that cannot be done."""
    home = environment_in(folder)
    done = home / f"installed-{RELEASE}"
    if done.exists():
        return
    python = str(home / "bin" / "python")
    _run([sys.executable, "-m", "venv", str(home)])
    _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"healthchain=={RELEASE}"])
    done.touch()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        message = f"HealthChain {RELEASE} cannot be installed"
        raise BenchmarkError(message)
