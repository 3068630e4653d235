"""Programs of the operator's that are run when guests come, log in, log out and leave."""

import itertools
import os
import pathlib
import signal

import pytest

import crowd
from internet import wait_for
from lab import GATEWAY, Lab, binary

NOTE = """#!/bin/sh
# Keeps what it is told, under a name that is there only when all of it is.
cat /proc/$$/environ > {dir}/.$$
ls -l /proc/$$/fd > {dir}/fds
echo "$#:$1" > {dir}/argv.$POBLANO_EVENT
mv {dir}/.$$ {dir}/$(date +%s%N).$POBLANO_EVENT
"""
FOR_GUESTS = ("session_up", "session_down", "guest_up", "guest_down")
ALL = (*FOR_GUESTS, "up", "down")


class Notes:
    """A directory with a script in it, and what it has kept."""

    def __init__(self, directory, text=NOTE):
        self.dir = directory
        self.dir.mkdir(exist_ok=True)
        self.script = directory / "script"
        self.script.write_text(text.format(dir=directory))
        self.script.chmod(0o755)

    def settings(self, events, **more):
        return {"scripts": {**{event: str(self.script) for event in events}, **more}}

    def files(self):
        return sorted(self.dir.glob("[0-9]*.*"), key=lambda path: int(path.name.split(".")[0]))

    def events(self):
        return [path.name.split(".")[1] for path in self.files()]

    def told(self, event, n=0):
        """The variables of the n-th such event."""
        wait_for(lambda: self.events().count(event) > n, f"{event}, not {self.events()}")
        path = [path for path in self.files() if path.name.endswith(f".{event}")][n]
        return dict(part.split(b"=", 1) for part in path.read_bytes().split(b"\0") if part)

    def words(self, event, n=0):
        return {key.decode(): value.decode() for key, value in self.told(event, n).items()}


@pytest.fixture
def notes(tmp_path):
    return Notes(tmp_path / "notes")


def test_scripts_hear_of_a_guests_whole_stay_in_order(notes):
    place = {"location_id": "isocc=de,cc=49", "location_name": 'Café "am $Platz"', "ui_port": 4990}
    with Lab(settings=notes.settings(ALL) | {"uam": place}, start=False) as lab:
        gateway, guest = lab.gateway, lab.guest
        gateway.start()
        started = notes.words("up")
        keys = ("DHCPIF", "DEV", "ADDR", "MASK", "NET", "UAMLISTEN", "UAMPORT", "UAMUIPORT", "MTU")
        assert {key: started[key] for key in keys} == {
            "DHCPIF": "lan0",
            "DEV": "poblano0",
            "ADDR": GATEWAY,
            "MASK": "255.255.240.0",
            "NET": "10.85.0.0",
            "UAMLISTEN": GATEWAY,
            "UAMPORT": "3990",
            "UAMUIPORT": "4990",
            "MTU": "1500",
        }
        client = guest.ask("udhcpc", once=False)
        try:
            came = notes.words("guest_up")
            wait_for(lambda: guest.address, "an address")
            assert (came["FRAMED_IP_ADDRESS"], came["USER_NAME"]) == (guest.address, "")
            assert guest.login().status == 303
            began = notes.words("session_up")
            assert guest.curl_status("http://online.test/blob") == 0
            [session] = gateway.sessions()
            assert guest.logout().status == 303
            ended = notes.words("session_down")
            client.send_signal(signal.SIGUSR1)  # renew: it is still the same guest
            wait_for(lambda: (guest.directory / "udhcpc.log").read_text().count(" obtained ") == 2, "a renewal")
            assert guest.login().status == 303
            client.send_signal(signal.SIGUSR2)  # release, which ends the session too
            left = notes.words("guest_down")
        finally:
            client.kill()
            client.wait()
        assert notes.words("session_down", 1)["TERMINATE_CAUSE"] == "2"
        assert gateway.stop() == 0
        stay = ["guest_up", "session_up", "session_down", "session_up", "session_down", "guest_down"]
        assert notes.events() == ["up", *stay, "down"]
        assert notes.words("down")["DEV"] == "poblano0"
    mac = guest.mac.upper().replace(":", "-")
    assert {key: value for key, value in began.items() if not key.startswith("POBLANO")} == {
        "PATH": began["PATH"],
        "DEV": "poblano0",
        "NET": "10.85.0.0",
        "MASK": "255.255.240.0",
        "ADDR": GATEWAY,
        "USER_NAME": "ada",
        "NAS_IP_ADDRESS": "0.0.0.0",
        "SERVICE_TYPE": "1",
        "FRAMED_IP_ADDRESS": came["FRAMED_IP_ADDRESS"],
        "FILTER_ID": "",
        "STATE": "",
        "CLASS": "",
        "CUI": "",
        "SESSION_TIMEOUT": "0",
        "IDLE_TIMEOUT": began["IDLE_TIMEOUT"],
        "CALLING_STATION_ID": mac,
        "CALLED_STATION_ID": began["CALLED_STATION_ID"],
        "NAS_ID": began["NAS_ID"],
        "NAS_PORT_TYPE": "19",
        "ACCT_SESSION_ID": session["session"]["id"],
        "ACCT_INTERIM_INTERVAL": began["ACCT_INTERIM_INTERVAL"],
        "WISPR_LOCATION_ID": place["location_id"],
        "WISPR_LOCATION_NAME": place["location_name"],
        "WISPR_BANDWIDTH_MAX_UP": "0",
        "WISPR_BANDWIDTH_MAX_DOWN": "0",
        "COOVACHILLI_MAX_INPUT_OCTETS": "0",
        "COOVACHILLI_MAX_OUTPUT_OCTETS": "0",
        "COOVACHILLI_MAX_TOTAL_OCTETS": "0",
        **dict.fromkeys(("INPUT_OCTETS", "OUTPUT_OCTETS", "INPUT_PACKETS", "OUTPUT_PACKETS"), "0"),
        **dict.fromkeys(("SESSION_TIME", "IDLE_TIME"), "0"),
        **dict.fromkeys(("LOCATION", "OLD_LOCATION"), ""),
    }
    assert ended["TERMINATE_CAUSE"] == "1"
    assert int(ended["OUTPUT_OCTETS"]) >= session["session"]["output_octets"] > int(ended["INPUT_OCTETS"]) > 0
    assert (left["FRAMED_IP_ADDRESS"], left["CALLING_STATION_ID"]) == (came["FRAMED_IP_ADDRESS"], mac)
    assert "TERMINATE_CAUSE" not in left
    assert (notes.dir / "argv.up").read_text() == "1:poblano0\n"
    assert (notes.dir / "argv.session_up").read_text() == "0:\n"
    handles = (notes.dir / "fds").read_text()
    assert "socket:" not in handles and "net/tun" not in handles and "anon_inode" not in handles, handles


