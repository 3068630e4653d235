"""Programs that log in by themselves."""

import http.client
import urllib.parse
import xml.etree.ElementTree
from urllib.parse import urlsplit

import pytest

from internet import DNS
from portal import element
from subject import NAME, PORTAL


def xml_of(answer):
    """The message in the page's comment, read by a parser of XML."""
    _, _, rest = answer.body.partition("<!--")
    text, end, after = rest.rpartition("-->")
    assert end and "-->" not in text, answer
    if NAME == "coovachilli":
        text = text.replace("<Ada>", "&lt;Ada&gt;")  # as "json escaped" tells
    root = xml.etree.ElementTree.fromstring(text.strip())
    assert root.tag == "WISPAccessGatewayParam"
    (message,) = root
    return message.tag, {child.tag: child.text for child in message}


def post(subject, url, fields):
    """A form of a program to the portal, which is open before login."""
    parts = urlsplit(url)
    resolver = subject.address if subject.differs("resolver") else DNS
    assert subject.lab.guest.ask_dns(resolver, parts.hostname, 1), "what opens the garden"
    connection = http.client.HTTPConnection(parts.hostname, timeout=10)
    connection.sock = subject.connect(PORTAL, parts.port)
    headers = {"Host": parts.netloc, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"{parts.path}?{parts.query}", urllib.parse.urlencode(fields), headers)
    return connection.getresponse().read().decode()


@pytest.mark.parametrize("version", ["", "2.0"])
def test_a_program_logs_in_by_what_it_is_told(made, version):
    with made() as subject:
        kind, told = xml_of(subject.led("/"))
        assert kind == "Redirect"
        assert (told["MessageType"], told["ResponseCode"]) == ("100", "0")
        assert (told["VersionHigh"], told["VersionLow"], told["AccessProcedure"]) == ("2.0", "1.0", "1.0")
        assert told["LoginURL"].startswith(f"{subject.server}?res=wispr&uamip=")
        fields = {"UserName": "ada", "Password": "lovelace", "button": "Login", "WISPrVersion": version}
        page = post(subject, told["LoginURL"], fields)
        assert element(page, "ResponseCode") == "201"
        kind, told = xml_of(subject.follow(element(page, "LoginResultsURL")))
        expected = ("AuthenticationReply", "120") if version else ("AuthenticationPollReply", "140")
        assert (kind, told["MessageType"]) == expected
        limit = "7200" if version or subject.differs("session time") else "3600"
        assert (told["ResponseCode"], told["MaxSessionTime"]) == ("50", limit)
        kind, status = xml_of(subject.follow(told["StatusURL"]))
        assert (kind, status.get("Status", status.get("ResponseCode"))) == (
            ("StatusReply", "0") if version else ("AuthenticationPollReply", "50")
        )
        kind, off = xml_of(subject.follow(told["LogoffURL"]))
        assert (kind, off["MessageType"], off["ResponseCode"]) == ("LogoffReply", "130", "150")
        assert not subject.is_online()


def test_a_program_is_told_what_went_wrong(subject):
    kind, told = xml_of(subject.login(password="wrong"))
    assert (kind, told["MessageType"], told["ResponseCode"]) == ("AuthenticationPollReply", "140", "100")
    kind, told = xml_of(subject.login(password="wrong", more="&WISPrVersion=2.0"))
    assert (kind, told["MessageType"], told["ResponseCode"]) == ("AuthenticationReply", "120", "100")
    kind, told = xml_of(subject.get("/abort"))
    assert (kind, told["MessageType"], told["ResponseCode"]) == ("AbortLoginReply", "150", "151")
    subject.login()
    kind, told = xml_of(subject.get("/abort"))
    assert (kind, told["ResponseCode"]) == ("AbortLoginReply", "50")
    kind, told = xml_of(subject.login(challenge="00" * 16))
    assert (kind, told["MessageType"], told["ResponseCode"]) == ("AuthenticationPollReply", "140", "102")


@pytest.mark.parametrize("refused", [["nowispr2"], ["nowispr1"], ["nowispr1", "nowispr2"]])
def test_only_what_the_operator_wants_is_offered(made, refused):
    name = 'Caf\u00e9 "A" & <B> -->' if NAME != "coovachilli" else "Cafe"
    with made(radiuslocationname=name, radiuslocationid="isocc=de", **dict.fromkeys(refused, True)) as subject:
        answer = subject.led("/")
        if len(refused) == 2:
            assert "<!--" not in answer.body
            return
        _, told = xml_of(answer)
        if not subject.differs("location") and refused == ["nowispr1"]:
            name, told["AccessLocation"] = f"CDATA[[{name}]]", told["AccessLocation"][len("CDATA[[") : -len("]]")]
        assert (told["LocationName"], told["AccessLocation"]) == (name, "isocc=de")
        assert ("VersionHigh" in told) == (refused == ["nowispr1"])
        assert ("AccessProcedure" in told) == (refused == ["nowispr2"])
