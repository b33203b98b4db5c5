"""`python -m benchmarks.server_options`: print how the service sets its server, for the bare application to be set so.

It lets the service set up its server, and takes note instead of serving; so the two cannot drift apart.
"""

import pickle
import sys
from typing import Any

import granian


class _Noted(granian.Granian):  # type: ignore[misc,valid-type]
    """Prints what it is given."""

    def __init__(self, target: str, **options: Any) -> None:
        self._told = target, options

    def serve(self) -> None:
        """Print it as hexadecimal digits, and serve nothing."""
        sys.stderr.write(pickle.dumps(self._told[1]).hex())


def main() -> None:
    """Start the service, as far as it goes."""
    granian.Granian = _Noted  # type: ignore[assignment]
    from cds_service import server  # noqa: PLC0415 - it may import granian by name
    from cds_service.config.settings import read_settings  # noqa: PLC0415

    server.serve(read_settings())


if __name__ == "__main__":
    main()
