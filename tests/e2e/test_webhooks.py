"""Web servers of the operator's are told what happens."""

import hashlib
import hmac
import http.server
import json
import socket
import threading

from internet import wait_for
from lab import Lab

ADDRESS = "192.0.2.21"
SECRET = "shared with the CRM"


class Crm(http.server.ThreadingHTTPServer):
    """Takes what it is told, or says another status."""

    daemon_threads = True

    def __init__(self, ns):
        ns.ip("addr", "replace", f"{ADDRESS}/32", "dev", "lo")
        listener = ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, 8080))
        listener.listen(16)
        super().__init__(listener.getsockname(), Hook, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.status = 204
        self.told, self.refused = [], []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        wanted = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert self.headers["X-Poblano-Signature"] == f"sha256={wanted}"
        assert (self.path, self.headers["Content-Type"]) == ("/events?of=lab", "application/json")
        status = self.server.status
        (self.server.told if status == 204 else self.server.refused).append(json.loads(body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def webhook(**more):
    return {"url": f"http://{ADDRESS}:8080/events?of=lab", "secret": SECRET, **more}


def names(events):
    return [event["event"] for event in events]


def test_a_crm_is_told_of_each_session_in_order_signed_and_hears_later_what_it_missed():
    with Lab(settings={"webhook": [webhook()]}) as lab:
        crm = Crm(lab.inet)
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        wait_for(lambda: names(crm.told) == ["session_began"], "the beginning")
        (began,) = crm.told
        (session,) = lab.gateway.sessions()
        assert began["data"] == {"session": session["session"]["id"], "user": "ada"}
        assert (began["mac"], began["ip"]) == (lab.guest.mac, lab.guest.address)
        crm.status = 503
        assert lab.guest.is_online()
        assert lab.guest.logout().status == 303
        assert lab.guest.login().status == 303, "nobody waits for a server that is away"
        wait_for(lambda: "session_ended" in names(crm.refused), "a first try")
        assert names(crm.refused)[0] == "session_ended", "one after the other"
        crm.status = 204
        wait_for(lambda: len(crm.told) == 3, "what it missed")
        assert names(crm.told) == ["session_began", "session_ended", "session_began"]
        ended = crm.told[1]["data"]
        assert ended["output_octets"] > 0 and ended["cause"] == "logged out"
        numbers = [event["number"] for event in crm.told]
        assert numbers == sorted(numbers)
        log = lab.gateway.log.read_text()
        assert log.count("a webhook does not answer") == 1 and "a webhook answers again" in log


def test_each_webhook_hears_of_what_it_wants_and_one_that_refuses_is_not_asked_again():
    with Lab(settings={"webhook": [webhook(events=["login_refused"])]}) as lab:
        crm = Crm(lab.inet)
        crm.status = 410
        assert lab.guest.lease()
        assert lab.guest.login(password="wrong").status == 403
        wait_for(lambda: names(crm.refused) == ["login_refused"], "what was refused")
        crm.status = 204
        assert lab.guest.login(password="wrong again").status == 403
        wait_for(lambda: crm.told, "the next one")
        assert (names(crm.refused), names(crm.told)) == (["login_refused"], ["login_refused"])
        assert crm.told[0]["data"]["user"] == "ada"
        assert "lovelace" not in str(crm.told) and "wrong" not in str(crm.told[0]["data"]), "passwords stay here"
