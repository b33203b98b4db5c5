"""The command `plexus-cds`, from its first moment."""

from cds_service import cli

_INTERRUPTED = 130
"""The exit code after Ctrl-C, by the convention of shells."""


def main() -> int:
    """Run one command and return its exit code."""
    try:
        return cli.main()
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main())
