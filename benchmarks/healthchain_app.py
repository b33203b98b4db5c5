"""`python healthchain_app.py PORT`: HealthChain with a service for order-select that answers the fixed card.

It runs in an environment of its own (peer.py), where nothing of this repository is installed.
"""

import json
import sys
from pathlib import Path

import uvicorn
from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.models import CDSRequest, CDSResponse

CARD = json.loads((Path(__file__).parent / "card.json").read_text(encoding="utf-8"))

service = CDSHooksService()


@service.hook("order-select", id="fixed-card")  # type: ignore[untyped-decorator]
def call(_request: CDSRequest) -> CDSResponse:
    """Answer one call."""
    return CDSResponse(cards=[CARD])


app = HealthChainAPI()
app.register_service(service)

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
