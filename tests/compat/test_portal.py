"""A person with a browser, and a portal in another language that was written from the specification."""

import pytest

from browser import Browser
from portal import parameters


@pytest.mark.parametrize("how", ["chap", "pap", "mschapv2"])
def test_a_person_logs_in_by_a_foreign_portal(made, how, tmp_path):
    with made(how=how) as subject, Browser(subject.ns) as browser:
        portal, guest = subject.lab.portal, subject.lab.guest
        browser.open("http://anything.test/page")
        assert browser.url.startswith(f"{subject.server}?res=notyet&"), browser.url
        assert "Please log in" in browser.page
        assert not guest.is_online()

        browser.type('input[name="UserName"]', "eve")
        browser.type('input[name="Password"]', "wrong")
        browser.click("button")
        assert "Login failed" in browser.page and "Your ticket is used up" in browser.page
        assert not guest.is_online()

        browser.type('input[name="UserName"]', "ada")
        browser.type('input[name="Password"]', "lovelace")
        browser.click("button")
        assert "Logged in" in browser.page and "Hello &lt;Ada&gt;" in browser.page
        assert parameters(browser.url)["userurl"] == "http://anything.test/page"
        assert guest.is_online()
        browser.open("http://anything.test/page")
        assert "hello from anything.test" in browser.page

        browser.open(portal.visits[-1])
        browser.click("#logout")
        assert "Logged out" in browser.page
        assert not guest.is_online()
