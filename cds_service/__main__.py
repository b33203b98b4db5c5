"""The command `plexus-cds`, from its first moment: everything is imported here."""

import gc

_INTERRUPTED = 130
"""The exit code of what Ctrl-C has ended, by the custom of shells."""


def main() -> int:
    """Run one command and return its exit code."""
    try:
        return _run()
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run() -> int:
    """Import and run the command; imports leave no garbage, and looking for it is a seventh of them."""
    gc.disable()
    from cds_service import cli  # noqa: PLC0415 - not before the collector rests

    gc.freeze()  # nor is it looked for in all that was imported, again and again, while the knowledge is read
    gc.enable()
    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
