"""`python -m benchmarks.fhir_server PORT`: a FHIR server that knows one small chart, and is as quick as Python gets.

It reads of a request only which search it is, so that the time is the service's own.
"""

import asyncio
import re
import sys

from benchmarks.bodies import SMALL, as_bytes, search

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"


def _answer(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: {len(body)}"
    return head.encode() + _END + body


_ANSWERS = {
    f"/{kind}".encode(): _answer(as_bytes(search(kind, count)))
    for kind, count in zip(("Condition", "Procedure"), SMALL, strict=True)
}


class _Connection(asyncio.Protocol):
    """Answers each search as soon as it has all of it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(_END)
        length = _LENGTH.search(head)
        if not end or len(body) < int(length[1] if length else 0):
            return
        self._received = b""
        path = head.split(b" ", 2)[1]
        [answer] = [answer for name, answer in _ANSWERS.items() if name in path]
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(answer)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
