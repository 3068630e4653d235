"""A web page of the operator's is the AAA, as CoovaChilli asks one by uamaaaurl."""

import contextlib
import hashlib
import http.server
import socket
import ssl
import threading
import urllib.parse

import pytest

from internet import wait_for
from lab import Lab
from pki import Authority

ADDRESS = "192.0.2.19"
SECRET = "shared with the page"
PAGES = {
    (
        "ada",
        "lovelace",
    ): "Auth: 1\nSession-Timeout: 600\nReply-Message: Hello\nCoovaChilli-Bandwidth-Max-Down: 8000\n",
    ("data", "data"): "Auth:1\r\nCoovaChilli-Max-Total-Octets:1000000\r\nAcct-Interim-Interval:60\r\n",
    ("odd", "odd"): "Auth: 1\nSession-Timeout: soon\n",
    ("html", "html"): "<html>Warning: Auth 1</html>\n",
}
REFUSAL = "Auth: 0\nReply-Message: Your ticket is used up\n"


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        scheme = "https" if self.server.is_tls else "http"
        signed, _, md = f"{scheme}://{self.headers['Host']}{self.path}".rpartition("&md=")
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if md != hashlib.md5((signed + SECRET).encode()).hexdigest().upper():
            return self.answer("Auth: 0\nReply-Message: wrong signature\n")
        self.server.seen.append(query)
        if query["stage"] == "counters":
            return self.answer("")
        if query["pass"] == "free":
            return self.answer(f"Auth: 1\nReply-Message: Welcome {query['user']}\n")
        self.answer(PAGES.get((query["user"], query["pass"]), REFUSAL), 500 if query["user"] == "broken" else 200)

    def answer(self, text, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Billing(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, ns, certificate=None):
        ns.ip("addr", "replace", f"{ADDRESS}/32", "dev", "lo")
        listener = ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, 8080))
        listener.listen(16)
        super().__init__(listener.getsockname(), Page, bind_and_activate=False)
        self.socket.close()
        self.is_tls = certificate is not None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            listener = context.wrap_socket(listener, server_side=True)
        self.socket = listener
        self.seen = []
        self.connections = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_):
        """A gateway that does not trust us hangs up."""

    def process_request(self, request, client_address):
        self.connections.append(request)
        super().process_request(request, client_address)

    def records(self, status):
        return [query for query in self.seen if query.get("status") == status]

    def stop(self):
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def billing_lab(secret=SECRET, url=f"http://{ADDRESS}:8080/aaa", certificate=None, **server):
    server = {"transport": "http", "url": url, "secret": secret, **server}
    radius = {"nas_identifier": "lab", "timeout": "1s", "server": [server]}
    with Lab(start=False, settings={"auth": {"method": "radius"}, "radius": radius}) as lab:
        lab.billing = Billing(lab.inet, certificate)
        try:
            lab.gateway.start()
            assert lab.guest.lease()
            yield lab
        except BaseException:
            print(*lab.billing.seen, lab.gateway.log.read_text()[-3000:], sep="\n")
            raise
        finally:
            lab.gateway.stop()
            lab.billing.stop()


def test_a_guest_that_the_page_knows_gets_online_with_its_limits():
    with billing_lab() as lab:
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()
        (session,) = lab.gateway.sessions()
        assert 0 < session["session"]["seconds_left"] <= 600
        asked = lab.billing.seen
        login = next(query for query in asked if query["stage"] == "login")
        names = ["stage", "service", "user", "pass", "ap", "mac", "ip", "sessionid", "nasid", "md"]
        assert list(login) == names
        assert (login["service"], login["nasid"], login["sessionid"]) == ("login", "lab", session["session"]["id"])


def test_who_is_refused_reads_why_and_what_cannot_be_read_lets_nobody_in():
    with billing_lab() as lab:
        assert "Your ticket is used up" in lab.guest.login("eve", "x").body
        for name in ("odd", "html", "broken"):
            assert lab.guest.login(name, name).status == 503, name
        # A page that lets everybody in and greets by name would read out what the name makes of a line's end.
        asked = len(lab.billing.seen)
        assert lab.guest.login("eve\nSession-Timeout: 9999999", "free").status == 403
        assert len(lab.billing.seen) == asked
        assert not lab.guest.is_online()
        assert lab.billing.records("start") == []


def test_a_gateway_with_another_secret_lets_nobody_in():
    with billing_lab(secret="another secret of the gateway") as lab:
        assert "wrong signature" in lab.guest.login().body
        assert not lab.guest.is_online()


def test_while_the_page_is_away_nobody_gets_in_and_no_record_is_lost():
    with billing_lab() as lab:
        assert lab.guest.login("data", "data").status == 303
        assert lab.guest.is_online()
        start = wait_for(lambda: lab.billing.records("start"), "a start")[0]
        lab.billing.stop()
        lab.guest.logout()
        assert lab.guest.login().status == 503
        assert not lab.guest.is_online()
        lab.billing = Billing(lab.inet)
        stop = wait_for(lambda: lab.billing.records("stop"), "the stop", 60)[0]
        assert stop["sessionid"] == start["sessionid"]
        assert int(stop["bytes_down"]) > int(stop["bytes_up"]) / 10 > 0


@pytest.mark.parametrize("trusted", [True, False])
def test_the_certificate_of_the_page_is_checked(tmp_path, trusted):
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    certificate = (ours if trusted else theirs).issue(ADDRESS, f"IP:{ADDRESS}")
    url = f"https://{ADDRESS}:8080/aaa"
    with billing_lab(url=url, certificate=certificate, ca_file=str(ours.certificate)) as lab:
        assert (lab.guest.login().status == 303) == trusted
        assert lab.guest.is_online() == trusted
        assert any(query["stage"] == "login" for query in lab.billing.seen) == trusted
