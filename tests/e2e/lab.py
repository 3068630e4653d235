"""The lab: guests, a LAN, the gateway under test, and an Internet, each a network namespace of this machine.

    guest1 wlan0 --+
    guest2 wlan0 --+-- LAN bridge -- lan0 [gateway] wan0 -- up0 [internet]

The bridge keeps guests apart as an access point with client isolation does, so what one guest gets from
another came through the gateway. With one guest there is no bridge: its wire ends at the gateway's lan0.
With VLANs a switch stands in the bridge's place, which tags the frames of each guest.
"""

import contextlib
import errno
import html.parser
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import urllib.parse

from internet import DNS, Internet, wait_for
from namespace import Namespace, sh
from switch import Switch

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
OUTPUT = ROOT / "tests" / "output"
GATEWAY = "10.85.0.1"
PORTAL = f"http://{GATEWAY}:3990"
UPSTREAM = "203.0.113.1"
"""The provider's router, which is also the Internet's own address."""
UPLINKS = {"subnet": "203.0.113.2/24", "host-route": "198.51.100.7/32", "bare": "198.51.100.7/32"}
"""The gateway's address; "host-route" has its router outside of its subnet, "bare" is left to the gateway."""
OFFLOAD = os.environ.get("LAB_OFFLOAD", "on")
"""Who carries packets of guests who are online: the kernel, or with "off" the gateway."""
NUMBERS = itertools.count()


def binary():
    """The program under test: $POBLANO, or the newest one that cargo built here."""
    if "POBLANO" in os.environ:
        return pathlib.Path(os.environ["POBLANO"]).resolve()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [p for p in (target / kind / "poblano" for kind in ("debug", "release")) if p.exists()]
    if not built:
        sys.exit("no poblano to test: run `cargo build`, or name one in $POBLANO")
    return max(built, key=lambda p: p.stat().st_mtime)


def toml(table, prefix=""):
    """Enough TOML for a configuration: strings, numbers, booleans, lists, tables, lists of tables."""
    lines, tables = [], []
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            tables += [f"\n[{name}]", *toml(value, f"{name}.")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for entry in value:
                tables += [f"\n[[{name}]]", *toml(entry, f"{name}.")]
        else:
            lines.append(f"{key} = {json.dumps(value)}")
    return lines + tables


class Reply:
    """What curl got: status, headers with lower-case names, body."""

    def __init__(self, text):
        head, _, self.body = text.replace("\r\n", "\n").partition("\n\n")
        first, *lines = head.split("\n")
        self.status = int(first.split()[1])
        self.headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}

    @property
    def location(self):
        return self.headers.get("location", "")

    def __repr__(self):
        return f"{self.status} {self.headers}\n{self.body}"


