"""A guest that has not logged in is led to the portal, and only there."""

import pytest
from internet import PROBES
from lab import PORTAL, Lab


@pytest.fixture
def leased(lab):
    assert lab.guest.lease()
    return lab


@pytest.mark.parametrize("url", ["http://anything.test/", "http://192.0.2.80/a?b=c", "http://10.1.2.3/x"])
def test_curl_is_redirected_whatever_it_asks_for(leased, url):
    reply = leased.guest.curl(url)
    assert reply.status == 302
    assert reply.location.startswith(f"{PORTAL}/?url=http")
    assert "no-store" in reply.headers["cache-control"]
    assert len(reply.body) < 1000
    assert leased.internet.seen == []


def test_the_redirect_leads_to_a_page_with_a_form(leased):
    page = leased.guest.curl(leased.guest.curl("http://anything.test/").location)
    assert page.status == 200
    assert 'name="name"' in page.body.replace("name=name", 'name="name"')
    assert "password" in page.body


def test_the_portal_answers_to_its_own_name(leased):
    page = leased.guest.curl("http://wifi.internal:3990/")
    assert page.status == 200
    assert "password" in page.body


def test_https_is_refused_at_once_so_that_a_phone_falls_back_to_its_probe(leased):
    # 7 is "connection refused"; a silent drop would be 28, "timed out".
    assert leased.guest.curl_status("https://anything.test/") == 7
    assert leased.guest.curl_status("http://anything.test:8080/") == 7


def test_udp_is_refused_with_an_icmp_message(leased):
    script = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5);"
        "s.connect(('192.0.2.80', 443)); s.send(b'x')\n"
        "try: s.recv(1)\n"
        "except (ConnectionRefusedError, PermissionError) as e: raise SystemExit(0)\n"
        "except OSError as e: raise SystemExit(0 if e.errno in (101, 113) else 1)\n"
    )
    assert leased.guest.ns.status("python3", "-c", script) == 0


def test_every_probe_is_redirected_before_login_and_answered_by_the_internet_after(leased):
    guest = leased.guest
    for host, path in PROBES:
        reply = guest.curl(f"http://{host}{path}")
        assert (reply.status, reply.location[: len(PORTAL)]) == (302, PORTAL), host
    assert leased.internet.seen == []
    assert guest.login().status == 303
    for (host, path), (status, body) in PROBES.items():
        reply = guest.curl(f"http://{host}{path}")
        assert (reply.status, reply.body) == (status, body), host


def test_names_resolve_before_login_but_carry_nothing_else(leased):
    guest = leased.guest
    assert "192.0.2.80" in guest.ns.run("getent", "ahostsv4", "anything.test")
    # Straight to a resolver on the Internet is no way out.
    queries = leased.internet.queries.read_text().count("tunnel.test")
    ask = ["nslookup", "-timeout=1", "-retry=0", "-type=txt", "tunnel.test"]
    guest.ns.status(*ask, "192.0.2.53")
    guest.ns.status(*ask)
    assert leased.internet.queries.read_text().count("query[TXT] tunnel.test") == queries == 0


def test_the_walled_garden_is_open_before_login():
    with Lab(settings={"garden": {"allow": ["192.0.2.80"], "domains": ["fedoraproject.org"]}}) as lab:
        assert lab.guest.lease()
        assert lab.guest.curl("http://192.0.2.80/").status == 200
        assert lab.guest.curl("http://fedoraproject.org/static/hotspot.txt").body == "OK"
        assert lab.guest.curl("http://nmcheck.gnome.org/check_network_status.txt").status == 302
