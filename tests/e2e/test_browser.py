"""A person with a browser."""

import pytest

from browser import Browser
from lab import PORTAL


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_person_logs_in_on_the_page_and_out_again(lab, output, scripts):
    assert lab.guest.lease()
    name = "scripts" if scripts else "plain"
    with Browser(lab.guest.ns, scripts) as browser:
        browser.open("http://anything.test/")
        assert browser.url.startswith(f"{PORTAL}/?url=")
        browser.screenshot(output / f"{name}-1-login.png")

        browser.type('input[name="name"]', "ada")
        browser.type('input[name="password"]', "wrong")
        submit(browser)
        assert "password" in browser.page.lower()
        browser.screenshot(output / f"{name}-2-refused.png")
        assert not lab.guest.is_online()

        browser.open(f"{PORTAL}/")
        browser.type('input[name="name"]', "ada")
        browser.type('input[name="password"]', "lovelace")
        submit(browser)
        assert browser.url.endswith("/success")
        browser.screenshot(output / f"{name}-3-success.png")
        assert lab.guest.is_online()

        browser.open("http://anything.test/")
        assert "hello from anything.test" in browser.page

        browser.open(f"{PORTAL}/status")
        browser.screenshot(output / f"{name}-4-status.png")
        if not browser.node('form[action="/logout"]'):
            browser.open(f"{PORTAL}/success")
        browser.click('form[action="/logout"] button')
        browser.screenshot(output / f"{name}-5-out.png")
        assert not lab.guest.is_online()


def submit(browser):
    if browser.node('input[name="terms"]'):
        browser.click('input[name="terms"]', navigates=False)
    browser.click('form[action="/login"] [type="submit"]')
