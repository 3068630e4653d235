"""The JSON API, as a portal's scripts use it."""

import json

import pytest

ORDER = ["version", "clientState", "nasid", "message", "challenge", "location", "redir", "session", "accounting"]
REDIR = ["originalURL", "redirectionURL", "logoutURL", "ipAddress", "macAddress"]
SESSION = "sessionId userName startTime sessionTimeout terminateTime idleTimeout".split()
"""And the limits that there are."""
USED = "sessionTime idleTime inputOctets outputOctets inputGigawords outputGigawords viewPoint".split()


def read(answer, subject):
    assert answer.status == 200, answer
    if subject.differs("json type"):
        assert answer.headers["content-type"].startswith("application/json")
    said = json.loads(answer.body)
    assert [name for name in ORDER if name in said] == list(said), "members in order"
    assert said["version"] == "1.0"
    return said


def sections(said):
    return [name for name in ("challenge", "location", "redir", "session", "accounting") if name in said]


def test_a_script_logs_a_guest_in_and_out(subject):
    subject.led("/a")
    status = read(subject.get("/json/status"), subject)
    assert status["clientState"] == 0
    assert sections(status) == ["challenge", "location", "redir"]
    assert list(status["redir"]) == REDIR
    assert status["redir"]["originalURL"] == "http://shop.test/a"
    assert status["redir"]["logoutURL"] == f"http://{subject.address}:{subject.port}/logoff"
    refused = read(subject.login(challenge=status["challenge"], name="eve", path="/json/logon"), subject)
    assert (refused["clientState"], sections(refused)) == (0, ["challenge", "redir"])
    if subject.lab:
        assert refused["message"] == "Your ticket is used up"
    accepted = read(subject.login(challenge=refused["challenge"], path="/json/logon"), subject)
    assert (accepted["clientState"], sections(accepted)) == (1, ["redir", "session", "accounting"])
    assert [name for name in accepted["session"] if name != "vlan" and not name.startswith("max")] == SESSION
    assert list(accepted["accounting"]) == USED
    assert accepted["session"]["userName"] == subject.user
    status = read(subject.get("/json/status"), subject)
    assert (status["clientState"], sections(status)) == (1, ["redir", "session", "accounting"])
    if subject.lab:
        assert (status["session"]["sessionTimeout"], status["session"]["idleTimeout"]) == (7200, 300)
        ends = status["session"]["startTime"] + 7200 if subject.differs("terminate time") else 0
        assert status["session"]["terminateTime"] == ends
        limits = {name: limit for name, limit in status["session"].items() if name.startswith("max")}
        assert limits == {"maxTotalOctets": 4_000_000_000}
        assert status["accounting"]["viewPoint"] == "client"
    off = read(subject.get("/json/logoff"), subject)
    assert (off["clientState"], sections(off)) == (0, ["challenge", "session", "accounting"])
    assert not subject.is_online()
    assert sections(read(subject.get("/json/prelogin"), subject)) == ["challenge", "location", "redir"]
    assert sections(read(subject.get("/json/abort"), subject)) == []


@pytest.mark.parametrize("swapped", [True, None])
def test_octets_are_counted_as_they_are_accounted(made, swapped):
    with made(swapoctets=swapped) as subject:
        subject.login()
        assert len(subject.lab.guest.ns.run("curl", "-s", "http://online.test/blob", "-o", "/dev/null", "-w", "x")) == 1
        used = json.loads(subject.get("/json/status").body)["accounting"]
        sent, received = ("inputOctets", "outputOctets") if swapped else ("outputOctets", "inputOctets")
        assert used[received] > 1_000_000 > used[sent] > 0
        assert used["viewPoint"] == ("nas" if swapped else "client")


@pytest.mark.parametrize("path", ["status", "logon?username=x&password=00", "logoff", "prelogin", "abort"])
def test_a_function_of_the_portals_page_is_called(subject, path):
    if path[:5] in ("preli", "prelo", "abort") and not subject.differs("callback everywhere"):
        pytest.skip("CoovaChilli does not read the query here")
    subject.challenge()
    join = "&" if "?" in path else "?"
    answer = subject.get(f"/json/{path}{join}callback=portal.on_1", Referer=subject.server)
    assert answer.body.startswith('portal.on_1({"version":"1.0",'), answer
    assert answer.body.endswith("})")
    if subject.differs("json type"):
        assert answer.headers["content-type"].startswith("application/javascript")


def test_no_other_page_reads_what_is_a_guests(ours):
    # CoovaChilli gives it to every page ("callback", "foreign logout").
    with ours(ours={"uam": {"origins": ["https://www.test"]}}) as subject:
        for referer in ("http://evil.test/", "http://portal.test.evil.test/", None):
            headers = {"Referer": referer} if referer else {}
            assert subject.get("/json/status?callback=x", **headers).status == 403
        for callback in ("alert(1)//", "a;b", "%3Cscript%3E", "a%0d%0aX:y", "x" * 100):
            assert subject.get(f"/json/status?callback={callback}", Referer=subject.server).status == 403
        own = subject.server.rpartition("/")[0]
        for origin, allowed in ((own, True), ("https://www.test", True), ("http://www.test", False), ("null", False)):
            answer = subject.get("/json/status", Origin=origin)
            assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
        subject.login()
        assert subject.get("/json/logoff", Origin="http://evil.test").status == 403
        assert "Sign out?" in subject.get("/logoff", Referer="http://evil.test/").body
        assert subject.is_online()
