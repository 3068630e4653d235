"""The Debian package on a Debian of its own with systemd: installed, started, upgraded, removed, purged."""

import json

import pytest

from internet import wait_for
from machine import CONFIG, machine, package
from namespace import sh


@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    """This version and the next one."""
    directory = tmp_path_factory.mktemp("debs")
    return package(directory), package(directory, "99.0")


@pytest.fixture
def debian():
    with machine() as made:
        yield made


def serve(debian, deb):
    """Installs the package, configures and starts it, and brings the guest online."""
    debian.install(deb)
    debian.configure()
    debian.run("sh", "-c", "echo lovelace | poblano user add ada --password-stdin")
    debian.run("systemctl", "start", "poblano")
    wait_for(lambda: "guests on lan0" in debian.journal(), "the gateway")
    assert debian.lab.guest.lease()
    assert debian.lab.guest.login().status == 303
    assert debian.lab.guest.is_online()


SUPPRESSED = (
    "bogus-mail-host",  # the project has no address yet
    "bogus-mail-host-in-debian-changelog",
    "initial-upload-closes-no-bugs",  # it is uploaded nowhere
    "maintainer-script-calls-systemctl",  # a handover is no restart, and debhelper has no word for it
    "command-with-path-in-maintainer-script",  # policy-rc.d is on nobody's path
)


def session(debian):
    return json.loads(debian.run("poblano", "sessions", "--json"))["guests"][0]["session"]


def test_the_package_is_as_debian_wants_it_and_the_same_each_time(debs, tmp_path):
    sh("lintian", "--fail-on=error,warning", f"--suppress-tags={','.join(SUPPRESSED)}", debs[0])
    assert package(tmp_path).read_bytes() == debs[0].read_bytes()


def test_an_installation_touches_nothing_until_there_is_a_configuration(debian, debs):
    before = debian.network()
    said = debian.install(debs[0])
    assert "systemctl start poblano" in said
    assert not debian.is_active()
    assert debian.run("systemctl", "is-enabled", "poblano").strip() == "enabled"
    assert debian.run("systemctl", "is-failed", "poblano", check=False).strip() == "inactive"
    debian.run("systemctl", "start", "poblano")
    assert not debian.is_active()
    assert debian.network() == before


def test_the_service_serves_a_guest_with_few_rights_and_stops_cleanly(debian, debs):
    before = debian.network()
    serve(debian, debs[0])
    status = dict(line.split(":\t", 1) for line in debian.run("cat", f"/proc/{debian.main_pid()}/status").splitlines())
    # CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF.
    assert int(status["CapBnd"], 16) == 1 << 12 | 1 << 13 | 1 << 39
    assert status["NoNewPrivs"] == "1"
    # systemd's own measure, in tenths from 0 to 100 for no protection at all.
    debian.run("systemd-analyze", "security", "--threshold=31", "--no-pager", "poblano")
    debian.run("systemctl", "reload", "poblano")
    assert debian.lab.guest.is_online()
    debian.run("systemctl", "stop", "poblano")
    assert "everything that was changed is as it was" in debian.journal()
    assert debian.network() == before


def test_an_upgrade_keeps_guests_online_and_their_record(debian, debs):
    serve(debian, debs[0])
    before, pid = session(debian), debian.main_pid()
    debian.install(debs[1])
    wait_for(lambda: debian.main_pid() not in (0, pid) and debian.lab.guest.is_online(), "the new version")
    after = session(debian)
    assert after["id"] == before["id"]
    assert after["input_octets"] >= before["input_octets"] > 0
    assert "handed over" in debian.journal()


def test_a_new_version_that_would_not_start_leaves_the_former_one_running(debian, debs):
    serve(debian, debs[0])
    pid = debian.main_pid()
    debian.configure(CONFIG + "[no_such_section]\n")
    assert "the former version runs on" in debian.install(debs[1])
    assert debian.main_pid() == pid
    assert debian.lab.guest.is_online()


def test_a_purge_leaves_no_trace(debian, debs):
    files, network = debian.files(), debian.network()
    serve(debian, debs[0])
    debian.run("dpkg", "--remove", "poblano")
    assert not debian.lab.guest.is_online()
    assert (debian.root / "etc/poblano/poblano.toml").exists()
    assert debian.network() == network
    debian.run("dpkg", "--purge", "poblano")
    assert debian.files() == files
