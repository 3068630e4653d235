"""RADIUS over TLS: who proves what to whom, and what becomes of connections that end."""

import contextlib
import hashlib
import json
import pathlib
import queue
import socket
import ssl
import struct
import threading

import pytest

from aaa import ADDRESS, FreeRadius, settings
from internet import wait_for
from lab import Lab
from pki import Authority, fingerprint

USERS = """
ada Cleartext-Password := "lovelace"
    Session-Timeout = 600,
    Class = 0x636c617373

DEFAULT Auth-Type := Reject
"""
NAME = "radius.test"
ACCEPT, REJECT, ACCOUNTED = 2, 3, 5
DISCONNECT, DISCONNECTED, NOT_DISCONNECTED, CHANGE, CHANGED, NOT_CHANGED = range(40, 46)
USER_NAME, USER_PASSWORD, SESSION_TIMEOUT, NAS_IDENTIFIER, MESSAGE_AUTHENTICATOR, ERROR_CAUSE = 1, 2, 27, 32, 80, 101


class Site:
    """A gateway that trusts one authority, and a server that trusts it too."""

    def __init__(self, directory, **server):
        self.authority = Authority(directory, "authority")
        self.server = self.authority.issue(NAME, f"DNS:{NAME}")
        certificate, key = self.authority.issue("gateway", "DNS:gateway.test")
        self.entry = {
            "address": ADDRESS,
            "transport": "tls",
            "ca_file": str(self.authority.certificate),
            "certificate_file": str(certificate),
            "key_file": str(key),
            "server_name": NAME,
            **server,
        }

    @property
    def tls(self):
        return (self.authority.certificate, *self.server)


@contextlib.contextmanager
def radsec_lab(site, *more, **radius):
    own = settings()
    own["radius"] = {**own["radius"], "timeout": "1s", "tries": 2, "dead_time": "2s", **radius}
    own["radius"]["server"] = [site.entry, *more]
    with Lab(start=False, settings=own) as lab:
        lab.radius = None
        try:
            lab.gateway.start()
            assert lab.guest.lease()
            yield lab
        finally:
            lab.gateway.stop()
            if lab.radius:
                print(lab.radius.log.read_text()[-3000:])
                lab.radius.stop()


def told(lab):
    return json.loads(lab.gateway.cli("sessions", "--json", "--socket", lab.gateway.control))


def is_up(lab, number=0):
    return told(lab)["radius"][number]["authentication"]


def wait_up(lab, number=0):
    wait_for(lambda: is_up(lab, number), "the RADIUS server", 30)


def is_warned(lab, *words):
    """Whether a line of the log has all these words."""
    return any(all(word in line for word in words) for line in lab.gateway.log.read_text().splitlines())


@pytest.mark.parametrize("versions", [("1.2", "1.2"), ("1.3", "1.3")], ids=["tls1.2", "tls1.3"])
def test_a_guest_logs_in_and_is_accounted_over_tls(tmp_path, versions):
    site = Site(tmp_path)
    with radsec_lab(site) as lab:
        lab.radius = FreeRadius(lab, USERS, (*site.tls, *versions))
        wait_up(lab)
        assert "V1_0" in lab.gateway.log.read_text()
        assert lab.guest.login("ada", "wrong").status != 303
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()
        assert lab.radius.wait("Start")["Class"] == "0x636c617373"
        assert lab.guest.logout().status in (302, 303)
        assert lab.radius.wait("Stop")["User-Name"] == "ada"


def test_a_server_of_another_authority_is_refused_and_is_no_outage(tmp_path):
    (tmp_path / "foreign").mkdir()
    site = Site(tmp_path)
    foreign = Authority(tmp_path / "foreign", "foreign").issue(NAME, f"DNS:{NAME}")
    with radsec_lab(site, unreachable="admit 30m") as lab:
        lab.radius = FreeRadius(lab, USERS, (site.authority.certificate, *foreign))
        wait_for(lambda: is_warned(lab, "no connection", "UnknownIssuer"), "the refusal in the log", 20)
        assert lab.guest.login().status != 303
        assert not lab.guest.is_online()
        assert not is_up(lab)


def test_a_certificate_under_another_name_is_refused(tmp_path):
    site = Site(tmp_path)
    site.server = site.authority.issue("other.test", "DNS:other.test")
    with radsec_lab(site, unreachable="admit 30m") as lab:
        lab.radius = FreeRadius(lab, USERS, site.tls)
        wait_for(lambda: is_warned(lab, "no connection", NAME), "the refusal in the log", 20)
        assert lab.guest.login().status != 303


