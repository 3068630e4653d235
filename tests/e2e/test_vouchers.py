"""Guests with vouchers, and with accounts that have limits."""

import csv
import io
import json

import pytest

from browser import Browser
from internet import wait_for
from lab import PORTAL, Lab

ONLINE = "http://online.test/"


@pytest.fixture
def lab():
    with Lab(guests=3, settings={"auth": {"method": ["local", "vouchers"]}}) as lab:
        for guest in lab.guests:
            assert guest.lease()
        yield lab


def voucher(lab, *words):
    """The operator's, as JSON or in words."""
    return lab.gateway.cli("voucher", *words, "--socket", lab.gateway.control)


def create(lab, *words):
    [made] = json.loads(voucher(lab, "create", *words, "--json"))["vouchers"]
    return made


def shown(lab, code):
    return json.loads(voucher(lab, "show", code, "--json"))


def redeem(guest, code):
    return guest.curl(f"{PORTAL}/login", "--data-urlencode", f"voucher={code}")


def load(guest, times=1):
    """A megabyte each time, as far as it comes."""
    for _ in range(times):
        guest.ns.status("curl", "-sS", "-o", "/dev/null", "-m", 10, "http://online.test/blob")


def test_a_voucher_from_the_desk_to_its_last_octet(lab, output):
    ada, ben, eve = lab.guests
    made = create(lab, "--data", "6MB", "--time", "2h", "--devices", "2")
    code = made["code"]
    with Browser(ada.ns, scripts=False) as browser:
        browser.open(ONLINE)
        typed = code.lower().replace("-", "")
        wrong = ("a" if typed[0] != "a" else "b") + typed[1:]
        for words, text in ((wrong, "typing error"), (typed, "You are online")):
            browser.open(f"{PORTAL}/")
            browser.type("#voucher", words)
            browser.screenshot(output / "voucher-1-code.png")
            browser.click('form:has(#voucher) [type="submit"]')
            assert text in browser.page
        browser.open(f"{PORTAL}/status")
        assert code in browser.page and "&nbsp;MB" in browser.page and "1&nbsp;hour 59" in browser.page
        browser.screenshot(output / "voucher-2-status.png")
    assert ada.is_online()
    assert redeem(ben, "7777-7777-7777").status == 403
    told = lab.gateway.cli("events", ben.address, "--socket", lab.gateway.control)
    assert "voucher:? was refused" in told and "7777" not in told, "why, but not what was typed"

    # A second device, by the address in the QR code; not a third.
    with Browser(ben.ns, scripts=False) as browser:
        browser.open(made["login_url"])
        browser.click('form:has(#voucher) [type="submit"]')
        assert "You are online" in browser.page
    refused = redeem(eve, code)
    assert refused.status == 403 and "sign out on one of them" in refused.body
    assert not eve.is_online()

    # What was used is known after a crash and after a restart.
    load(ada, 2)
    lab.gateway.wait_until_written()
    lab.gateway.kill()
    lab.gateway.start()
    assert ada.is_online() and ben.is_online()
    load(ben, 2)
    used = shown(lab, code)["octets_used"]
    assert lab.gateway.stop() == 0
    lab.gateway.start()
    assert shown(lab, code)["octets_used"] >= min(used, 2_000_000)
    assert {redeem(guest, code).status for guest in (ada, ben)} == {303}

    # Together they have no more than what there is.
    load(ada, 5)
    wait_for(lambda: not ada.is_online() and not ben.is_online(), "the end of the data", 30)
    wait_for(lambda: shown(lab, code)["state"] == "used up", "the last records")
    assert shown(lab, code)["octets_used"] < 7_500_000
    for guest in lab.guests:
        answer = redeem(guest, code)
        assert answer.status == 403 and "used up" in answer.body

    voucher(lab, "extend", code, "--data", "5MB")
    assert redeem(eve, code).status == 303
    assert eve.is_online()
    assert "1 revoked, 1 sessions ended" in voucher(lab, "revoke", code)
    assert not eve.is_online()
    assert redeem(eve, code).status == 403


