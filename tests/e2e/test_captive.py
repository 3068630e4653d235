"""A guest that has not logged in is led to the portal, and only there."""

import pytest

from internet import DNS, HOST
from lab import GATEWAY, PORTAL, Inputs, Lab


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
    assert {"name", "password"} <= Inputs(page.body).values.keys()


def test_the_portal_answers_to_its_own_name(leased):
    page = leased.guest.curl("http://wifi.internal:3990/")
    assert page.status == 200
    assert "password" in page.body


@pytest.mark.parametrize("port", [443, 22, 8080, 853])
def test_everything_else_is_refused_at_once_so_that_a_phone_falls_back_to_its_probe(leased, port):
    assert leased.guest.connect("192.0.2.80", port) in ("ECONNREFUSED", "EHOSTUNREACH", "EACCES")


def test_https_is_reset(leased):
    # 7 is "connection refused"; a silent drop would be 28, "timed out".
    assert leased.guest.curl_status("https://anything.test/") == 7


def test_udp_is_refused_with_an_icmp_message(leased):
    script = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5);"
        "s.connect(('192.0.2.80', 443)); s.send(b'x')\n"
        "try: s.recv(1)\n"
        "except (ConnectionRefusedError, PermissionError) as e: raise SystemExit(0)\n"
        "except OSError as e: raise SystemExit(0 if e.errno in (101, 113) else 1)\n"
    )
    assert leased.guest.ns.status("python3", "-c", script) == 0


def test_names_resolve_before_login(leased):
    assert "192.0.2.80" in leased.guest.ns.run("getent", "ahostsv4", "anything.test")


@pytest.mark.parametrize("kind", [10, 16, 99, 255], ids=["NULL", "TXT", "SPF", "ANY"])
def test_dns_is_no_tunnel_before_login(leased, kind):
    leased.guest.ask_dns(GATEWAY, "tunnel.test", kind)
    assert "tunnel.test" not in leased.internet.queries.read_text()


def test_another_resolver_is_out_of_reach_before_login(leased):
    """Whoever answers, it is the gateway: the query does not get to the resolver as it is."""
    leased.guest.ask_dns(DNS, "tunnel.test", 16)
    assert "tunnel.test" not in leased.internet.queries.read_text()


def test_the_walled_garden_is_open_before_login():
    with Lab(settings={"garden": {"allow": ["192.0.2.80"], "domains": ["fedoraproject.org"]}}) as lab:
        assert lab.guest.lease()
        assert lab.guest.curl("http://192.0.2.80/").status == 200
        assert lab.guest.curl("http://fedoraproject.org/static/hotspot.txt").body == "OK"
        assert lab.guest.curl("http://nmcheck.gnome.org/check_network_status.txt").status == 302


def test_a_name_in_the_walled_garden_opens_its_own_addresses_and_no_more():
    allow = ["nmcheck.gnome.org", f"tcp:{HOST}:443"]
    with Lab(settings={"garden": {"allow": allow, "domains": [".gstatic.com"]}}) as lab:
        guest, hosts = lab.guest, lab.internet.hosts
        assert guest.lease()
        # Nobody has asked for the name yet, so its address is still like any other.
        assert guest.curl(f"http://{hosts['nmcheck.gnome.org']}/").status == 302
        assert guest.curl("http://nmcheck.gnome.org/check_network_status.txt").body == "NetworkManager is online"
        assert guest.connect(HOST, 443) == "open"
        assert guest.curl(f"http://{HOST}/").status == 302
        assert guest.curl("http://fedoraproject.org/static/hotspot.txt").status == 302
        assert guest.curl("http://connectivitycheck.gstatic.com/generate_204").status == 204
        # Only names below a domain with a dot before it, and no name that merely ends like it.
        for name in ("gstatic.com", "notgstatic.com", "gstatic.com.evil.test"):
            assert guest.curl(f"http://{name}/").status == 302
        assert guest.login().status == 303
        # What a guest gets there is counted only when it is logged in.
        [entry] = lab.gateway.sessions()
        assert entry["session"]["output_octets"] == 0
        assert guest.curl_status("http://nmcheck.gnome.org/blob") == 0
        [entry] = lab.gateway.sessions()
        assert entry["session"]["output_octets"] > 1 << 20
