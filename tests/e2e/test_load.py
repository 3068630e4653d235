"""The load tester: it counts what is there, leaves other networks alone, and finds its own way about."""

import json
import pathlib
import subprocess
import tempfile

import pytest

from lab import PORTAL, UPSTREAM, Guest, binary

PROGRAM = pathlib.Path(binary()).with_name("poblano-load")
GUESTS = 50
ECHOES = 400


def load(*argv, ns=None):
    """Runs the program, on this machine or in a namespace of a lab."""
    command = [str(word) for word in (PROGRAM, *argv)]
    return (
        ns.done(*command, timeout=120) if ns else subprocess.run(command, capture_output=True, text=True, timeout=120)
    )


def report(folder):
    assert (folder / "report.md").read_text().startswith("# Load test of ")
    assert (folder / "report.svg").read_text().startswith("<svg ")
    return json.loads((folder / "report.json").read_text())


def left_behind():
    """Directories of runs that have ended."""
    folders = pathlib.Path(tempfile.gettempdir()).glob("poblano-load-*")
    return [folder for folder in folders if not pathlib.Path("/proc", folder.name.rpartition("-")[2]).exists()]


@pytest.fixture
def echo(lab):
    """A server on the Internet that sends back what it gets; its address and port."""
    script = (
        "import socket\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)\n"
        f"s.bind(('{UPSTREAM}', 7))\n"
        "print('ready', flush=True)\n"
        "while True: s.sendto(*s.recvfrom(2048))\n"
    )
    server = lab.inet.spawn("/usr/bin/python3", "-c", script, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"
    yield f"{UPSTREAM}:7"
    server.kill()
    server.wait()


def test_what_the_load_tester_reports_is_what_the_gateway_has_seen(lab, echo, tmp_path):
    done = load(
        *("run", "--interface", Guest.nic, "--yes-this-network-is-mine", "--echo", echo, "--report", tmp_path),
        *("--phases", "dhcp,probe,login,traffic", "--guests", GUESTS, "--at-once", 20, "--probes", 2),
        *("--name", "ada", "--password", "lovelace", "--pps", ECHOES, "--seconds", 1),
        ns=lab.guest.ns,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = report(tmp_path)
    for phase, count in (("dhcp", GUESTS), ("probe", 2 * GUESTS), ("login", GUESTS)):
        told = found["phases"][phase]
        assert (told["begun"], told["done"], told["lost"], told["failed"]) == (count, count, 0, {}), phase
        assert 0 < told["latency"]["p50"] <= told["latency"]["p99"] <= told["latency"]["max"]
    traffic = found["curve"][0]["ours"]
    assert traffic["echoes_sent"] == traffic["echoes_back"] > ECHOES * 0.9

    sessions = lab.gateway.sessions()
    assert sorted(guest["mac"] for guest in sessions) == [f"02:50:4c:00:00:{n:02x}" for n in range(GUESTS)]
    assert {guest["session"]["user"] for guest in sessions} == {"ada"}
    for way in ("input_packets", "output_packets"):
        assert sum(guest["session"][way] for guest in sessions) == traffic["echoes_sent"], way

    done = load(
        *("run", "--interface", Guest.nic, "--yes-this-network-is-mine", "--phases", "dhcp,logout"),
        *("--guests", GUESTS, "--at-once", 20, "--portal", PORTAL),
        ns=lab.guest.ns,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.gateway.sessions() == []


def test_a_wrong_password_is_told_and_counted(lab, tmp_path):
    done = load(
        *("run", "--interface", Guest.nic, "--yes-this-network-is-mine", "--report", tmp_path),
        *("--phases", "dhcp,login", "--guests", 3, "--name", "ada", "--password", "babbage"),
        ns=lab.guest.ns,
    )
    assert done.returncode == 2
    assert report(tmp_path)["phases"]["login"]["failed"] == {"the login was refused with 403": 3}
    assert "babbage" not in (tmp_path / "report.md").read_text()


def test_nothing_is_sent_to_a_network_that_nobody_has_called_theirs(lab):
    done = load("run", "--interface", Guest.nic, "--guests", 10, ns=lab.guest.ns)
    assert done.returncode == 1
    assert "--yes-this-network-is-mine" in done.stderr
    known = json.loads(lab.gateway.cli("sessions", "--json", "--socket", lab.gateway.control))["guests"]
    assert known == [], "a guest has asked for a lease"
    assert load("run", "--interface", "lo").returncode == 1


def test_a_network_of_the_load_testers_own_needs_no_word(lab):
    lab.guest.ns.ip("link", "add", "pbload0", "up", "type", "veth", "peer", "name", "pbload1")
    lab.guest.ns.ip("link", "set", "pbload1", "up")
    done = load("run", "--interface", "pbload0", "--guests", 1, "--phases", "dhcp", ns=lab.guest.ns)
    assert (done.returncode, "no answer to a DHCP discover" in done.stdout) == (2, True), done.stdout + done.stderr


@pytest.mark.parametrize("whose", [(), ("--auth", "radius"), ("--auth", "radsec")], ids=["local", "radius", "radsec"])
def test_the_load_tester_builds_a_lab_and_measures_beside_the_kernel(whose, tmp_path):
    done = load(
        *("lab", "--poblano", binary(), "--curve", f"5,{GUESTS}", "--ceiling", "--at-once", 20, *whose),
        *("--seconds", 1, "--rounds", 1, "--pps", ECHOES, "--report", tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = report(tmp_path)
    for phase in ("dhcp", "probe", "login", "logout"):
        told = found["phases"][phase]
        assert (told["done"], told["lost"], told["failed"]) == (GUESTS, 0, {}), phase
        assert told["gateway_cpu_seconds"] is not None
    says = found["gateway_says"]
    assert (says["leases"], says["online"]) == (GUESTS, GUESTS)
    assert [point["guests"] for point in found["curve"]] == [5, GUESTS]
    for point in found["curve"]:
        for who in ("ours", "kernel"):
            traffic = point[who]
            assert traffic["echoes_sent"] == traffic["echoes_back"] > 0, (point["guests"], who)
            for way in ("up", "down"):
                assert len(traffic[way]) == 10
                for flood in traffic[way]:
                    assert 0 < flood["arrived"] <= flood["sent"], (point["guests"], who, way)
        for way in ("up", "down"):
            assert all(0 < flood["arrived"] <= flood["sent"] for flood in point["ceiling"][way]), way
    ours = [point["ours"] for point in found["curve"]]
    forwarded = sum(traffic["echoes_sent"] + sum(flood["arrived"] for flood in traffic["up"]) for traffic in ours)
    assert says["packets_up"] >= forwarded
    assert left_behind() == []


def test_another_gateway_is_measured_by_its_command(tmp_path):
    # The gateway is told its addresses by the command, as another program would be by its configuration.
    settings = tmp_path / "poblano.toml"
    settings.write_text(
        '[lan]\ninterface = "lan0"\nnetwork = "10.85.0.0/20"\n[uplink]\ninterface = "wan0"\n[dns]\n'
        f'resolvers = ["192.0.2.53"]\n[auth]\naccounts = "{tmp_path}/accounts"\n[state]\n'
        f'directory = "{tmp_path}/state"\n[control]\nsocket = "{tmp_path}/control"\n'
    )
    subprocess.run(
        [binary(), "user", "add", "anne", "--password-stdin", "--config", settings],
        input="secret\n",
        text=True,
        check=True,
    )
    done = load(
        *("lab", "--gateway", "external", "--command", f"exec {binary()} run --config {settings}", "--start-time", 2),
        *("--name", "anne", "--password", "secret", "--guests", 10, "--at-once", 5, "--alone"),
        *("--phases", "dhcp,probe,login,logout", "--report", tmp_path / "report"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = report(tmp_path / "report")
    assert found["gateway"] == "external"
    assert found["phases"]["login"]["done"] == 10
    assert found["memory"]["idle_kb"] > 1000
