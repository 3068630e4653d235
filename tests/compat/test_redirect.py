"""A guest that is not logged in is led to the portal."""

import contextlib
import re
import string

from portal import is_signed, parameters
from test_dynauth import wait_for_the_next_second

ORDER = """res reason uamip uamport challenge starttime sessiontime sessiontimeout stoptime called uid timeleft mac ip
reply ssid nasid vlan loc lang sessionid ssl redirurl userurl md""".split()
PLAIN = string.ascii_letters + string.digits + "-_.!~*"


def check(location, subject):
    """What holds for every address of the portal."""
    assert location.startswith(subject.server), location
    assert is_signed(location, subject.secret), location
    names = [pair.split("=")[0] for pair in location[len(subject.server) + 1 :].split("&")]
    assert names == [name for name in ORDER if name in names], "each in its place"
    for pair in location[len(subject.server) + 1 :].split("&"):
        value = re.sub("%[0-9a-f]{2}", "", pair.split("=")[1])
        assert all(char in PLAIN for char in value), f"encoded as CoovaChilli does: {pair}"
    return parameters(location)


def test_the_address_of_the_portal_has_all_that_a_portal_needs(subject):
    given = check(subject.led("/a?b=c d*~!'(".replace(" ", "%20")).location, subject)
    assert given["res"] == "notyet"
    assert (given["uamip"], given["uamport"]) == (subject.address, str(subject.port))
    assert re.fullmatch("[0-9a-f]{32}", given["challenge"])
    for name in ("called", "mac"):
        assert re.fullmatch("([0-9A-F]{2}-){5}[0-9A-F]{2}", given[name])
    assert given["userurl"] == "http://shop.test/a?b=c%20d*~!'("
    assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+", given["ip"])


def test_every_other_answer_has_its_parameters_in_place(subject):
    assert check(subject.get("/prelogin").location, subject)["res"] == "notyet"
    offline = check(subject.get("/status").location, subject)
    # One that runs already may know the guest from before.
    assert (offline["res"], offline["uid"]) == ("notyet", "" if subject.lab else offline["uid"])
    # CoovaChilli's names of sessions have the second in them, and are else the same.
    wait_for_the_next_second()
    failed = check(subject.login(password="wrong").location, subject)
    assert (failed["res"], failed["reason"]) == ("failed", "reject")
    named = check(subject.get("/prelogin").location, subject)["sessionid"]
    assert named != offline["sessionid"], "each login has a session of its own"
    success = check(subject.login(more="&lang=de").location, subject)
    assert success["sessionid"] == named
    assert (success["res"], success["uid"], success["lang"]) == ("success", subject.user, "de")
    assert "challenge" not in success
    status = check(subject.get("/status").location, subject)
    assert (status["res"], status["uid"]) == ("already", subject.user)
    assert int(status["sessiontime"]) >= 0
    if subject.differs("start time"):
        assert int(status["starttime"]) > 1_700_000_000
    assert check(subject.get("/").location, subject)["res"] == "already"
    off = check(subject.get("/logoff").location, subject)
    assert off["res"] == "logoff"
    assert re.fullmatch("[0-9a-f]{32}", off["challenge"])
    assert check(subject.get("/abort").location, subject)["res"] == "logoff"


def test_a_home_page_comes_first(made):
    with made(uamhomepage="http://www.google.com/welcome?x=1") as subject:
        location = subject.led("/a").location
        assert location.startswith("http://www.google.com/welcome?x=1&loginurl=http%3a%2f%2f")
        given = check(parameters(location)["loginurl"], subject)
        assert (given["res"], given["userurl"]) == ("notyet", "http://shop.test/a")
        if subject.differs("home page"):
            opened = subject.lab.guest.curl("http://www.google.com/welcome")
            assert opened.body == "hello from www.google.com\n", "it is open"
        assert subject.lab.guest.curl("http://other.test/").status == 302


def test_what_a_guest_asks_for_cannot_break_the_address(subject):
    for path in ("/%0d%0aSet-Cookie:x=y", "/?a&md=0&res=success", '/"><script>', "/\xe4"):
        answer = subject.led(path.encode("utf-8").decode("latin-1") if path.isascii() else "/%e4")
        assert check(answer.location, subject)["res"] == "notyet"
        assert "set-cookie" not in answer.headers
        assert "<script" not in answer.body.lower()


def test_addresses_elsewhere_that_are_the_gateways(made):
    alias, logout = "192.0.2.1", "192.0.2.2"
    with made(uamaliasip=alias, uamlogoutip=logout) as subject:
        assert check(subject.led("/", alias, (alias, 80)).location, subject)["res"] == "notyet"
        assert subject.login().parameters["res"] == "success"
        if subject.differs("alias address"):
            assert check(subject.led("/", alias, (alias, 80)).location, subject)["res"] == "already"
            assert check(subject.led("/status", alias, (alias, 3990)).location, subject)["uid"] == subject.user
        else:
            assert check(subject.get("/status", alias, (alias, 80)).location, subject)["uid"] == subject.user
        if subject.differs("logout address"):
            asked = subject.follow(subject.get("/", logout, (logout, 80)).location, Referer="http://evil.test/")
            assert asked.status == 200 and subject.is_online(), asked
            assert check(subject.led("/", logout, (logout, 80)).location, subject)["res"] == "logoff"
        else:
            with contextlib.suppress(OSError):
                subject.get("/", logout, (logout, 80))
        assert not subject.is_online()
        assert subject.lab.guest.curl("http://logout/").status == 302
