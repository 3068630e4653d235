"""The subject, by the environment (README.md)."""

import os
import sys

import pytest

HERE = os.path.dirname(__file__)
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

from lab import leftovers, sweep  # noqa: E402
from subject import poblano, running  # noqa: E402

OURS = os.environ.get("COMPAT_SUBJECT", "poblano") == "poblano"


@pytest.fixture(scope="session", autouse=True)
def swept():
    sweep()


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert leftovers() == []


@pytest.fixture
def subject():
    with poblano() if OURS else running() as made:
        yield made


@pytest.fixture
def ours():
    """Makes a Poblano with settings of its own."""
    if not OURS:
        pytest.skip("only a lab of ours has these settings")
    return poblano
