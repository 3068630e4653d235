"""The FreeBSD port: its Makefile evaluates and stages what its plist says, its crates are Cargo.lock's, and its rc
script does what rc.conf asks for.

The ports tree, rc.subr and daemon(8) are stand-ins (freebsd/): none of them can be had from Debian.
"""

import pathlib
import re
import subprocess
import tomllib

import pytest

from lab import ROOT, binary
from namespace import sh

HERE = pathlib.Path(__file__).resolve().parent
PORT = ROOT / "ports/net-mgmt/poblano"


def bmake(work, *argv):
    words = ("bmake", "-m", HERE / "freebsd", "-m", "/usr/share/bmake/mk-bmake", "-C", PORT)
    return sh(*words, f"WRKDIR={work}", f"PROGRAM={binary()}", *argv)


def value(name):
    return bmake("/nonexistent", "-V", f"${{{name}}}").strip()


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The port's work directory, staged."""
    made = tmp_path_factory.mktemp("port")
    bmake(made, "stage")
    return made


def test_the_makefile_evaluates():
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert value("PKGNAME") == f"poblano-{version}"
    assert value("CATEGORIES").split()[0] == PORT.parent.name
    assert all(name.startswith("rust/crates/") for name in value("DISTFILES").split())
    for name in ("APACHE20", "MIT"):
        assert (ROOT / pathlib.Path(value(f"LICENSE_FILE_{name}")).name).exists()


def test_crates_and_checksums_are_those_of_the_lock_file():
    sh(PORT.parent / "crates")
    summed = re.findall(r"^SHA256 \((.*)\)", (PORT / "distinfo").read_text(), re.M)
    assert summed == value("DISTFILES").split()


def test_it_is_written_as_the_porters_handbook_wants_it():
    comment = value("COMMENT")
    assert len(comment) <= 70 and not comment.endswith(".") and not comment.startswith(("A ", "An ", "The "))
    lines = (PORT / "Makefile").read_text().splitlines()
    assert [line for line in lines if line != line.rstrip() or re.match(r"[A-Z_0-9]+\??\+?= ", line)] == []
    order = [re.match(r"([A-Z]+)", line)[1] for line in lines if re.match(r"[A-Z]+=", line)]
    wanted = ["PORTNAME", "DISTVERSION", "CATEGORIES", "DISTFILES", "MAINTAINER", "COMMENT", "LICENSE", "USES"]
    assert [name for name in order if name in wanted] == wanted
    described = (PORT / "pkg-descr").read_text().splitlines()
    assert 4 <= len(described) <= 24 and max(map(len, described)) <= 80


def test_the_plist_is_what_staging_installs(work):
    stage, prefix = work / "stage", value("PREFIX")
    staged = {f"/{path.relative_to(stage)}" for path in stage.rglob("*") if path.is_file()}
    staged |= {f"/{path.relative_to(stage)}" for path in stage.rglob("var/db/*")}
    listed = set()
    for line in (work / "plist").read_text().splitlines():
        path = line.split()[-1]
        listed.add(path if path.startswith("/") else f"{prefix}/{path}")
    # The ports tree lists what USE_RC_SUBR installs.
    assert staged == listed | {f"{prefix}/etc/rc.d/poblano"}


def test_the_sample_is_a_good_configuration_with_freebsds_places(work):
    sample = work / "stage/usr/local/etc/poblano/poblano.toml.sample"
    assert '\ndirectory = "/var/db/poblano"\n' in sample.read_text()
    argv = (binary(), "check", "--json", "--config", sample, "--lan", "em1")
    assert '"valid":true' in subprocess.run(argv, capture_output=True, text=True).stdout


def test_the_message_names_places_that_are_installed(work):
    message = (work / "pkg-message").read_text()
    assert "%%" not in message
    for path in re.findall(r"/usr/local/[a-z./]+", message):
        assert any((work / "stage" / f"{path[1:]}{end}").exists() for end in ("", ".sample")), path


class Service:
    """The rc script in a root of its own, with a program that says what it is told."""

    def __init__(self, work, root):
        self.conf, self.pid = root / "rc.conf", root / "poblano.program.pid"
        program = root / "poblano"
        program.write_text('#!/bin/sh\ncase "$*" in *bad*) exit 1 ;; esac\n')
        program.chmod(0o755)
        text = (work / "poblano").read_text()
        text = text.replace("/etc/rc.subr", str(HERE / "freebsd/rc.subr")).replace("/var/run/", f"{root}/")
        self.script = root / "script"
        self.script.write_text(text.replace("/usr/local/sbin/poblano", str(program)))
        self.program = program

    def run(self, action, conf='poblano_enable="YES"\n'):
        self.conf.write_text(conf)
        done = subprocess.run(["sh", self.script, action], env={"RC_CONF": self.conf}, capture_output=True, text=True)
        return done.returncode, done.stdout.strip()


@pytest.fixture
def service(work, tmp_path):
    return Service(work, tmp_path)


def test_the_rc_script_is_sound(work):
    sh("sh", "-n", work / "poblano")
    sh("shellcheck", "--shell=sh", work / "poblano")


def test_it_starts_nothing_unless_rc_conf_says_so(service):
    assert service.run("start", "") == (0, "")


def test_flags_are_the_programs_and_daemon_supervises_it(service):
    status, said = service.run("start", 'poblano_enable="YES"\npoblano_flags="--lan em1"\n')
    assert status == 0
    supervisor, program = said.split(" -- ")
    assert program == f"{service.program} run --config /usr/local/etc/poblano/poblano.toml --lan em1"
    assert supervisor.split()[0] == "/usr/sbin/daemon" and "-r" in supervisor.split()
    assert "--lan" not in supervisor


def test_a_bad_configuration_is_not_tried_again_and_again(service):
    conf = 'poblano_enable="YES"\npoblano_config="/bad"\n'
    assert service.run("configtest", conf)[0] == 1
    assert service.run("start", conf) == (1, "precmd failed")


@pytest.mark.parametrize(("action", "signal"), [("reload", -1), ("handover", -12)])
def test_signals_go_to_the_program_and_not_to_its_supervisor(service, action, signal):
    assert service.run(action)[0] == 1
    # Under nohup it would not hear of a hangup.
    with subprocess.Popen(["env", "--default-signal=HUP", "sleep", "60"]) as child:
        service.pid.write_text(str(child.pid))
        assert service.run(action)[0] == 0
        assert child.wait(10) == signal
