"""The bare Flask application that everything is compared with: it reads the same JSON and answers a fixed card.

`python -m benchmarks.bare SERVER PORT` serves it as SERVER says, which is what server_options.py printed.
"""

import json
import pickle
import sys
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request
from granian import Granian

CARD: Any = json.loads((Path(__file__).parent / "card.json").read_text(encoding="utf-8"))

app = Flask(__name__)


@app.post("/cds-services/<service>")
def call(service: str) -> Response:  # noqa: ARG001 - the path has it, and nobody looks at it
    """Answer one call."""
    request.get_json()
    return jsonify({"cards": [CARD]})


def main() -> None:
    """Serve it on granian, as the service is served."""
    options = pickle.loads(bytes.fromhex(sys.argv[1]))  # noqa: S301 - written by server_options.py
    Granian("benchmarks.bare:app", **options | {"factory": False, "port": int(sys.argv[2])}).serve()


if __name__ == "__main__":
    main()
