"""The first call, as the service prints it at start: a newcomer pastes it into a shell."""

import subprocess

import pytest

from tests.faults.load import until
from tests.support.serving import granian, run


def test_the_printed_command_gets_a_card_and_counts_as_a_trial(tmp_path):
    """The command prints the card, a member a line; the dashboard counts it with the playground's, not an EHR's."""
    with granian("--development", store_url=f"sqlite:///{tmp_path}/store.sqlite3") as server:
        lines = server.output().partition("sample patient:\n")[2].partition("Stop with")[0]
        shown = subprocess.run(["/bin/sh", "-c", lines], capture_output=True, text=True, check=True, timeout=60)
        assert '            "indicator": "warning",\n' in shown.stdout
        until(lambda: "1 card shown" in server.client.get("/dashboard?client=playground").text)  # it is written later
        assert "No decisions in this period" in server.client.get("/dashboard").text


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_an_address_of_another_machine_is_told_with_what_to_do(host):
    """An address that this machine does not have is not taken for a port in use."""
    refused = run("serve", host=host, anyone_may_call="true")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"plexus-cds: cannot listen on {host}:8080: ")
    assert refused.stderr.endswith("; choose another address with --host or PLEXUS_CDS_HOST\n")
