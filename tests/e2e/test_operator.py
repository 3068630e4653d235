"""What an operator does at the command line."""

import json
import pathlib
import re
import signal
import subprocess

import pytest

from lab import GATEWAY, Gateway, Lab, binary
from terminal import Terminal


def cli(lab, *argv):
    return lab.gateway.cli(*argv, "--socket", lab.gateway.control)


def test_sessions_are_shown_as_a_table_and_as_json(online):
    guest = online.guest
    assert guest.curl_status("http://online.test/blob") == 0
    table = cli(online, "sessions")
    assert re.search(rf"{guest.address} +{guest.mac} +online +ada ", table)
    assert "1 guest, 1 online" in table
    told = json.loads(cli(online, "sessions", "--json"))
    [entry] = told["guests"]
    assert (entry["ip"], entry["mac"], entry["state"]) == (guest.address, guest.mac, "online")
    assert entry["session"]["output_octets"] > 1 << 20 > entry["session"]["input_octets"] > 0
    assert told["counters"]["from_guests"]["forward"] > 0
    assert "forward" in cli(online, "sessions", "--counters")


@pytest.mark.parametrize("name", ["mac", "address"])
def test_a_guest_is_let_in_and_sent_away_by_its_mac_or_its_address(lab, name):
    guest = lab.guest
    assert guest.lease()
    who = getattr(guest, name)
    assert json.loads(cli(lab, "login", who, "--user", "lobby", "--json"))
    assert guest.is_online()
    assert lab.gateway.sessions()[0]["session"]["user"] == "lobby"
    assert cli(lab, "kick", who) == f"{who} is logged out\n"
    assert not guest.is_online()
    assert lab.gateway.sessions() == []


def test_a_guests_rates_are_changed_while_it_is_online(online):
    guest = online.guest
    assert cli(online, "limit", guest.mac, "--down", "2M") == f"{guest.mac} has 2M down from now on\n"
    assert cli(online, "limit", guest.address, "--up", "512k") == f"{guest.address} has 512k up from now on\n"
    assert re.search(r" 512k +2M ", cli(online, "sessions"))
    assert guest.curl_status("http://online.test/blob", timeout=30) == 0
    assert json.loads(cli(online, "limit", guest.mac, "--up", "0", "--down", "0", "--json")) == {"limited": 1}
    session = online.gateway.sessions()[0]["session"]
    assert (session["bits_per_second_up"], session["bits_per_second_down"]) == (None, None)
    refused = online.gw.done(binary(), "limit", guest.mac, "--up", "5k", "--socket", online.gateway.control)
    assert refused.returncode == 2 and 'from "8k"' in refused.stderr


def test_a_guest_that_is_not_there_is_an_error_with_a_way_to_find_the_others(lab):
    for verb, *options in (["kick"], ["login"], ["limit", "--up", "1M"]):
        done = lab.gw.done(binary(), verb, "10.85.9.9", *options, "--socket", lab.gateway.control)
        assert done.returncode == 1
        assert "10.85.9.9" in done.stderr
        assert "poblano sessions" in done.stderr


def test_no_gateway_is_told_plainly(lab):
    assert lab.gateway.stop() == 0
    done = lab.gw.done(binary(), "sessions", "--socket", lab.gateway.control)
    assert done.returncode == 1
    assert "is it running" in done.stderr


def test_accounts_are_added_changed_listed_and_removed_while_the_gateway_runs(lab):
    guest, config = lab.guest, ("--config", lab.gateway.config)
    assert guest.lease()
    added = lab.gateway.cli("user", "add", "grace", *config)
    password = re.search(r"password (\S+)", added)[1]
    assert guest.login("grace", password).status == 303
    assert guest.logout().status == 303
    lab.gateway.add_user("grace", "hopper")
    assert guest.login("grace", password).status != 303
    assert guest.login("grace", "hopper").status == 303
    assert guest.logout().status == 303
    assert lab.gateway.cli("user", "list", *config).split() == ["ada", "grace"]
    assert json.loads(lab.gateway.cli("user", "list", "--json", *config)) == {"users": ["ada", "grace"]}
    lab.gateway.cli("user", "remove", "grace", *config)
    assert guest.login("grace", "hopper").status != 303
    assert lab.gateway.cli("user", "list", *config).split() == ["ada"]


def test_all_that_is_wrong_with_a_file_is_told_at_once_with_its_line(lab):
    wrong = lab.directory / "wrong.toml"
    wrong.write_text(
        '[lan]\ninterface = "lan0"\nnetwrok = "10.85.0.0/20"\n\n'
        '[dhcp]\nlease = "soon"\n\n[session]\nrate_up = 5\n\n[portal]\nport = 70000\n'
    )
    for verb in ("check", "run"):
        done = lab.gw.done(binary(), verb, "--config", wrong)
        assert done.returncode == 1
        for line, word in ((3, "network?"), (6, "[dhcp].lease"), (9, "[session].rate_up"), (12, "[portal].port")):
            assert re.search(rf"{re.escape(str(wrong))}:{line}\b.*{re.escape(word)}", done.stderr), (line, done.stderr)
    told = json.loads(lab.gw.done(binary(), "check", "--json", "--config", wrong).stdout)
    assert (told["valid"], len(told["errors"])) == (False, 4)