def test_octets_are_those_of_the_direction_that_accounting_has(notes):
    settings = notes.settings(["session_down"]) | {"accounting": {"direction": "chilli"}}
    settings["session"] = {"quota_down": "100MB", "rate_up": "2M"}
    with Lab(settings=settings) as lab:
        assert lab.guest.lease() and lab.guest.login().status == 303
        assert lab.guest.curl_status("http://online.test/blob") == 0
        assert lab.guest.logout().status == 303
        ended = notes.words("session_down")
    assert int(ended["INPUT_OCTETS"]) > 1 << 20 > int(ended["OUTPUT_OCTETS"]) > 0
    assert (ended["COOVACHILLI_MAX_INPUT_OCTETS"], ended["COOVACHILLI_MAX_OUTPUT_OCTETS"]) == ("100000000", "0")
    assert (ended["WISPR_BANDWIDTH_MAX_UP"], ended["WISPR_BANDWIDTH_MAX_DOWN"]) == ("2000000", "0")


def test_what_strangers_choose_ends_no_line_and_starts_no_program(notes):
    name = "$(touch /x)`id`;'\"\n&\u2028\x1b[2J\x00 LD_PRELOAD=/tmp/evil.so " + "n" * 300
    with Lab(settings=notes.settings(["session_up", "guest_up"])) as lab:
        guest = lab.guest
        guest.ns.run(
            *("udhcpc", "-i", guest.nic, "-s", "/bin/true", "-n", "-q", "-t", 5, "-T", 1),
            *("-x", "hostname:a;reboot$(id)\n&"),
        )
        came = notes.words("guest_up")
        assert set(came["POBLANO_HOSTNAME"]) <= set("abcdefghijklmnopqrstuvwxyz()0123456789-_.$"), came
        assert not set(came["POBLANO_HOSTNAME"]) & set("\n;&()$"), came
        crowd.ask(lab, {"command": "login", "guest": guest.mac, "user": name})
        told = notes.told("session_up")
    user = told[b"USER_NAME"].decode()
    assert user.startswith("$(touch /x)`id`;'\"?&??[2J? LD_PRELOAD=/tmp/evil.so nnn")
    assert len(user.encode()) <= 253
    assert b"LD_PRELOAD" not in told and not pathlib.Path("/x").exists()
    assert all(value.decode().isprintable() for value in told.values())


