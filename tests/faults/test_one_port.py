"""Servers that are started on one port at the same moment: one of them gets it, and the others say so."""

from contextlib import ExitStack, closing

from tests.faults.load import until
from tests.support.serving import COMMAND, Server, free_port, granian

AT_ONCE = 4


def test_servers_started_at_once(tmp_path):
    """Never do two share a port, and with it the calls: all but one end with a message."""
    port = free_port()
    with ExitStack() as stack:
        servers = []
        for number in range(AT_ONCE):
            server = Server(COMMAND, port=port, store_url=f"sqlite:///{tmp_path}/{number}.sqlite3")
            stack.enter_context(closing(server))
            stack.callback(server.kill)
            servers.append(server)
        until(lambda: sum(server.process.poll() == 1 for server in servers) == AT_ONCE - 1)
        [one] = [server for server in servers if server.process.poll() is None]
        one.wait_until_it_answers()
        assert one.stop() == 0
        errors = [server.errors() for server in servers if server is not one]
    expected = f"plexus-cds: cannot listen on 127.0.0.1:{port}: Address already in use; "
    assert all(error.startswith(expected) for error in errors)


def test_a_host_by_its_name(tmp_path):
    """The host may be a name."""
    with granian("--host", "localhost", store_url=f"sqlite:///{tmp_path}/store.sqlite3") as server:
        assert server.client.get("/livez").status_code == 200
        assert server.stop() == 0
