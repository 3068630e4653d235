"""The gateway under test, as a guest and a portal meet it."""

import contextlib
import http.client
import os
import signal
import socket
import time
from urllib.parse import urlsplit

import aaa
import programs
from differences import DIFFERENCES
from internet import DNS, HOST
from lab import GATEWAY, Lab
from namespace import Namespace
from portal import Portal, credential, parameters

USERS = """
ada Cleartext-Password := "lovelace"
    Session-Timeout = 7200,
    Idle-Timeout = 300,
    ChilliSpot-Max-Total-Octets = 4000000000,
    Reply-Message = "Hello <Ada>"

led Cleartext-Password := "led"
    WISPr-Redirection-URL = "http://online.test/welcome?a=1"

sold Auth-Type := Reject
    Reply-Message = "Your ticket is used up",
    WISPr-Redirection-URL = "http://online.test/more"

DEFAULT Auth-Type := Reject
    Reply-Message = "Your ticket is used up"
"""
PORTAL = "192.0.2.90"
SERVER = "http://portal.test:8080/hotspotlogin"
SECRET = "a secret of the lab's portal"
NAME = os.environ.get("COMPAT_SUBJECT", "poblano")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read().decode()

    @property
    def location(self):
        return self.headers.get("location", "")

    @property
    def parameters(self):
        """Of the portal's address."""
        return parameters(self.location)

    def __repr__(self):
        return f"{self.status} {self.headers}\n{self.body}"


class Subject:
    """A running gateway."""

    lab = None

    def __init__(self, name, gateway, server, secret, account, ns=None):
        self.name, self.server, self.secret, self.ns = name, server, secret, ns
        self.address, _, port = gateway.partition(":")
        self.port = int(port or 3990)
        self.user, self.password = account

    def differs(self, what):
        """Whether it does otherwise than CoovaChilli does (differences.py)."""
        assert what in DIFFERENCES
        return self.name != "coovachilli"

    def connect(self, host, port):
        tcp = (self.ns.socket if self.ns else socket.socket)(socket.AF_INET, socket.SOCK_STREAM)
        tcp.settimeout(10)
        tcp.connect((host, port))
        return tcp

    def get(self, path, host=None, to=None, **headers):
        """GET of a path of the gateway, or by `host` of a server that is reached through it at port 80, or of `to`."""
        connection = http.client.HTTPConnection(self.address, timeout=10)
        connection.sock = self.connect(*(to or ((HOST, 80) if host else (self.address, self.port))))
        named = {"Host": host or f"{self.address}:{self.port}", **{n.replace("_", "-"): v for n, v in headers.items()}}
        connection.request("GET", path, headers=named)
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def follow(self, url, **headers):
        """GET of an address of the gateway."""
        parts = urlsplit(url)
        assert (parts.hostname, parts.port) == (self.address, self.port), url
        return self.get(f"{parts.path}?{parts.query}" if parts.query else parts.path, **headers)

    def led(self, path="/", host="shop.test", to=None, **headers):
        """What a guest gets who is led away from a page of the Internet, up to the address of the portal."""
        answer = self.get(path, host, to, **headers)
        assert answer.status == 302, answer
        if self.differs("original request"):
            assert answer.location.startswith(f"http://{self.address}:{self.port}/"), answer
            answer = self.follow(answer.location, **headers)
        return answer

    def challenge(self):
        return self.get("/prelogin").parameters["challenge"]

    def login(self, how="chap", name=None, password=None, challenge=None, more="", path="/logon"):
        name, password = name or self.user, password or self.password
        proof = credential(how, challenge or self.challenge(), self.secret, name, password)
        answer = self.get(f"{path}?username={name}&{proof}{more}")
        if not self.differs("answer first"):
            time.sleep(0.2)
        return answer

    def is_online(self):
        return self.get("/json/status").body.find('"clientState":1') > 0

    def query(self, *words):
        """What `chilli_query` prints."""
        return self.lab.gateway.query(*words)


@contextlib.contextmanager
def running():
    """The one that the environment names."""
    env = os.environ
    ns = Namespace(env["COMPAT_NAMESPACE"]) if "COMPAT_NAMESPACE" in env else None
    account = (env["COMPAT_USER"], env["COMPAT_PASSWORD"])
    subject = Subject(NAME, env["COMPAT_GATEWAY"], env["COMPAT_SERVER"], env["COMPAT_SECRET"], account, ns)
    subject.get("/logoff")
    yield subject


def options_of(secret, more):
    """The chilli.conf of the lab: a True is a flag, None leaves an option out."""
    own = {
        "dhcpif": "lan0",
        "net": "10.85.0.0/20",
        "uamlisten": GATEWAY,
        "dns1": DNS,
        "radiusserver1": aaa.ADDRESS,
        "radiussecret": aaa.SECRET,
        "radiusnasid": "lab",
        "uamserver": SERVER,
        "uamsecret": secret,
        **more,
    }
    return {name: value for name, value in own.items() if value is not None}


@contextlib.contextmanager
def made(
    users=USERS,
    how="chap",
    secret=SECRET,
    radius=aaa.FreeRadius,
    guests=1,
    mac=None,
    ours=None,
    leases=True,
    **options,
):
    """A lab with FreeRADIUS and the foreign portal, whose gateway has this chilli.conf. `ours` are settings beside it
    that only Poblano has. With `leases` the guest has one."""
    program = programs.BY_NAME[NAME]
    with Lab(guests, start=False, accounts=False, offloads=program.takes_offloads) as lab:
        lab.radius = radius(lab, users)
        if mac:
            lab.guest.ns.ip("link", "set", lab.guest.nic, "address", mac)
            lab.guest.mac = mac
        # Its own address: what is open before login for it is open for nobody else.
        lab.inet.ip("addr", "add", f"{PORTAL}/32", "dev", "lo")
        with (lab.directory / "hosts").open("a") as hosts:
            hosts.write(f"{PORTAL} {urlsplit(SERVER).hostname}\n")
        lab.internet.dns.send_signal(signal.SIGHUP)
        listener = lab.inet.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind((PORTAL, urlsplit(SERVER).port))
        listener.listen(16)
        lab.portal = Portal(listener, SERVER, secret, how)
        try:
            lab.gateway = program(lab, options_of(secret, options), ours or {})
            lab.gateway.start()
            assert not leases or lab.guest.lease()
            subject = Subject(NAME, f"{GATEWAY}:3990", SERVER, secret, ("ada", "lovelace"), lab.guest.ns)
            subject.lab = lab
            yield subject
        finally:
            lab.portal.stop()
