"""Any body, valid, nearly valid or hostile, gets an answer that is right; `make fuzz` asks for longer."""

import pytest
from hypothesis import given

from tests.generative.hostile.fuzzing import KINDS, Service, faults
from tests.support.profiles import examples

EXAMPLES = {"plain": 300, "valid": 100, "nearly valid": 200, "hostile": 60, "broken": 200, "feedback": 100}


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    """Yield the service, called in this process."""
    service = Service(f"sqlite:///{tmp_path_factory.mktemp('fuzz')}/store.sqlite3")
    yield service
    service.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_any_body_is_answered_rightly(kind, fuzzed):
    """Never a fault of ours, always JSON, one log line, cards as the contract and the tables ask, twice the same."""

    @given(body=KINDS[kind])
    @examples(EXAMPLES[kind])
    def answered(body) -> None:
        assert faults(fuzzed, kind, body) == []

    answered()