def test_a_phone_with_another_mac_goes_on_where_it_was(lab, output):
    ada, eve, _ = lab.guests
    code = create(lab, "--time", "1h", "--online", "--devices", "1")["code"]
    with Browser(ada.ns, scripts=False) as browser:
        browser.open(f"{PORTAL}/?voucher={code}")
        browser.click('form:has(#voucher) [type="submit"]')
        bookmark = browser.open(f"{PORTAL}/status").url
    assert "?key=" in bookmark
    first = lab.gateway.sessions()[0]

    ada.ns.ip("link", "set", ada.nic, "down")
    ada.ns.ip("link", "set", ada.nic, "address", "02:00:5e:10:77:01", "up")
    assert ada.lease()
    assert not ada.is_online()
    assert redeem(ada, code).status == 403, "the old MAC has the only place"
    stranger = bookmark[:-1] + ("0" if bookmark[-1] != "0" else "1")
    assert ada.curl(stranger).location == "/"
    foreign = ada.curl(f"{PORTAL}/continue", "-H", "Origin: http://evil.test", "--data", bookmark.split("?")[1])
    assert foreign.status == 403
    with Browser(ada.ns, scripts=False) as browser:
        browser.open(bookmark)
        assert f"Continue as {code}" in browser.page
        browser.screenshot(output / "voucher-3-continue.png")
        assert not ada.is_online(), "looking changes nothing"
        browser.click('form[action="/continue"] [type="submit"]')
        assert "You are online" in browser.page
    assert ada.is_online()
    [session] = lab.gateway.sessions()
    assert session["mac"] == "02:00:5e:10:77:01"
    assert session["session"]["user"] == first["session"]["user"] and session["session"]["source"] == "voucher"
    # No new hour.
    assert session["session"]["seconds_left"] + first["session"]["seconds"] <= 3600
    assert ada.logout().status == 303
    assert redeem(eve, code).status == 303


def test_an_account_has_limits_as_a_voucher_has(lab):
    ada, ben, _ = lab.guests
    config = ("--config", lab.gateway.config)
    lab.gateway.cli(
        *("user", "add", "carl", "--password-stdin", "--data", "3MB", "--devices", "1", *config), input="secret\n"
    )
    assert ada.login("carl", "secret").status == 303
    assert "sign out on one of them" in ben.login("carl", "secret").body
    load(ada, 4)
    wait_for(lambda: not ada.is_online(), "the end of the data", 30)
    wait_for(lambda: not lab.gateway.sessions(), "the end of the session", 30)
    assert "used up" in ben.login("carl", "secret").body
    # As much again.
    table = lab.gateway.cli("user", "export", *config)
    [row] = [row for row in csv.DictReader(io.StringIO(table)) if row["name"] == "carl"]
    assert row["octets"] == "3000000" and row["devices"] == "1"
    file = lab.directory / "accounts.csv"
    file.write_text("name,password,octets\ncarl,other,4000000\ndora,wordword,\n")
    assert "2 imported" in lab.gateway.cli("user", "import", file, *config)
    assert ada.login("carl", "other").status == 303
    assert ada.is_online()


def test_vouchers_are_printed_and_move_to_another_gateway(lab):
    made = voucher(lab, "create", "--count", "3", "--time", "2h", "--valid", "90d", "--price", "5", "--note", "=bar")
    codes = [line.split()[0] for line in made.splitlines()[1:]]
    assert len(codes) == 3
    assert redeem(lab.guest, codes[0]).status == 303
    sheet = lab.directory / "sheet.html"
    voucher(lab, "sheet", sheet, "--title", "Café am Fluß")
    page = sheet.read_text()
    assert page.count("<svg ") == 2 and codes[0] not in page, "only those that are new"
    assert "new in batch 7" in pytest.raises(RuntimeError, voucher, lab, "sheet", sheet, "--batch", "7").value.args[0]
    assert sheet.read_text() == page, "the only one with these codes, perhaps"
    assert "no limit" in voucher(lab, "create")
    table = lab.directory / "vouchers.csv"
    table.write_text("kode\nabc\n")
    assert 'no column "code", but kode' in pytest.raises(RuntimeError, voucher, lab, "import", table).value.args[0]
    table.write_text(voucher(lab, "export"))
    with Lab(settings={"auth": {"method": "vouchers"}}) as other:
        assert "4 imported" in voucher(other, "import", table)
        moved = shown(other, codes[0])
        assert moved["state"] == "in use" and moved["note"] == "=bar" and moved["first_used_unix"]
        assert "already" in pytest.raises(RuntimeError, voucher, other, "import", table).value.args[0]
        assert other.guest.lease()
        assert 'name="password"' not in other.guest.curl(f"{PORTAL}/").body
        assert redeem(other.guest, codes[1]).status == 303
