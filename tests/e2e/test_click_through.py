"""Guests who come in by accepting the terms alone."""

import pytest

from browser import Browser
from internet import wait_for
from lab import PORTAL, Lab

ONLINE = "http://online.test/"
SETTINGS = {
    "auth": {"method": ["local", "vouchers", "click_through"]},
    "portal": {"terms": "Be kind to the other guests.\n\nThe line is shared."},
    "click_through": {"data": "3MB", "time": "2h", "rate_down": "50M", "devices": 2},
}


@pytest.fixture
def lab():
    with Lab(guests=3, settings=SETTINGS) as lab:
        lab.gateway.add_user("ada", "lovelace")
        for guest in lab.guests:
            assert guest.lease()
        yield lab


def accept(guest, form="by=terms&terms=on"):
    return guest.curl(f"{PORTAL}/login", "--data", form)


def test_a_guest_accepts_the_terms_and_gets_its_share_once_a_day(lab, output):
    ada, ben, eve = lab.guests
    form = 'form:has(input[name="by"])'
    with Browser(ada.ns, scripts=False) as browser:
        browser.open(ONLINE)
        assert browser.url.startswith(f"{PORTAL}/?url=")
        assert "Be kind" in browser.page and browser.node("#voucher") and browser.node("#password")
        browser.screenshot(output / "click-through-1.png")
        # Without the tick the browser itself sends nothing.
        browser.click(f'{form} [type="submit"]', navigates=False)
        assert not ada.is_online()
        browser.click(f'{form} input[name="terms"]', navigates=False)
        browser.click(f'{form} [type="submit"]')
        assert "You are online" in browser.page and ada.is_online()
        browser.open(f"{PORTAL}/status")
        browser.screenshot(output / "click-through-2-status.png")
        assert "1&nbsp;hour 59" in browser.page and "Signed in as" not in browser.page

    # A program that does not ask its guest gets nowhere.
    for form in ("by=terms", "by=terms&terms=", "terms=on"):
        assert accept(ben, form).status == 422
    assert ben.curl(f"{PORTAL}/login?by=terms&terms=on").status == 200
    assert ben.curl(f"{PORTAL}/login", "--data", "by=terms&terms=on", "-H", "Origin: http://evil.test").status == 403
    assert not ben.is_online()

    [session] = [of["session"] for of in lab.gateway.sessions() if of["session"]]
    assert session["source"] == "click_through" and session["user"].startswith("terms:")

    # The data is used up, and stays so over a restart.
    for _ in range(5):
        ada.ns.status("curl", "-sS", "-o", "/dev/null", "-m", 10, f"{ONLINE}blob")
    wait_for(lambda: not ada.is_online(), "the end of the data", 30)
    assert lab.gateway.stop() == 0
    lab.gateway.start()
    refused = accept(ada)
    assert refused.status == 403 and "used up. It gets more in 23\u00a0hours" in refused.body
    told = lab.gateway.cli("events", ada.address, "--socket", lab.gateway.control)
    assert "share of time or data is used up" in told

    # Its next address gets the second share, and the one after that none; names and passwords are not concerned.
    assert accept(ben).status == 303 and ben.is_online()
    crowded = accept(eve)
    assert crowded.status == 403 and "Too many new devices" in crowded.body
    assert eve.curl(f"{PORTAL}/login", "--data", "name=ada&password=lovelace&terms=on").status == 303
    assert eve.is_online()
