"""`python -m benchmarks.server_options`: print the server options of the service, for the bare application.

The service sets up its server, whose options are recorded in place of serving; so the two cannot drift apart.
"""

import pickle
import sys
from typing import Any

import granian


class _RecordingServer(granian.Granian):  # type: ignore[misc,valid-type]
    """Prints its options."""

    def __init__(self, _target: str, **options: Any) -> None:
        self._options = options

    def serve(self) -> None:
        """Print the pickled options as hexadecimal digits, and serve nothing."""
        sys.stderr.write(pickle.dumps(self._options).hex())


def main() -> None:
    """Start the service, as far as it goes."""
    granian.Granian = _RecordingServer  # type: ignore[assignment]
    from cds_service import server  # noqa: PLC0415 - it may import granian by name
    from cds_service.config.settings import read_settings  # noqa: PLC0415

    server.serve(read_settings())


if __name__ == "__main__":
    main()
