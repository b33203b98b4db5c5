"""What /metrics says, read by Prometheus's own parser, and how it rises."""

from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from tests.support.service import Client


def series(client: Client) -> dict[str, float]:
    """Return the value of each series, as `calls{outcome=card,service=...}`, without the prefix of all names."""
    response = client.get("/metrics")
    assert response.status_code == 200, response.text
    families = text_string_to_metric_families(response.text)
    samples = [sample for family in families for sample in family.samples]
    values = {_name(sample): sample.value for sample in samples}
    assert len(values) == len(samples), "no series twice"
    return values


def _name(sample) -> str:
    name = sample.name.removeprefix("plexus_cds_").removesuffix("_total")
    return f"{name}{{{','.join(f'{label}={value}' for label, value in sorted(sample.labels.items()))}}}"


_AT_ANY_MOMENT = "store_failures{what=write}"
"""Counted by the thread of a recorder, be it of a service of another test that has no tables."""


def rises(client: Client, act: Callable[[], object], *names: str) -> dict[str, float]:
    """Return by how much each series of these metrics has risen after something was done."""
    before = series(client)
    act()
    after = series(client)
    changed = {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
    return {name: rise for name, rise in changed.items() if name.partition("{")[0] in names and name != _AT_ANY_MOMENT}