def test_without_a_name_the_certificate_has_the_address(tmp_path):
    site = Site(tmp_path)
    del site.entry["server_name"]
    site.server = site.authority.issue("by address", f"IP:{ADDRESS}", "address")
    with radsec_lab(site) as lab:
        lab.radius = FreeRadius(lab, USERS, site.tls)
        wait_up(lab)
        assert lab.guest.login().status == 303


def test_a_pinned_certificate_is_the_only_one(tmp_path):
    site = Site(tmp_path)
    pinned = site.server
    site.entry["fingerprint"] = fingerprint(pinned[0])
    site.server = site.authority.issue(NAME, f"DNS:{NAME}", "another")
    with radsec_lab(site) as lab:
        lab.radius = FreeRadius(lab, USERS, site.tls)
        wait_for(lambda: is_warned(lab, "no connection", "certificate"), "the refusal in the log", 20)
        assert lab.guest.login().status != 303
        lab.radius.stop()
        for file, new in zip(site.server, pinned, strict=True):
            file.write_bytes(new.read_bytes())
        lab.radius.start()
        wait_up(lab)
        assert lab.guest.login().status == 303


def test_a_server_does_not_let_in_a_gateway_of_another_authority_until_the_files_are_right(tmp_path):
    (tmp_path / "foreign").mkdir()
    site = Site(tmp_path)
    files = [pathlib.Path(site.entry[key]) for key in ("certificate_file", "key_file")]
    right = [file.read_bytes() for file in files]
    foreign = Authority(tmp_path / "foreign", "foreign").issue("gateway", "DNS:gateway.test")
    for file, new in zip(files, foreign, strict=True):
        file.write_bytes(new.read_bytes())
    with radsec_lab(site, unreachable="admit 30m") as lab:
        lab.radius = FreeRadius(lab, USERS, site.tls)
        wait_for(lambda: is_warned(lab, "no connection"), "the refusal in the log", 20)
        assert lab.guest.login().status != 303
        assert not lab.guest.is_online()
        # Renewed certificates are taken without a restart.
        for file, old in zip(files, right, strict=True):
            file.write_bytes(old)
        wait_up(lab)
        assert lab.guest.login().status == 303


def test_a_server_that_restarts_is_connected_to_again_without_a_guest(tmp_path):
    site = Site(tmp_path)
    with radsec_lab(site) as lab:
        lab.radius = FreeRadius(lab, USERS, site.tls)
        wait_up(lab)
        assert lab.guest.login().status == 303
        lab.radius.stop()
        wait_for(lambda: not is_up(lab), "the loss", 10)
        lab.radius.start()
        wait_up(lab)
        # Its record goes over the new connection.
        assert lab.guest.logout().status in (302, 303)
        lab.radius.wait("Stop")


@pytest.mark.parametrize("first", ["udp", "tls"])
def test_the_other_transport_takes_over_and_gives_back(tmp_path, first):
    site = Site(tmp_path)
    udp = {**settings()["radius"]["server"][0], "status_server": True}
    entries = [udp, site.entry] if first == "udp" else [site.entry, udp]
    with radsec_lab(site) as lab:
        lab.gateway.stop()
        lab.gateway.settings["radius"]["server"] = entries
        lab.gateway.write()
        lab.radius = FreeRadius(lab, USERS, site.tls)
        lab.gateway.start()
        wait_up(lab, entries.index(site.entry))
        # An answer to one of the former run's records would show that the server is there.
        wait_for(lambda: told(lab)["accounting"]["records_waiting"] == 0, "the records of the former run")
        # What the provider's network drops, nobody answers.
        rule = {"udp": ("udp", "1812"), "tls": ("tcp", "2083")}[first]
        drop = ("add", "rule", "ip", "lab", "in", rule[0], "dport", rule[1], "drop")
        lab.inet.run("nft", "add", "table", "ip", "lab")
        lab.inet.run("nft", "add chain ip lab in { type filter hook input priority 0; }")
        lab.inet.run("nft", *drop)
        assert lab.guest.login().status == 303
        assert [is_up(lab, 0), is_up(lab, 1)] == [False, True]
        assert lab.guest.logout().status in (302, 303)
        lab.inet.run("nft", "delete", "table", "ip", "lab")
        wait_up(lab, 0)
        assert lab.guest.login().status == 303


def test_silence_of_a_tls_server_denies_or_admits_as_configured(tmp_path):
    for unreachable, admitted in (("deny", False), ("admit 1m", True)):
        (tmp_path / unreachable[:4]).mkdir()
        with radsec_lab(Site(tmp_path / unreachable[:4]), unreachable=unreachable) as lab:
            assert (lab.guest.login("x", "y").status == 303) == admitted
            assert lab.guest.is_online() == admitted


