"""What the guests want to reach: web servers with the OS probe hosts' names, a resolver, an iperf3 server."""

import http.server
import ipaddress
import socket
import threading
import time

DNS = "192.0.2.53"
HOST = "192.0.2.80"
"""The address that every name without its own resolves to."""

# The probes of the operating systems: (host, path) -> status, body of "you are online".
PROBES = {
    ("captive.apple.com", "/hotspot-detect.html"): (
        200,
        "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>\n",
    ),
    ("www.apple.com", "/library/test/success.html"): (
        200,
        "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>",
    ),
    ("connectivitycheck.gstatic.com", "/generate_204"): (204, ""),
    ("clients3.google.com", "/generate_204"): (204, ""),
    ("www.google.com", "/gen_204"): (204, ""),
    ("www.msftconnecttest.com", "/connecttest.txt"): (200, "Microsoft Connect Test"),
    ("www.msftncsi.com", "/ncsi.txt"): (200, "Microsoft NCSI"),
    ("edge-http.microsoft.com", "/captiveportal/generate_204"): (204, ""),
    ("detectportal.firefox.com", "/success.txt"): (200, "success\n"),
    ("detectportal.firefox.com", "/canonical.html"): (
        200,
        '<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>',
    ),
    ("nmcheck.gnome.org", "/check_network_status.txt"): (200, "NetworkManager is online"),
    ("network-test.debian.org", "/nm"): (200, "NetworkManager is online\n"),
    ("fedoraproject.org", "/static/hotspot.txt"): (200, "OK"),
    ("connectivity-check.ubuntu.com", "/"): (204, ""),
    ("networkcheck.kde.org", "/"): (200, "OK"),
    ("spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html"): (200, "81ce4465-7167-4dcb-835b-dcc9e44c112a"),
    ("connect.rom.miui.com", "/generate_204"): (204, ""),
    ("connectivitycheck.platform.hicloud.com", "/generate_204"): (204, ""),
    ("test.steampowered.com", "/204"): (204, ""),
    ("cp.cloudflare.com", "/generate_204"): (204, ""),
}

BLOB = bytes(range(256)) * 4096
"""1 MiB at /blob."""


class Answer(http.server.BaseHTTPRequestHandler):
    """A web server that knows every host."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        host = self.headers.get("Host", "").split(":")[0]
        self.server.seen.append((host, self.path, self.client_address[0]))
        if self.path == "/blob":
            return self.answer(200, BLOB)
        status, body = PROBES.get((host, self.path.partition("?")[0]), (200, f"hello from {host}\n"))
        self.answer(status, body.encode())

    def do_POST(self):
        left = int(self.headers.get("Content-Length", 0))
        while left > 0:
            left -= len(self.rfile.read(min(left, 65536)))
        self.answer(200, b"thanks\n")

    def answer(self, status, body):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener):
        super().__init__(listener.getsockname(), Answer, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.seen = []


class Internet:
    """The services inside the namespace that stands for the rest of the world."""

    def __init__(self, ns, directory):
        self.ns = ns
        hosts = sorted({host for host, _ in PROBES})
        # 192.0.2.100 and up: one address for each probe host, so that each is reached on its own.
        self.hosts = {h: str(ipaddress.ip_address("192.0.2.100") + n) for n, h in enumerate(hosts)}
        for address in (DNS, HOST, *self.hosts.values()):
            ns.ip("addr", "add", f"{address}/32", "dev", "lo")
        table = directory / "hosts"
        table.write_text("".join(f"{a} {h}\n" for h, a in self.hosts.items()))
        self.dns = ns.spawn(
            *("dnsmasq", "--keep-in-foreground", "--user=root", "--group=root", "--conf-file=/dev/null"),
            *("--no-resolv", "--no-hosts", "--pid-file=", "--local-ttl=60"),
            *(f"--listen-address={DNS}", "--bind-interfaces", f"--addn-hosts={table}"),
            *(f"--address=/#/{HOST}", f"--log-facility={directory / 'dnsmasq.log'}", "--log-queries"),
        )
        self.iperf = ns.spawn("iperf3", "-s", "--logfile", directory / "iperf3.log")
        self.servers = [self.listen(port) for port in (80, 443)]
        self.queries = directory / "dnsmasq.log"
        wait_for(lambda: f"{DNS}:53" in ns.run("ss", "-Htln"), "the resolver")
        wait_for(lambda: ":5201" in ns.run("ss", "-Htln"), "iperf3")

    def listen(self, port):
        listener = self.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", port))
        listener.listen(128)
        server = Server(listener)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    @property
    def seen(self):
        """(host, path, from) of each request that arrived over http."""
        return self.servers[0].seen

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
        for child in (self.dns, self.iperf):
            child.kill()
            child.wait()


def wait_for(condition, what, seconds=10.0):
    """Polls, because no event tells us; the bound is a safety net and not a measurement."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise TimeoutError(f"{what}: nothing after {seconds:.0f} s")
