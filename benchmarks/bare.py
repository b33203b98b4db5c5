"""The bare Flask application that everything is compared with: it reads the same JSON and answers a fixed card.

Beside it `plain` does the same without Flask and with orjson: what it costs is the server's own part of any call.
`python -m benchmarks.bare SERVER PORT [plain]` serves one as SERVER says, which is what server_options.py printed.
"""

import json
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from flask import Flask, Response, jsonify, request
from granian import Granian

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

CARD: Any = json.loads((Path(__file__).parent / "card.json").read_text(encoding="utf-8"))

app = Flask(__name__)


@app.post("/cds-services/<service>")
def call(service: str) -> Response:  # noqa: ARG001 - the path has it, and nobody looks at it
    """Answer one call."""
    request.get_json()
    return jsonify({"cards": [CARD]})


def plain(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
    """Answer one call as plain WSGI."""
    orjson.loads(environ["wsgi.input"].read())
    answer = orjson.dumps({"cards": [CARD]})
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


def main() -> None:
    """Serve one of them on granian, as the service is served."""
    options = pickle.loads(bytes.fromhex(sys.argv[1]))  # noqa: S301 - written by server_options.py
    name = "plain" if sys.argv[3:] == ["plain"] else "app"
    Granian(f"benchmarks.bare:{name}", **options | {"factory": False, "port": int(sys.argv[2])}).serve()


if __name__ == "__main__":
    main()
