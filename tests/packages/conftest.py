"""The lab of the end-to-end tests, and machines in it that have a package installed."""

import os
import sys

import pytest

HERE = os.path.dirname(__file__)
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

from lab import OUTPUT, leftovers, sweep  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def swept():
    sweep()
    OUTPUT.mkdir(exist_ok=True)


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert leftovers() == []