class Inputs(html.parser.HTMLParser):
    """The names and values of a page's form."""

    def __init__(self, page):
        super().__init__()
        self.values = {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "input" and "name" in attrs:
            self.values[attrs["name"]] = attrs.get("value") or ("on" if attrs.get("type") == "checkbox" else "")


class Guest:
    """A phone or a laptop."""

    nic = "wlan0"

    def __init__(self, ns, directory):
        self.ns = ns
        self.directory = directory
        directory.mkdir()
        self.mac = ns.mac(self.nic)

    @property
    def address(self):
        found = self.ns.addresses(self.nic)
        return found[0] if found else None

    def lease(self, client="udhcpc", timeout=30):
        """Asks for a lease with one of the three clients; true when there is one."""
        child = self.ask(client, once=True)
        try:
            return child.wait(timeout) == 0 and self.address is not None
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            return False

    @contextlib.contextmanager
    def stays(self, client):
        """A client that looks after its lease until the end."""
        child = self.ask(client, once=False)
        try:
            # The route comes after the address.
            wait_for(lambda: self.address and "default" in self.ns.ip("route"), f"a lease with {client}", 30)
            yield
        finally:
            child.kill()
            child.wait()

    def ask(self, client, once):
        """Starts a client, which ends with its first lease or stays in the foreground."""
        self.ns.ip("addr", "flush", "dev", self.nic)
        own = self.directory
        # dhclient and dhcpcd clear the environment: the places are written into a script of this guest's own.
        script = own / "script"
        places = f"LAB_RESOLV_CONF={self.ns.etc}/resolv.conf LAB_LEASE={own}/lease"
        script.write_text(f'#!/bin/sh\nexport {places}\nexec {HERE}/dhcp-script "$@"\n')
        script.chmod(0o755)
        argv = {
            "udhcpc": [
                *("udhcpc", "-i", self.nic, "-s", script, "-f", "-n", "-t", 5, "-T", 1, "-A", 1, "-O", 114),
                *(["-q"] if once else []),
            ],
            "dhclient": [
                *("dhclient", "-1" if once else "-d", "-v", "-sf", script, "-lf", own / "leases", "-pf", own / "pid"),
                *("-cf", "/dev/null", self.nic),
            ],
            # dhcpcd keeps files under fixed names: a mount namespace of its own holds them.
            "dhcpcd": [
                *("unshare", "--mount", "sh", "-c"),
                "mkdir -p /run/dhcpcd /var/lib/dhcpcd && mount -t tmpfs lab /run/dhcpcd"
                f" && mount -t tmpfs lab /var/lib/dhcpcd && exec dhcpcd {'-1' if once else '-B'}"
                f" -4 -d -t 20 -f {HERE}/dhcpcd.conf -c {script} {self.nic}",
            ],
        }[client]
        with (own / f"{client}.log").open("w") as log:
            return self.ns.spawn(*argv, stdout=log, stderr=log)

    def offered(self):
        """The options of the last lease, as the client told its script."""
        lines = (self.directory / "lease").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def curl(self, url, *options, timeout=10):
        return Reply(self.ns.run("curl", "-sS", "-i", "--http1.1", "-m", timeout, *options, url))

    def connect(self, address, port, seconds=3):
        """What becomes of a TCP connection: "open", or the word of the error ("ECONNREFUSED", "ETIMEDOUT"...)."""
        with self.ns.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.settimeout(seconds)
            try:
                tcp.connect((address, port))
            except TimeoutError:
                return "ETIMEDOUT"
            except OSError as error:
                return errno.errorcode[error.errno]
            return "open"

    def ask_dns(self, server, name, kind):
        """The answer's bytes, or None when there is none."""
        question = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0"
        query = struct.pack("!HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + question + struct.pack("!HH", kind, 1)
        with self.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(1.5)
            try:
                udp.connect((server, 53))
                udp.send(query)
                return udp.recv(4096)
            except OSError:
                return None

    def curl_status(self, url, *options, timeout=10):
        """curl's own exit status: 7 refused, 28 timed out, 6 no such name, 56 reset."""
        return self.ns.status("curl", "-sS", "-o", "/dev/null", "-m", timeout, *options, url, timeout=timeout + 20)

    def login(self, name="ada", password="lovelace"):
        """Fills in the form of the portal as it is and sends it."""
        form = Inputs(self.curl(f"{PORTAL}/").body).values
        form.update(name=name, password=password)
        return self.curl(f"{PORTAL}/login", "--data", urllib.parse.urlencode(form))

    def logout(self):
        return self.curl(f"{PORTAL}/logout", "--data", "")

    def is_online(self):
        try:
            return self.curl("http://online.test/", timeout=5).body == "hello from online.test\n"
        except RuntimeError:
            return False

    def ping(self, address, count=1):
        return self.ns.status("ping", "-n", "-c", count, "-W", 1, address) == 0


class Gateway:
    """The program under test."""

    def __init__(self, ns, directory, settings):
        self.ns = ns
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.log = directory / "gateway.log"
        self.config = directory / "poblano.toml"
        self.source = ("--config", self.config)
        self.control = directory / "control"
        self.process = None
        self.confined = ()
        self.settings = {
            "lan": {"interface": "lan0", "network": "10.85.0.0/20"},
            "uplink": {"interface": "wan0", "masquerade": True},
            "dns": {"resolvers": [DNS]},
            "auth": {"method": "local", "accounts": str(directory / "accounts")},
            "state": {"directory": str(directory / "state")},
            "control": {"socket": str(self.control)},
            "offload": {"mode": OFFLOAD},
        }
        for section, values in (settings or {}).items():
            if isinstance(values, dict):
                self.settings[section] = {**self.settings.get(section, {}), **values}
            else:
                self.settings[section] = values
        if "zone" in self.settings:
            del self.settings["lan"]  # each zone says its own
        if self.settings.get("tun", {}).get("mode") == "tap":
            self.settings["offload"]["mode"] = "auto"
        self.write()
        (directory / "state").mkdir(exist_ok=True)

    def write(self):
        self.config.write_text("\n".join(toml(self.settings)).lstrip() + "\n")

    def cli(self, *argv, **options):
        return self.ns.run(binary(), *argv, **options)

    def add_user(self, name, password):
        self.cli("user", "add", name, "--password-stdin", "--config", self.config, input=f"{password}\n")

    def sessions(self):
        """The guests that have a session, as the operator sees them."""
        return [guest for guest in self.guests() if guest["session"]]

    def guests(self):
        return json.loads(self.cli("sessions", "--json", "--socket", self.control))["guests"]

    def wait_until_written(self):
        """Until the names of all sessions are on the disk, where they stand in plain bytes."""
        names = [guest["session"]["id"].encode() for guest in self.sessions()]
        state = self.directory / "state" / "state.redb"
        wait_for(lambda: all(name in state.read_bytes() for name in names), "the sessions on the disk")

    def start(self):
        self.spawn()
        self.wait_up()
        return self

    def spawn(self):
        with self.log.open("a") as log:
            self.process = self.ns.spawn(*self.confined, binary(), "run", *self.source, stdout=log, stderr=log)

    @contextlib.contextmanager
    def as_the_service(self, bpffs=True):
        """From the next start on: with the rights that our systemd unit leaves, and the kernel's BPF file system."""
        unit = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "conf" / "poblano.service").read_text(), re.M))
        kept = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in unit["CapabilityBoundingSet"].split())
        self.confined = ("setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set=-all,{kept}")
        if not bpffs:
            yield
            return
        # `ip netns exec` has a /sys without it.
        pins = self.directory / "bpf"
        pins.mkdir()
        sh("mount", "-t", "bpf", "-o", "mode=0700", "bpf", pins)
        self.confined = ("sh", "-c", 'mount --bind "$0" /sys/fs/bpf && exec "$@"', pins, *self.confined)
        try:
            yield pins
        finally:
            self.stop()
            sh("umount", pins)

    def wait_up(self):
        wait_for(self.is_up, f"the gateway\n{self.config.read_text()}\n{self.log.read_text()}")

    def is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the gateway ended: {self.process.returncode}\n{self.log.read_text()}")
        # A crash leaves the file of its control socket.
        with socket.socket(socket.AF_UNIX) as control:
            return control.connect_ex(str(self.control)) == 0 and ":3990" in self.ns.run("ss", "-Htln")

    def stop(self):
        """A clean stop, as the service manager asks for it; returns the exit status."""
        return self.signal(signal.SIGTERM)

    def kill(self):
        """A crash."""
        return self.signal(signal.SIGKILL)

    def signal(self, number):
        if self.process is None:
            return None
        self.process.send_signal(number)
        try:
            status = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self.process = None
        return status

    def cpu_seconds(self):
        """Of all threads, in user space and in the kernel for them; 0 when it does not run."""
        if self.process is None:
            return 0
        # After the name in parentheses, the 12th and 13th field (proc(5), 14 and 15).
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


