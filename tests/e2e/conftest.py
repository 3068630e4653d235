"""Fixtures: a lab with one guest, and a check that each test leaves the machine as it was."""

import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from lab import OUTPUT, Lab, leftovers, sweep  # noqa: E402

# Whoever runs the tests in the background ignores it, and so would a gateway in its first moments.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        pytest.exit("the lab is made of network namespaces: run as root", returncode=2)


@pytest.fixture(scope="session", autouse=True)
def output():
    sweep()
    OUTPUT.mkdir(exist_ok=True)
    return OUTPUT


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert leftovers() == []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.when == "call" and report.failed and "lab" in getattr(item, "funcargs", {}):
        item.funcargs["lab"].tell()


@pytest.fixture
def lab():
    with Lab() as made:
        yield made


@pytest.fixture
def online(lab):
    """A lab whose guest has a lease and has logged in."""
    return log_in(lab)


@pytest.fixture
def carried():
    """The same, where the gateway itself carries all packets."""
    with Lab(settings={"offload": {"mode": "off"}}) as made:
        yield log_in(made)


def log_in(lab):
    assert lab.guest.lease()
    assert lab.guest.login().status == 303
    return lab
