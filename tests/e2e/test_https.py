"""The portal by https: pages, certificates, and what guests are told of the captive portal API."""

import contextlib
import json
import pathlib
import shutil
import socket
import ssl
import tempfile

import pytest

from browser import Browser
from internet import HOST, wait_for
from lab import GATEWAY, PORTAL, Lab, binary
from pki import Authority, openssl

NAME = "portal.example.org"
SECURE = f"https://{NAME}"
API = f"{SECURE}/captive-portal/api"


class House(Lab):
    """A gateway with a certificate of an authority that its guests trust."""

    def __init__(self, guests=1, certified=NAME, settings=None, start=True):
        self.files = pathlib.Path(tempfile.mkdtemp(prefix="poblano-pki-"))
        self.authority = Authority(self.files, "authority")
        self.certificate, self.key = self.authority.issue(certified, f"DNS:{certified}", "portal")
        tls = {"name": NAME, "certificate_file": str(self.certificate), "key_file": str(self.key)}
        settings = {**(settings or {}), "portal": {"title": "House", "tls": tls}}
        super().__init__(guests=guests, settings=settings, start=start)

    def close(self):
        super().close()
        shutil.rmtree(self.files, ignore_errors=True)

    def curl(self, guest, url, *options):
        return guest.curl(url, "--cacert", self.authority.certificate, *options)

    def log_in(self, guest):
        form = ("--data", "name=ada&password=lovelace", "-H", f"Origin: {SECURE}")
        return self.curl(guest, f"{SECURE}/login", *form)

    def api(self, guest):
        reply = self.curl(guest, API)
        assert reply.status == 200
        assert reply.headers["content-type"] == "application/captive+json"
        assert reply.headers["cache-control"].startswith("private")
        return json.loads(reply.body)

    def connect(self, guest):
        """A connection of the guest's over which both ends have agreed on keys."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        return context.wrap_socket(tcp(guest), server_hostname=NAME)


@pytest.fixture
def house():
    with House() as made:
        assert made.guest.lease()
        yield made


def tcp(guest):
    made = guest.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(10)
    made.connect((GATEWAY, 443))
    return made


def ask(connection):
    """The status line of an answer over a connection that is kept."""
    connection.sendall(f"HEAD / HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(4096)
    return answer.split(b"\r\n")[0]


def test_a_person_logs_in_over_https_and_out_again(house, output):
    with Browser(house.guest.ns, authority=house.authority.certificate) as browser:
        browser.open("http://anything.test/")
        assert browser.url.startswith(f"{SECURE}/?url=")
        browser.screenshot(output / "https-login.png")
        browser.type('input[name="name"]', "ada")
        browser.type('input[name="password"]', "lovelace")
        browser.click('form[action="/login"] [type="submit"]')
        assert browser.url.startswith(f"{SECURE}/success")
        assert house.guest.is_online()
        browser.open("http://anything.test/")
        assert "hello from anything.test" in browser.page
        browser.open(f"http://{NAME}/")
        assert browser.url == f"{SECURE}/status"
        browser.click('form[action="/logout"] button')
        assert browser.url == f"{SECURE}/logged-out"
        assert not house.guest.is_online()


def test_a_probe_is_answered_by_http_and_leads_to_https(house):
    reply = house.guest.curl("http://captive.apple.com/hotspot-detect.html")
    assert (reply.status, reply.location[: len(SECURE)]) == (302, SECURE)
    page = house.curl(house.guest, reply.location)
    assert page.status == 200 and "password" in page.body


def test_no_page_asks_for_a_password_by_http_and_none_that_came_so_is_used(house):
    for path in ("/", "/login", "/status", "/success?url=http://a.test/"):
        reply = house.guest.curl(f"{PORTAL}{path}")
        assert (reply.status, reply.location) == (303, f"{SECURE}{path}")
    reply = house.guest.login()
    assert (reply.status, reply.location) == (303, f"{SECURE}/")
    assert not house.guest.is_online()
    form = ("--data", "name=ada&password=lovelace")
    foreign = house.curl(house.guest, f"{SECURE}/login", *form, "-H", f"Origin: http://{NAME}")
    assert foreign.status == 403, "a page of our name by http is anybody's who plays the gateway"


def test_https_to_anybody_else_is_refused_at_once_before_login_and_passes_after(house):
    for address in (HOST, "198.51.100.9"):
        assert house.guest.connect(address, 443) == "ECONNREFUSED"
    assert house.guest.curl_status("https://anything.test/") == 7
    assert house.guest.connect(GATEWAY, 443) == "open"
    assert house.log_in(house.guest).status == 303
    assert house.guest.connect(HOST, 443) == "open"


def test_without_a_certificate_the_gateway_does_not_answer_https(lab):
    assert lab.guest.lease("udhcpc")
    assert lab.guest.connect(GATEWAY, 443) == "ECONNREFUSED"
    assert "opt114" not in lab.guest.offered()


@pytest.mark.parametrize("client", ["udhcpc", "dhclient"])
def test_a_device_is_told_of_the_api(house, client):
    assert house.guest.lease(client)
    offered = house.guest.offered()
    told = {
        "udhcpc": lambda: bytes.fromhex(offered["opt114"]).decode(),
        "dhclient": lambda: offered["new_default_url"],  # what 114 once was
    }[client]()
    assert told == API
    assert house.curl(house.guest, told).status == 200


def test_each_device_can_be_told_an_address_of_its_own():
    uri = "https://api.example.org/%{m}/%{i}?nas=%{n}"
    with House(settings={"dhcp": {"captive_portal": uri}, "radius": {"nas_identifier": "house 7"}}) as house:
        assert house.guest.lease("udhcpc")
        told = bytes.fromhex(house.guest.offered()["opt114"]).decode()
        assert told == f"https://api.example.org/{house.guest.mac}/{house.guest.address}?nas=house%207"


def test_the_api_is_truthful_before_during_and_after_a_session():
    limits = {"timeout": "1h", "quota_total": "500MB"}
    with House(guests=2, settings={"session": limits}) as house:
        guest, other = house.guests
        assert guest.lease() and other.lease()
        offline = {"captive": True, "user-portal-url": f"{SECURE}/", "can-extend-session": False}
        assert house.api(guest) == offline
        assert house.log_in(guest).status == 303
        before = house.api(guest)
        assert before["captive"] is False and 3500 < before["seconds-remaining"] <= 3600
        guest.curl("http://anything.test/blob", "-o", "/dev/null", "-w", "HTTP/1.1 200 OK")
        during = house.api(guest)
        assert before["bytes-remaining"] - during["bytes-remaining"] > 1 << 20
        assert house.api(other) == offline, "what one device does is nothing to another"
        assert house.curl(guest, f"{SECURE}/logout", "--data", "").status == 303
        assert house.api(guest) == offline


def test_a_hundred_idle_connections_of_one_guest_do_not_keep_another_out():
    with House(guests=2) as house:
        crowd, guest = house.guests
        assert crowd.lease() and guest.lease()
        with contextlib.ExitStack() as held:
            for _ in range(10):
                held.enter_context(house.connect(crowd))  # keys are agreed upon, and then nothing is said
            for _ in range(100):
                held.enter_context(tcp(crowd))
            assert house.log_in(guest).status == 303
            assert guest.is_online()
            assert house.curl(guest, f"{SECURE}/status").status == 200
        assert house.guest.curl(f"{PORTAL}/portal.css").status == 200, "http is another door"


def test_what_is_no_tls_is_hung_up_on(house):
    for nonsense in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"\1" * 70_000,
        b"\x16\x03\x01\x40\x00\1" * 9000,
    ):
        with tcp(house.guest) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(nonsense)
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in b"".join(iter(lambda: connection.recv(4096), b""))
    assert house.curl(house.guest, f"{SECURE}/").status == 200


def test_a_certificate_is_replaced_under_traffic_and_a_broken_one_is_not_taken(house):
    def serial(guest=house.guest):
        with house.connect(guest) as connection:
            return int(connection.getpeercert()["serialNumber"], 16)

    def issued(file):
        return int(openssl("x509", "-noout", "-serial", "-in", file).strip().partition("=")[2], 16)

    first = issued(house.certificate)
    assert serial() == first
    certificate, key = house.authority.issue(NAME, f"DNS:{NAME}", "renewed")
    with house.connect(house.guest) as open_before:
        assert ask(open_before).startswith(b"HTTP/1.1 200")
        house.certificate.write_bytes(certificate.read_bytes())
        wait_for(lambda: "keeps its certificate" in house.gateway.log.read_text(), "a word about the old key", 30)
        assert serial() == first
        house.key.write_bytes(key.read_bytes())
        wait_for(lambda: "has a new certificate" in house.gateway.log.read_text(), "the new certificate", 30)
        assert serial() == issued(certificate)
        other, its_key = house.authority.issue("other.example.org", "DNS:other.example.org", "other")
        house.certificate.write_bytes(other.read_bytes())
        house.key.write_bytes(its_key.read_bytes())
        wait_for(lambda: "is not for portal.example.org" in house.gateway.log.read_text(), "a word about the name", 30)
        assert serial() == issued(certificate)
    assert house.log_in(house.guest).status == 303


def test_a_certificate_that_cannot_work_ends_the_start_and_is_told_by_check():
    with House(certified="other.example.org", start=False) as house:
        checked = house.gw.done(binary(), "check", "--config", house.gateway.config)
        assert checked.returncode != 0
        assert "[portal.tls]" in checked.stderr and "is not for portal.example.org" in checked.stderr
        house.gateway.spawn()
        assert house.gateway.process.wait(20) != 0
        assert "is not for portal.example.org" in house.gateway.log.read_text()
        house.gateway.process = None
