"""CoovaChilli's configuration, imported and run."""

import contextlib
import os
import socket
import stat
import subprocess

from aaa import ADDRESS, SECRET, FreeRadius
from internet import DNS, HOST
from lab import GATEWAY, Lab, binary

USERS = """
ada Cleartext-Password := "lovelace"
    Session-Timeout = 600
"""
CHILLI_CONF = f"""
# A small installation, as its operator left it.
include    "hs.conf"
dhcpif     lan0
net        10.85.0.0/255.255.240.0
uamlisten  10.85.0.1
dns1       {DNS}
uamallowed {HOST}:443
routeif    wan1
domain     cafe.test
domaindnslocal
nasmac     00-11-22-33-44-55
"""
HS_CONF = f"""
radiusserver1 {ADDRESS}
radiussecret  "{SECRET}"
radiusnasid   cafe-7
radiuslocationid   "isocc=de,cc=49,ac=30,network=cafe"
radiuslocationname "Café 7"
defsessiontimeout = 0x708
radiusnasporttype 15
"""
LAXER = "forcedns1 192.0.2.99\n"
WRONG = "dhcpif eth1\nradiussecrt hunter2-hunter2\nlease soon\n"


def run(*argv):
    return subprocess.run([binary(), *argv], capture_output=True, text=True, timeout=60)


@contextlib.contextmanager
def chilli():
    """A lab whose gateway is to run from a chilli.conf, and its FreeRADIUS."""
    with Lab(start=False, accounts=False) as lab:
        gateway = lab.gateway
        conf = gateway.directory / "chilli.conf"
        conf.write_text(CHILLI_CONF + f"cmdsocket {gateway.control}\n")
        (gateway.directory / "hs.conf").write_text(HS_CONF)
        gateway.source = ("--chilli-conf", conf)
        # What it keeps is where it always is: in a mount namespace of its own.
        gateway.confined = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs lab /var/lib && exec "$0" "$@"')
        radius = FreeRadius(lab, USERS)
        try:
            yield lab, radius
        finally:
            radius.stop()


def test_a_guest_logs_in_at_a_gateway_that_runs_from_chilli_conf():
    with chilli() as (lab, radius):
        lab.gateway.start()
        assert lab.guest.lease()
        assert lab.guest.offered()["lease"] == "600"
        assert not lab.guest.is_online()
        # The garden is open at its port, and nothing else is.
        assert lab.guest.connect(HOST, 443) == "open"
        assert lab.guest.connect(HOST, 8080) != "open"
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()
        start = radius.wait("Start")
        assert (start["NAS-Identifier"], start["NAS-IP-Address"]) == ("cafe-7", "10.85.0.1")
        assert start["WISPr-Location-ID"] == "isocc=de,cc=49,ac=30,network=cafe"
        assert start["WISPr-Location-Name"].startswith("Caf")
        assert (start["Called-Station-Id"], start["NAS-Port-Type"]) == ("00-11-22-33-44-55", "Ethernet")
        # Each name of the domain is the portal's, and the resolver is not asked.
        assert lab.guest.ask_dns(GATEWAY, "whatever.cafe.test", 1)[-4:] == socket.inet_aton(GATEWAY)
        log = lab.gateway.log.read_text()
        assert "chilli.conf:9:1: routeif: guests leave by uplink.interface; the kernel's routes decide" in log
        assert SECRET not in log
        # What would let more out than before is not started with.
        lab.gateway.stop()
        conf = lab.gateway.source[1]
        conf.write_text(conf.read_text() + LAXER)
        assert lab.gateway.ns.status(binary(), "run", *lab.gateway.source) == 1


def test_an_import_is_a_configuration_for_its_owner_and_a_report_without_secrets(tmp_path):
    (tmp_path / "chilli.conf").write_text(CHILLI_CONF)
    (tmp_path / "hs.conf").write_text(HS_CONF)
    made, report = tmp_path / "poblano.toml", tmp_path / "report"
    done = run("import", tmp_path / "chilli.conf", "--output", made, "--report", report)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert SECRET in made.read_text()
    assert "chilli.conf:3 include" not in report.read_text()
    assert f"{tmp_path}/hs.conf:3 radiussecret: radius.server.secret" in report.read_text()
    assert SECRET not in report.read_text()
    # A file that is there is not written over.
    assert run("import", tmp_path / "chilli.conf", "--output", made).returncode == 1
    assert '"valid":true' in run("check", "--json", "--config", made).stdout


def test_the_exit_status_tells_what_is_to_be_settled(tmp_path):
    conf = tmp_path / "chilli.conf"
    (tmp_path / "hs.conf").write_text(HS_CONF)
    conf.write_text(CHILLI_CONF + LAXER)
    done = run("import", conf)
    assert done.returncode == 3
    assert "[to be settled]" in done.stderr and 'interface = "lan0"' in done.stdout
    conf.write_text(WRONG)
    done = run("import", conf)
    assert (done.returncode, done.stdout) == (1, "")
    assert "did you mean radiussecret?" in done.stderr and "lease" in done.stderr
    assert "hunter2" not in done.stderr
    # A colon in the place of the blank makes no secret a name.
    conf.write_text("radiussecret:hunter2\n")
    done = run("import", conf)
    assert done.returncode == 1 and "radiussecret: unknown option" in done.stderr and "hunter2" not in done.stderr


def test_an_import_that_cannot_be_done_waits_for_nobody_and_writes_nothing(tmp_path):
    conf, report = tmp_path / "chilli.conf", tmp_path / "report"
    (tmp_path / "hs.conf").write_text(HS_CONF)
    for included in (tmp_path / "pipe", "/dev/zero", tmp_path):
        conf.write_text(f"include {included}\n{CHILLI_CONF}")
        if included == tmp_path / "pipe":
            os.mkfifo(included)
        done = run("import", conf)
        assert done.returncode == 1 and "it is no file" in done.stderr, included
    conf.write_text(CHILLI_CONF)
    report.write_text("of another import")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for made in (report, tmp_path / "link", tmp_path / "no" / "folder"):
        done = run("import", conf, "--output", made, "--report", report)
        assert done.returncode == 1 and "--output names a new file in a folder that is there" in done.stderr, made
    assert report.read_text() == "of another import" and not (tmp_path / "target").exists()
