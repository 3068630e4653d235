"""The subject, by the environment (README.md)."""

import os
import sys

import pytest

HERE = os.path.dirname(__file__)
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

import programs  # noqa: E402
import subject as subjects  # noqa: E402
from differences import DEFECTS  # noqa: E402
from lab import leftovers, sweep  # noqa: E402

RUNS = "COMPAT_GATEWAY" in os.environ
"""One that runs already, whose settings are its own."""


def pytest_collection_modifyitems(items):
    if RUNS or subjects.NAME != "coovachilli":
        return
    defects = DEFECTS.get(programs.CoovaChilli.version(), {})
    for item in items:
        if why := defects.get(item.name) or defects.get(item.originalname):
            item.add_marker(pytest.mark.xfail(reason=why, strict=True))


@pytest.fixture(scope="session", autouse=True)
def swept():
    sweep()


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert leftovers() == []


@pytest.fixture
def subject():
    with subjects.running() if RUNS else subjects.made() as made:
        yield made


@pytest.fixture
def made():
    """Makes a gateway with options of its own."""
    if RUNS:
        pytest.skip("one that runs already has no settings of a test's")
    return subjects.made


@pytest.fixture
def ours(made):
    """The same, for what CoovaChilli does not have."""
    if subjects.NAME != "poblano":
        pytest.skip("only Poblano has it")
    return made