def test_a_script_that_hangs_is_ended_with_all_of_its_group(tmp_path):
    text = (
        "#!/bin/sh\ntrap '' TERM\nsleep 1234 &\necho $$ $! > {dir}/pids.new; mv {dir}/pids.new {dir}/pids\nsleep 1234\n"
    )
    notes = Notes(tmp_path / "notes", text)
    with Lab(settings=notes.settings(["session_up"], timeout="1s")) as lab:
        assert lab.guest.lease() and lab.guest.login().status == 303
        assert lab.guest.is_online()
        pids = notes.dir / "pids"
        wait_for(pids.exists, "the script")
        running = [pathlib.Path(f"/proc/{pid}/cmdline") for pid in pids.read_text().split()]

        def are_gone():
            return not any(path.exists() and path.read_bytes() for path in running)

        wait_for(are_gone, "the end of the script and of what it started", 15)
        wait_for(lambda: "was killed" in lab.gateway.log.read_text(), "a word in the log")
        assert lab.guest.is_online()


def test_a_script_that_says_too_much_fills_nothing(tmp_path):
    notes = Notes(tmp_path / "notes", "#!/bin/sh\nprintf 'first\\033 line\\n' >&2\nyes >&2\n")
    with Lab(settings=notes.settings(["session_up"])) as lab:
        assert lab.guest.lease() and lab.guest.login().status == 303
        wait_for(lambda: "a script has failed" in lab.gateway.log.read_text(), "the end of the script")
        [line] = [line for line in lab.gateway.log.read_text().splitlines() if "a script has failed" in line]
        assert "first? line" in line and "status: 141" in line and "session_up" in line
        assert lab.gateway.log.stat().st_size < 20_000


def test_two_hundred_logins_at_once_wait_for_no_script_and_leave_none(tmp_path):
    text = "#!/bin/sh\nsleep 1\nmv $(mktemp {dir}/tmp.XXXXXX) {dir}/$(date +%s%N).$POBLANO_EVENT.$FRAMED_IP_ADDRESS\n"
    notes = Notes(tmp_path / "notes", text)
    with Lab(settings=notes.settings(["session_up", "session_down"], at_once=50)) as lab:
        gateway = lab.gateway
        with crowd.Wire(lab.guest.ns, lab.guest.nic, buffer=64 << 20) as wire:
            assert crowd.lease(wire, 200, 64) == 200
        most = 0
        for n in range(200):
            crowd.let_in(lab, ":".join(f"{octet:02x}" for octet in crowd.mac(n)))
            most = max(most, children(gateway))
        # All are online while most of their scripts still wait.
        assert len(gateway.sessions()) == 200
        assert lab.guest.lease() and lab.guest.login().status == 303
        assert lab.guest.is_online()
        wait_for(lambda: len(notes.files()) == 201, "every script", 30)
        for n in range(200):
            crowd.ask(lab, {"command": "kick", "guest": ":".join(f"{octet:02x}" for octet in crowd.mac(n))})
        wait_for(lambda: len(notes.files()) == 401, "every script", 60)
        assert 0 < most <= 50
        wait_for(lambda: children(gateway) == 0, "no script left")
        by_guest = {}
        for path in notes.files():
            _, event, address = path.name.split(".", 2)
            by_guest.setdefault(address, []).append(event)
        assert all(events == ["session_up", "session_down"] for events in by_guest.values() if len(events) > 1)
        assert "were not run" not in gateway.log.read_text()


def children(gateway):
    tasks = pathlib.Path(f"/proc/{gateway.process.pid}/task")
    return sum(len((task / "children").read_text().split()) for task in tasks.iterdir())


def test_sessions_that_go_on_over_a_crash_have_no_script_and_those_that_do_not_have_their_last(notes):
    settings = notes.settings(FOR_GUESTS) | {"session": {"outage": "5m"}}
    with Lab(settings=settings) as lab:
        assert lab.guest.lease() and lab.guest.login().status == 303
        session = notes.words("session_up")["ACCT_SESSION_ID"]
        lab.gateway.wait_until_written()
        lab.gateway.kill()
        lab.gateway.start()
        assert lab.guest.is_online()
        lab.gateway.signal(signal.SIGUSR2)
        lab.gateway.start()
        assert lab.guest.is_online()
        assert notes.events() == ["guest_up", "session_up"]
        lab.gateway.wait_until_written()
        lab.gateway.kill()
        lab.gateway.settings["session"] = {"outage": "0"}
        lab.gateway.write()
        lab.gateway.start()
        ended = notes.words("session_down")
        assert (ended["ACCT_SESSION_ID"], ended["TERMINATE_CAUSE"]) == (session, "11")
        assert not lab.guest.is_online()


