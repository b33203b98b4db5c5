"""The clinical table: each row of vignettes.csv, through HTTP, on a fixed day."""

import json

import pytest
from conftest import TODAY
from notation import call, rows

VIGNETTES = rows("vignettes.csv")


@pytest.mark.parametrize("row", VIGNETTES, ids=[row["vignette"] for row in VIGNETTES])
def test_vignette(row, service, caplog):
    """The service says to this patient's order what the clinical table says."""
    caplog.set_level("INFO", "plexus_cds")
    response = service.post(call(row, TODAY))
    assert said(response, caplog) == row["says"], row["proves"]


def said(response, caplog) -> str:
    """Return what was said, in the words of the table: indicators, or the reason for silence, or the status."""
    if response.status_code != 200:
        return str(response.status_code)
    indicators = [card["indicator"] for card in response.json()["cards"]]
    return " + ".join(indicators) or f"silent: {_reason(caplog)}"


def _reason(caplog) -> str:
    return json.loads([one.message for one in caplog.records if one.name == "plexus_cds"][-1])["reasons"][0]