def test_mistakes_in_the_files_are_told_before_anything_starts(tmp_path):
    site = Site(tmp_path)
    with radsec_lab(site) as lab:
        lab.gateway.stop()

        def told(**entry):
            lab.gateway.settings["radius"]["server"] = [{**site.entry, **entry}]
            lab.gateway.write()
            with pytest.raises(RuntimeError) as error:
                lab.gateway.cli("check", "--config", lab.gateway.config)
            return str(error.value)

        assert "holds no private key in PEM" in told(key_file=site.entry["ca_file"])
        assert "do not fit together" in told(key_file=str(site.server[1]))
        assert "cannot read /nowhere: " in told(ca_file="/nowhere")
        assert "cannot read certificates in PEM" in told(ca_file=site.entry["key_file"])
        assert 'needs transport = "tls"' in told(transport="udp", secret="0123456789abcdef")
        assert "means nothing with transport" in told(secret="0123456789abcdef")


class NewServer:
    """A server that speaks RADIUS/1.1, and with `versions` less."""

    def __init__(self, lab, site, alpn=("radius/1.1", "radius/1.0"), most=ssl.TLSVersion.TLSv1_3):
        self.requests = []
        self.answers = []
        self.asked = queue.Queue()
        self.connections = 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*site.server)
        context.load_verify_locations(site.authority.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        context.maximum_version = most
        context.set_alpn_protocols(list(alpn))
        self.context = context
        lab.inet.ip("addr", "add", f"{ADDRESS}/32", "dev", "lo")
        self.socket = lab.inet.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((ADDRESS, 2083))
        self.socket.listen()
        self.corrupt = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), self.context.wrap_socket(client, server_side=True) as tls:
            self.connections += 1
            self.is_new = tls.selected_alpn_protocol() == "radius/1.1"
            data = b""
            tls.settimeout(0.05)
            while (chunk := self.receive(tls)) != b"":
                while not self.asked.empty():
                    tls.sendall(self.asked.get())
                data += chunk or b""
                while len(data) >= 4 and len(data) >= (length := int.from_bytes(data[2:4], "big")):
                    packet, data = data[:length], data[length:]
                    if packet[0] >= DISCONNECT:
                        self.answers.append(packet)
                        continue
                    self.requests.append(packet)
                    tls.sendall(self.answer(packet))

    def receive(self, tls):
        try:
            return tls.recv(4096)
        except TimeoutError:
            return None

    def ask(self, code, *values, token=b"abcd", authentic=True):
        """What the gateway answers to a request of ours: its code and attributes."""
        body = b"".join(bytes([number, len(value) + 2]) + value for number, value in values)
        before = len(self.answers)
        self.asked.put(self.signed(code, token, body, authentic))
        wait_for(lambda: len(self.answers) > before, "the answer of the gateway", 10)
        answer = self.answers[-1]
        if self.is_new:
            assert answer[1:2] + answer[4:20] == b"\0" + token + bytes(12)
            assert MESSAGE_AUTHENTICATOR not in attributes(answer)
        return answer[0], attributes(answer)

    def signed(self, code, token, body, authentic=True):
        head = struct.pack("!BBH", code, 0 if self.is_new else 7, 20 + len(body))
        if self.is_new:
            return head + token + bytes(12) + body
        secret = b"radsec" if authentic else b"sesame"
        return head + hashlib.md5(head + bytes(16) + body + secret).digest() + body

    def answer(self, packet):
        if not self.is_new:
            head = struct.pack("!BBH", {1: ACCEPT, 4: ACCOUNTED, 12: ACCEPT}[packet[0]], packet[1], 20)
            return head + hashlib.md5(head + packet[4:20] + b"radsec").digest()
        code, values = packet[0], attributes(packet)
        right = (values.get(USER_NAME), values.get(USER_PASSWORD)) == (b"ada", b"lovelace")
        answer = {1: ACCEPT if right else REJECT, 4: ACCOUNTED, 12: ACCEPT}[code]
        if self.corrupt:
            return struct.pack("!BBH", answer, 0, 5) + packet[4:20]
        # RFC 9765, section 4.1: the token of the request, and twelve octets of nothing.
        return struct.pack("!BBH", answer, 0, 20) + packet[4:8] + bytes(12)

    def stop(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def attributes(packet):
    found, rest = {}, packet[20:]
    while rest:
        found[rest[0]] = rest[2 : rest[1]]
        rest = rest[rest[1] :]
    return found


@contextlib.contextmanager
def new_server_lab(site, **options):
    with radsec_lab(site, unreachable="admit 30m") as lab:
        server = NewServer(lab, site, **options)
        try:
            yield lab, server
        finally:
            server.stop()


@pytest.mark.parametrize("version", ["auto", "1.1"])
def test_radius_1_1_is_spoken_where_the_server_offers_it(tmp_path, version):
    with new_server_lab(Site(tmp_path, version=version)) as (lab, server):
        wait_up(lab)
        assert "V1_1" in lab.gateway.log.read_text()
        assert lab.guest.login("ada", "wrong").status != 303
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()
        wait_for(lambda: 4 in [packet[0] for packet in server.requests], "an accounting record", 10)
        assert len({packet[4:8] for packet in server.requests}) == len(server.requests), "each has its own token"
        for packet in server.requests:
            assert packet[1] == 0
            assert packet[8:20] == bytes(12)
            assert MESSAGE_AUTHENTICATOR not in attributes(packet)


def test_radius_1_1_needs_tls_1_3(tmp_path):
    with new_server_lab(Site(tmp_path), most=ssl.TLSVersion.TLSv1_2) as (lab, _):
        wait_for(lambda: is_warned(lab, "no connection", "TLS 1.2"), "the refusal in the log", 20)
        assert lab.guest.login().status != 303


def test_a_server_without_the_wanted_version_is_refused(tmp_path):
    site = Site(tmp_path, version="1.1")
    with radsec_lab(site) as lab:
        lab.radius = FreeRadius(lab, USERS, site.tls)
        wait_for(lambda: is_warned(lab, "no connection", "RADIUS/1.1"), "the refusal in the log", 20)
        assert lab.guest.login().status != 303


def test_a_malformed_packet_ends_the_connection_and_lets_nobody_in(tmp_path):
    with new_server_lab(Site(tmp_path)) as (lab, server):
        wait_up(lab)
        before = server.connections
        server.corrupt = True
        assert lab.guest.login().status != 303
        assert not lab.guest.is_online()
        assert server.connections > before
        server.corrupt = False
        wait_up(lab)
        assert lab.guest.login().status == 303


@pytest.mark.parametrize("protocol", ["radius/1.0", "radius/1.1"])
def test_a_server_changes_and_ends_a_session_down_the_connection(tmp_path, protocol):
    site = Site(tmp_path, dynamic_authorization=True)
    with new_server_lab(site, alpn=(protocol,)) as (lab, server):
        wait_up(lab)
        assert lab.guest.login().status == 303
        ada = (USER_NAME, b"ada")
        hour = (SESSION_TIMEOUT, struct.pack("!I", 3600))
        assert server.ask(CHANGE, ada, hour)[0] == CHANGED
        (session,) = [guest["session"] for guest in told(lab)["guests"]]
        assert 3590 <= session["seconds_left"] <= 3600

        for named, cause in (([(USER_NAME, b"bob")], 503), ([ada, (NAS_IDENTIFIER, b"another gateway")], 403)):
            code, values = server.ask(DISCONNECT, *named)
            assert (code, values[ERROR_CAUSE]) == (NOT_DISCONNECTED, struct.pack("!I", cause))
        assert lab.guest.is_online()
        assert server.ask(DISCONNECT, ada, token=b"efgh")[0] == DISCONNECTED
        assert not lab.guest.is_online()
        assert told(lab)["dynamic_authorization"]["acknowledged"] == 2


def test_a_server_that_may_not_ask_is_told_so(tmp_path):
    with new_server_lab(Site(tmp_path)) as (lab, server):
        wait_up(lab)
        assert lab.guest.login().status == 303
        code, values = server.ask(DISCONNECT, (USER_NAME, b"ada"))
        assert (code, values[ERROR_CAUSE]) == (NOT_DISCONNECTED, struct.pack("!I", 406))
        assert lab.guest.is_online()
        assert is_warned(lab, "a dynamic authorization request is ignored", "dynamic_authorization = true")


def test_a_request_that_does_not_prove_itself_ends_the_connection(tmp_path):
    site = Site(tmp_path, dynamic_authorization=True)
    with new_server_lab(site, alpn=("radius/1.0",)) as (lab, server):
        wait_up(lab)
        assert lab.guest.login().status == 303
        server.asked.put(server.signed(DISCONNECT, b"", bytes([USER_NAME, 5]) + b"ada", authentic=False))
        wait_for(lambda: server.connections > 1, "another connection", 20)
        assert not server.answers
        assert lab.guest.is_online()