class Lab:
    """A context: what it builds is gone at its end, however it ends."""

    def __init__(self, guests=1, uplink="subnet", settings=None, offloads=True, start=True, accounts=True, vlans=()):
        self.prefix = f"pbl{os.getpid()}x{next(NUMBERS)}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="poblano-"))
        self.machines = []
        self.gateway = self.internet = self.switch = None
        try:
            self.build(len(vlans) or guests, uplink, settings, offloads, vlans)
            if accounts and self.gateway.settings["auth"]["method"] == "local":
                self.gateway.add_user("ada", "lovelace")
            if start:
                self.gateway.start()
        except BaseException:
            self.close()
            raise

    def build(self, guests, uplink, settings, offloads, vlans):
        self.gw, self.inet = self.machine("gw"), self.machine("inet")
        self.gw.ip("link", "add", "wan0", "type", "veth", "peer", "name", "up0", "netns", self.inet.name)
        wires = [(self.gw, "wan0"), (self.inet, "up0")]
        names = [self.machine(f"guest{n + 1}") for n in range(guests)]
        if vlans:
            wires += self.build_ports(names)
        elif guests == 1:
            self.gw.ip("link", "add", "lan0", "type", "veth", "peer", "name", Guest.nic, "netns", names[0].name)
        else:
            wires += self.build_bridge(names)
        wires += [(self.gw, "lan0"), *((ns, Guest.nic) for ns in names)]
        for ns, interface in wires:
            ns.offloads(interface, offloads)
            ns.ip("link", "set", interface, "up")
        if vlans:
            self.switch = Switch(wires[2][0], "trunk", {f"port{n}": tag for n, tag in enumerate(vlans)})
        self.inet.ip("addr", "add", f"{UPSTREAM}/24", "dev", "up0")
        address = UPLINKS[uplink]
        if address.endswith("/32"):
            self.inet.ip("route", "add", address, "dev", "up0")
        if uplink != "bare":
            self.gw.ip("addr", "add", address, "dev", "wan0")
            if uplink == "host-route":
                # As rented servers have it: the router is outside of our network of one address.
                self.gw.ip("route", "add", UPSTREAM, "dev", "wan0", "scope", "link")
            self.gw.ip("route", "add", "default", "via", UPSTREAM)
        self.gw.set_resolvers(DNS)
        self.uplink_address = address.split("/")[0]
        # An address of the gateway's owner that is none of the guests' business.
        self.gw.ip("addr", "add", "172.31.0.1/32", "dev", "lo")
        self.internet = Internet(self.inet, self.directory)
        self.guests = [Guest(ns, self.directory / ns.name) for ns in names]
        self.guest = self.guests[0]
        self.gateway = Gateway(self.gw, self.directory, settings)

    def build_bridge(self, guests):
        wires = self.build_ports(guests)
        lan = wires[0][0]
        lan.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        lan.ip("link", "set", "br0", "up")
        for _, port in wires:
            lan.ip("link", "set", port, "master", "br0")
            if port != "trunk":
                lan.run("bridge", "link", "set", "dev", port, "isolated", "on")
        return wires

    def build_ports(self, guests):
        """A machine in the middle, with a port for each guest and a trunk to the gateway."""
        lan = self.machine("lan")
        self.gw.ip("link", "add", "lan0", "type", "veth", "peer", "name", "trunk", "netns", lan.name)
        for n, guest in enumerate(guests):
            guest.ip("link", "add", Guest.nic, "type", "veth", "peer", "name", f"port{n}", "netns", lan.name)
        return [(lan, "trunk"), *((lan, f"port{n}") for n in range(len(guests)))]

    def machine(self, name):
        ns = Namespace.new(f"{self.prefix}{name}")
        self.machines.append(ns)
        return ns

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is not None:
                self.tell()
        finally:
            self.close()

    def tell(self):
        """What a reader of a failure wants to see."""
        for name in ("poblano.toml", "gateway.log", "dnsmasq.log", "radiusd.log"):
            file = self.directory / name
            if file.exists():
                print(f"--- {name}", "\n".join(file.read_text(errors="replace").splitlines()[-60:]), sep="\n")
        for guest in getattr(self, "guests", []):
            for file in sorted(guest.directory.glob("*.log")):
                print(f"--- {guest.ns.name} {file.name}", file.read_text(errors="replace")[-1500:], sep="\n")

    def close(self):
        try:
            if self.gateway and self.gateway.process:
                self.gateway.stop()
        finally:
            if self.switch:
                self.switch.stop()
            if self.internet:
                self.internet.stop()
            for ns in self.machines:
                ns.delete()
            shutil.rmtree(self.directory, ignore_errors=True)


def leftovers():
    """Namespaces of this process that are still there."""
    return [name for name, owner in machines() if owner == os.getpid()]


def sweep():
    """Takes away the labs of processes that were killed."""
    for name, owner in machines():
        if not pathlib.Path(f"/proc/{owner}").exists():
            Namespace(name).delete()


def machines():
    """(namespace, process that made it) of all labs."""
    names = (line.split()[0] for line in sh("ip", "netns", "list").splitlines())
    found = (re.fullmatch(r"pbl(\d+)x\d+\w+", name) for name in names)
    return [(match[0], int(match[1])) for match in found if match]
