"""The tool that signs a token to test with: what docs/authentication.md says of it works."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.service import ORDER_SELECT
from tests.support.serving import example, granian
from tests.support.signing import ISSUER
from tests.support.token_verifier import write_clients

TOOL = Path(__file__).parents[3] / "tools" / "sign_token.py"


def header(folder: Path, url: str) -> dict[str, str]:
    """Return the header that the tool prints."""
    done = subprocess.run(
        [sys.executable, TOOL, ISSUER, url, "--folder", folder], capture_output=True, text=True, check=True
    )
    name, _, value = done.stdout.strip().partition(": ")
    return {name: value}


def test_a_token_to_test_with(tmp_path):
    """The key is made once, the private half for its user alone; each token opens one call of its URL."""
    header(tmp_path, "https://cds.example.org/cds-services")
    made = (tmp_path / "test-client.jwks.json").read_text(encoding="utf-8")
    assert "d" not in json.loads(made)["keys"][0]
    assert (tmp_path / "test-client.json").stat().st_mode & 0o777 == 0o600
    file = write_clients(tmp_path, f'issuer = "{ISSUER}"\njwks_file = "test-client.jwks.json"')
    with granian("--development", clients_file=str(file), store_url=f"sqlite:///{tmp_path}/store.sqlite3") as server:
        url = server.client.base + ORDER_SELECT
        session, token = server.client.session, header(tmp_path, url)
        answers = [session.post(url, json=example(), headers=token, timeout=10).status_code for _ in range(2)]
        assert answers == [200, 401]
    assert (tmp_path / "test-client.jwks.json").read_text(encoding="utf-8") == made