def test_an_orderly_stop_tells_of_each_session_before_the_end_and_waits_for_no_slow_script(tmp_path):
    notes = Notes(tmp_path / "notes", NOTE + 'test "$POBLANO_EVENT" != down || sleep 600\n')
    with Lab(settings=notes.settings(ALL)) as lab:
        assert lab.guest.lease() and lab.guest.login().status == 303
        assert lab.gateway.stop() == 0  # within 15 seconds, or the lab says so
        assert notes.words("session_down")["TERMINATE_CAUSE"] == "7"
        assert notes.events()[-2:] == ["session_down", "down"]


def test_a_stop_while_up_still_runs_ends_it(tmp_path):
    notes = Notes(tmp_path / "notes", NOTE + 'test "$POBLANO_EVENT" != up || exec sleep 600\n')
    with Lab(settings=notes.settings(["up", "down"], timeout="10m"), start=False) as lab:
        lab.gateway.spawn()
        notes.words("up")
        assert lab.gateway.stop() == 0
        assert notes.events() == ["up", "down"]
        assert "poblano0" not in lab.gw.run("ip", "link")


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda path: path.chmod(0o775), "chmod go-w"),
        (lambda path: path.chmod(0o644), "chmod 755"),
        (lambda path: path.parent.chmod(0o777), "chmod go-w"),
        (lambda path: os.chown(path, 65534, 0), "chown root"),
        (lambda path: path.unlink(), "cannot find"),
        (lambda path: (path.unlink(), path.mkdir()), "is no file"),
    ],
    ids=itertools.count(),
)
def test_a_script_that_others_could_change_is_not_run(notes, spoil, word):
    with Lab(settings=notes.settings(["session_up"]), start=False) as lab:
        check = ("check", "--config", lab.gateway.config)
        assert lab.gw.done(binary(), *check).returncode == 0
        spoil(notes.script)
        for verb in ("check", "run"):
            done = lab.gw.done(binary(), verb, "--config", lab.gateway.config)
            assert done.returncode == 1
            assert "scripts.session_up" in done.stderr and word in done.stderr, done.stderr


def test_under_the_service_unit_a_script_can_do_what_the_gateway_can_and_no_more(tmp_path):
    text = "#!/bin/sh\ngrep Cap /proc/$$/status > {dir}/caps\n"
    text += "nft add table ip guests && cp {dir}/caps {dir}/1.session_up\n"
    notes = Notes(tmp_path / "notes", text)
    with Lab(settings=notes.settings(["session_up"]), start=False) as lab:
        with lab.gateway.as_the_service():
            lab.gateway.start()
            assert lab.guest.lease() and lab.guest.login().status == 303
            wait_for(lambda: notes.events(), "the script")
            status = pathlib.Path(f"/proc/{lab.gateway.process.pid}/status").read_text()
            caps = [line.split() for line in status.splitlines() if line.startswith("CapBnd")]
            own = [line.split() for line in notes.files()[0].read_text().splitlines()]
            assert ["CapEff:", caps[0][1]] in own and caps[0] in own
            lab.gw.run("nft", "delete", "table", "ip", "guests")


def test_invented_devices_and_a_slow_script_do_not_delay_what_is_run_for_a_session(tmp_path):
    notes = Notes(tmp_path / "notes", NOTE.replace("# Keeps", '[ "$POBLANO_EVENT" != guest_up ] || sleep 1\n# Keeps'))
    with Lab(settings=notes.settings(["guest_up", "session_up"], at_once=4)) as lab:
        with crowd.Wire(lab.guest.ns, lab.guest.nic, buffer=64 << 20) as wire:
            assert crowd.lease(wire, 200, 64) == 200
        assert lab.guest.lease() and lab.guest.login().status == 303
        assert notes.words("session_up")["CALLING_STATION_ID"] == lab.guest.mac.upper().replace(":", "-")
        events = notes.events()
        assert events.index("session_up") == len(events) - 1 < 200, "it came behind all of them"
