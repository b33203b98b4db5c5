"""What a piece of work costs, in steps of the interpreter: a timed test would tell of the machine."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def counting(package: str, *modules: str) -> Iterator[Callable[[], int]]:
    """Count the steps of the interpreter within some modules of a package, or all: as many on any machine."""
    steps = 0

    def step(_frame, event, _arg):
        nonlocal steps
        steps += event == "opcode"
        return step

    def enter(frame, *_):
        path = Path(frame.f_code.co_filename)
        if path.parent.name != package or (modules and path.stem not in modules):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return step

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield lambda: steps
    finally:
        sys.settrace(before)