def test_check_says_what_run_would_do_and_does_nothing():
    pool = {"name": "machines", "first": "10.85.14.1", "last": "10.85.14.254"}
    router = {"network": "10.9.0.0/16", "via": "10.85.15.254", "mac": "02:00:5e:10:00:02"}
    more = {
        "dhcp": {"last": "10.85.15.253", "pool": [pool]},
        "lan": {"routed": [router]},
        "webhook": [{"url": "https://crm.test/hook"}],
    }
    with Lab(start=False, settings=more) as lab:
        before = lab.gw.run("nft", "list", "ruleset"), lab.gw.ip("-o", "link")
        text = lab.gateway.cli("check", "--config", lab.gateway.config)
        own = ("lan0", "wan0", f"http://{GATEWAY}:3990/", "192.0.2.53")
        for word in (*own, "machines", "10.9.0.0/16 behind the router", "tell https://crm.test/hook of session_began"):
            assert word in text, word
        assert (lab.gw.run("nft", "list", "ruleset"), lab.gw.ip("-o", "link")) == before


@pytest.fixture
def bare():
    """A lab whose gateway's machine has its own empty /run and /var/lib, and no configuration."""
    with Lab(start=False, accounts=False) as lab:
        empty = "mount -t tmpfs lab /run && mount -t tmpfs lab /var/lib"
        unset = "{ [ ! -d /etc/poblano ] || mount -t tmpfs lab /etc/poblano; }"
        # `echo` tells that the mounts are there; the shell then waits for the end of its input.
        holder = lab.gw.spawn(
            *("unshare", "--mount", "sh", "-c", f"{empty} && {unset} && echo ready && exec cat"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert holder.stdout.readline() == b"ready\n"
            lab.gateway = Unconfigured(lab.gateway, holder.pid)
            yield lab
        finally:
            lab.gateway.stop()
            holder.communicate()


class Unconfigured(Gateway):
    """`poblano run` with two interfaces' names and nothing else."""

    def __init__(self, other, holder):
        vars(self).update(vars(other))
        self.enter = ("nsenter", f"--target={holder}", "--mount", "--net", "--")
        # Its own path for the control socket, as this process sees it.
        self.control = pathlib.Path(f"/proc/{holder}/root/run/poblano.sock")

    def spawn(self):
        with self.log.open("w") as log:
            argv = (*self.enter, binary(), "run", "--lan", "lan0", "--uplink", "wan0")
            self.process = subprocess.Popen([str(a) for a in argv], stdout=log, stderr=log)

    def cli(self, *argv, **options):
        argv = [str(a) for a in (*self.enter, binary(), *argv)]
        return subprocess.run(argv, text=True, check=True, capture_output=True, **options).stdout


def test_a_gateway_without_any_file_is_a_working_hotspot(bare):
    guest = bare.guest
    said = bare.gateway.start().log.read_text()
    name, password = re.search(r"name (\S+), password (\S+)", said).groups()
    assert guest.lease()
    assert guest.curl("http://anything.test/").status == 302
    assert guest.login(name, "wrong").status != 303
    assert guest.login(name, password).status == 303
    assert guest.is_online()
    assert guest.address in bare.gateway.cli("sessions")
    assert bare.gateway.cli("user", "list") == f"{name}\n"
    assert bare.gateway.signal(signal.SIGINT) == 0
    # The password is said once, and it stays.
    assert "password" not in bare.gateway.start().log.read_text()
    assert guest.login(name, password).status == 303
    assert guest.is_online()


def test_an_accounts_password_is_asked_for_twice_and_not_shown(lab):
    def add(*answers):
        argv = ("user", "add", "ada", "--ask-password", "--config", lab.gateway.config)
        with Terminal(lab.gw, *argv) as at:
            for question, answer in zip(("New password of ada: ", "The same again: "), answers, strict=False):
                assert at.asks(question, answer), at.shown
            return at.ended(), at.shown

    assert lab.guest.lease()
    for answers, words in (
        (("countess\n", "duchess\n"), "two different passwords"),
        (("count\x03",), "no password was typed"),
        (("\n",), "is empty"),
    ):
        status, shown = add(*answers)
        assert status == 1 and words in shown and "ess" not in shown, shown
    assert lab.guest.login().status == 303, "nothing was changed"
    assert lab.guest.logout().status == 303
    status, shown = add("countess\n", "countess\n")
    assert status == 0 and "changed ada" in shown and "countess" not in shown, shown
    assert lab.guest.login(password="countess").status == 303
