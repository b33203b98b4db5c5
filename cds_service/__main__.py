"""The command `plexus-cds`, from its first moment: everything is imported here."""

import gc


def main() -> int:
    """Run one command and return its exit code; imports leave no garbage, and looking for it is a seventh of them."""
    gc.disable()
    from cds_service import cli  # noqa: PLC0415 - not before the collector rests

    gc.freeze()  # nor is it looked for in all that was imported, again and again, while the knowledge is read
    gc.enable()
    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
