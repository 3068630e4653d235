"""The detectors of phones, computers and browsers: each asks as its maker's does, and decides by its maker's rule.

A sheet opens when a detector decides "captive" and what it is shown is our sign-in page; it closes when the same
question gets the maker's own answer, octet by octet.
"""

from typing import NamedTuple

import pytest

from internet import PROBES
from lab import PORTAL, Inputs

APPLE = "CaptiveNetworkSupport-443.120.2 wispr"
ANDROID = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.32 Safari/537.36"
CHROME = "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"
KINDLE = "Mozilla/5.0 (X11; U; Linux armv7l like Android; en-us) AppleWebKit/531.2+ (KHTML, like Gecko) Kindle/3.0+"
NETWORK_MANAGER = "NetworkManager/1.46.0"


class Detector(NamedTuple):
    """Who asks, what for, and what says that it is online; all else is a captive portal."""

    agent: str
    probes: tuple
    is_online: object
    opens: str | None = None
    """What is opened when it is captive; otherwise the probe's own address, in a sheet."""


def success_page(reply):
    return reply.status == 200 and reply.body.strip() == (
        "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
    )


def no_content(reply):
    return reply.status == 204 and reply.body == ""


def text(*texts):
    return lambda reply: reply.status == 200 and reply.body in texts


DETECTORS = {
    "Apple": Detector(
        APPLE,
        ("captive.apple.com/hotspot-detect.html", "www.apple.com/library/test/success.html"),
        success_page,
    ),
    "Android": Detector(ANDROID, ("connectivitycheck.gstatic.com/generate_204", "www.google.com/gen_204"), no_content),
    "ChromeOS": Detector(CHROME, ("clients3.google.com/generate_204",), no_content),
    "Windows": Detector(
        "Microsoft NCSI",
        ("www.msftconnecttest.com/connecttest.txt", "www.msftncsi.com/ncsi.txt"),
        text("Microsoft Connect Test", "Microsoft NCSI"),
        opens="www.msftconnecttest.com/redirect",
    ),
    "Edge": Detector(CHROME, ("edge-http.microsoft.com/captiveportal/generate_204",), no_content),
    "Firefox": Detector(
        FIREFOX,
        (
            "detectportal.firefox.com/canonical.html",
            "detectportal.firefox.com/success.txt?ipv4",
            "detectportal.firefox.com/success.txt",
        ),
        text(
            "success\n",
            '<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>',
        ),
        opens="detectportal.firefox.com/canonical.html",
    ),
    "GNOME": Detector(
        NETWORK_MANAGER, ("nmcheck.gnome.org/check_network_status.txt",), text("NetworkManager is online")
    ),
    "Debian": Detector(NETWORK_MANAGER, ("network-test.debian.org/nm",), text("NetworkManager is online\n")),
    "Fedora": Detector(NETWORK_MANAGER, ("fedoraproject.org/static/hotspot.txt",), text("OK")),
    "Ubuntu": Detector(NETWORK_MANAGER, ("connectivity-check.ubuntu.com/",), no_content),
    "KDE": Detector("Mozilla/5.0 (X11; Linux x86_64) KIO/5.115", ("networkcheck.kde.org/",), text("OK")),
    "Kindle": Detector(
        KINDLE,
        ("spectrum.s3.amazonaws.com/kindle-wifi/wifistub.html",),
        lambda reply: reply.status == 200 and "81ce4465-7167-4dcb-835b-dcc9e44c112a" in reply.body,
    ),
    "Xiaomi": Detector(ANDROID, ("connect.rom.miui.com/generate_204",), no_content),
    "Huawei": Detector(ANDROID, ("connectivitycheck.platform.hicloud.com/generate_204",), no_content),
    "Steam": Detector("Valve/Steam HTTP Client 1.0", ("test.steampowered.com/204",), no_content),
    "Cloudflare": Detector(CHROME, ("cp.cloudflare.com/generate_204",), no_content),
}


def ask(guest, detector, probe):
    return guest.curl(f"http://{probe}", "-A", detector.agent)


def decisions(guest):
    """What each detector thinks: True for online."""
    return {
        (name, probe): bool(detector.is_online(ask(guest, detector, probe)))
        for name, detector in DETECTORS.items()
        for probe in detector.probes
    }


@pytest.fixture
def leased(lab):
    assert lab.guest.lease()
    return lab


def test_all_the_probes_of_the_lab_are_somebodys():
    asked = {probe.partition("?")[0] for detector in DETECTORS.values() for probe in detector.probes}
    assert asked == {host + path for host, path in PROBES}


@pytest.mark.parametrize("name", DETECTORS)
def test_the_sheet_opens_with_the_sign_in_page(leased, name):
    guest, detector = leased.guest, DETECTORS[name]
    for probe in detector.probes:
        reply = ask(guest, detector, probe)
        assert not detector.is_online(reply), probe
        # No cache may keep it for the real host, and the next question needs a connection of its own.
        assert (reply.status, reply.location.startswith(f"{PORTAL}/")) == (302, True), probe
        assert "no-store" in reply.headers["cache-control"], probe
        assert reply.headers["connection"] == "close", probe
        assert len(reply.body) == int(reply.headers["content-length"]) < 1000, probe
    sheet = guest.curl(f"http://{detector.opens or detector.probes[0]}", "-L", "--max-redirs", 3, "-A", detector.agent)
    # curl -i shows the redirect's head first, and then the page.
    assert sheet.status == 302
    assert {"name", "password"} <= Inputs(sheet.body).values.keys()
    assert leased.internet.seen == []


def test_the_sheet_closes_after_the_login_and_opens_again_after_the_logout(leased):
    guest = leased.guest
    assert not any(decisions(guest).values())
    assert leased.internet.seen == []
    # Phones ask again after a navigation to a whole page, so there has to be one.
    answer = guest.login()
    assert answer.status == 303
    assert guest.curl(f"{PORTAL}{answer.location}").status == 200
    before = decisions(guest)
    assert all(before.values()), [who for who, online in before.items() if not online]
    # The maker's own answer, as its servers gave it.
    for (host, path), (status, body) in PROBES.items():
        reply = guest.curl(f"http://{host}{path}")
        assert (reply.status, reply.body) == (status, body), host
    guest.logout()
    assert not any(decisions(guest).values())


@pytest.mark.parametrize("host", ["www.google.com", "captive.apple.com"])
def test_a_probe_by_https_fails_at_once_and_is_never_answered_in_the_makers_name(leased, host):
    # 7 is "connection refused": the detector goes on with http.
    assert leased.guest.curl_status(f"https://{host}/generate_204") == 7
