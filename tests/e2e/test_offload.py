"""Linux forwards packets of guests who are online by itself: who may not still does not, and nothing is lost."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest

from frames import Wire, every_kind, ipv4, is_ipv4, udp
from internet import HOST, wait_for
from lab import GATEWAY, ROOT, UPSTREAM, Lab, binary
from test_crash import gateway_mac, snapshot


@pytest.fixture
def lab():
    """A guest who is online, and one who is not."""
    with Lab(guests=2, settings={"offload": {"mode": "on"}, "session": {"outage": "0"}}) as made:
        assert all(guest.lease() for guest in made.guests)
        assert made.guest.login().status == 303
        yield made


def offload(lab, *switch):
    return lab.gateway.cli("offload", *switch, "--socket", lab.gateway.control).strip()


def counters(lab, direction):
    return json.loads(lab.gateway.cli("sessions", "--json", "--socket", lab.gateway.control))["counters"][direction]


@contextlib.contextmanager
def traffic(lab, *way, seconds=60):
    """A TCP connection that is never idle; fails where it breaks."""
    busy = lab.guest.ns.spawn(
        *("iperf3", "-J", "-c", HOST, "-t", seconds, *way), stdout=subprocess.PIPE, text=True, stderr=subprocess.STDOUT
    )
    try:
        wait_for(lambda: octets_up(lab) > 20_000_000, "traffic")
        yield busy
        assert busy.poll() is None, busy.stdout.read()
    finally:
        busy.kill()
        busy.wait()


def octets_up(lab):
    base = "/sys/class/net/up0/statistics"
    return sum(int(n) for n in lab.inet.run("cat", f"{base}/tx_bytes", f"{base}/rx_bytes").split())


def goes_on(lab):
    """True if more passes the uplink within a moment."""
    before = octets_up(lab)
    time.sleep(0.3)
    return octets_up(lab) - before > 100_000


@pytest.mark.parametrize("way", [(), ("-R",)], ids=["up", "down"])
def test_the_kernel_carries_a_transfer_and_the_gateway_sleeps(lab, way):
    with traffic(lab, *way):
        used, passed = lab.gateway.cpu_seconds(), octets_up(lab)
        wait_for(lambda: octets_up(lab) > passed + 500_000_000, "half a gigabyte")
        # Carrying it would take a tenth of a second at the least.
        assert lab.gateway.cpu_seconds() - used <= 0.03
    for direction in ("from_guests", "to_guests"):
        assert counters(lab, direction)["forward_offloaded"] > 1000


def test_it_is_switched_under_traffic_and_the_session_counts_all_of_it(lab):
    with traffic(lab):
        for _ in range(5):
            for switch in ("off", "on"):
                assert offload(lab, switch) == switch
                assert goes_on(lab)
    assert offload(lab) == "on"


def test_whoever_is_kicked_is_cut_off_at_once(lab):
    with traffic(lab) as busy:
        lab.gateway.cli("kick", lab.guest.address, "--socket", lab.gateway.control)
        wait_for(lambda: not goes_on(lab), "the end", 1.5)
        busy.kill()
        busy.wait()
        busy.poll = lambda: None  # it was to end
    assert not lab.guest.is_online()
    assert lab.guest.curl_status(f"https://{HOST}/") == 7, "refused, not ignored"


def test_a_guest_who_is_not_online_gets_nothing_through_beside_one_who_is(lab):
    ada, eve = lab.guests
    mac = gateway_mac(ada)
    with traffic(lab), Wire(eve.ns, "wlan0") as wire, Wire(lab.inet, "up0") as uplink:
        for source_mac, source in ((wire.mac, eve.address), (wire.mac, ada.address), (ada.mac, eve.address)):
            for _, frame in every_kind(source_mac, mac, source, HOST):
                wire.send(frame)
        assert [f for f in uplink.arrived(0.3) if b"MUST-NOT-LEAVE" in f] == []


def test_fragments_and_options_take_the_other_way(lab):
    guest = lab.guest
    before = counters(lab, "from_guests")
    assert guest.ns.status("ping", "-n", "-c", 3, "-W", 1, "-s", 4000, HOST) == 0
    with Wire(guest.ns, "wlan0") as wire, Wire(lab.inet, "up0") as uplink:
        datagram = udp(guest.address, HOST, 5000, 5001, b"with options")
        packet = ipv4(guest.address, HOST, 17, datagram, options=bytes((1, 1, 1, 0)))
        wire.send(
            bytes.fromhex(gateway_mac(guest).replace(":", ""))
            + bytes.fromhex(wire.mac.replace(":", ""))
            + b"\x08\0"
            + packet
        )
        assert any(b"with options" in frame for frame in uplink.arrived(0.3))
    after = counters(lab, "from_guests")
    carried = after["forward"] - after.get("forward_offloaded", 0)
    assert carried - (before.get("forward", 0) - before.get("forward_offloaded", 0)) >= 3 * 3 + 1


def test_who_is_online_stays_so_while_the_gateway_is_gone_but_not_for_ever(lab):
    ada, eve = lab.guests
    with traffic(lab) as busy:
        lab.gateway.kill()
        assert goes_on(lab)
        assert not eve.ping(HOST)
        assert eve.connect(HOST, 443, seconds=1) != "open"
        wait_for(lambda: not goes_on(lab), "the end of what was kept", 10)
        assert not ada.ping(HOST)
        busy.poll = lambda: None


def test_the_tun_that_a_crash_leaves_is_not_for_every_user_of_the_machine(lab):
    lab.gateway.kill()
    # As udev makes it: any user may open it.
    device = lab.directory / "tun"
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(10, 200))
    for made, mode in ((device, 0o666), (lab.directory, 0o755)):
        made.chmod(mode)
    attach = (
        "import fcntl, struct, sys\n"
        "fcntl.ioctl(open(sys.argv[1], 'r+b', 0), 0x400454CA, struct.pack('16sH22x', b'poblano0', 0x5001))"
    )
    nobody = ("setpriv", "--reuid", 65534, "--regid", 65534, "--clear-groups", sys.executable, "-c", attach, device)
    done = lab.gw.done(*nobody)
    assert "PermissionError: [Errno 1]" in done.stderr
    lab.gateway.start()


@pytest.mark.parametrize("tun", ["poblano0", "other0"])
def test_a_start_that_fails_opens_nothing_to_who_is_still_online(tun):
    with Lab(settings={"session": {"outage": "2m"}}) as lab, listening(lab.gw, 3990) as port:
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        lab.gateway.wait_until_written()
        lab.gateway.kill()
        port()
        lab.gateway.settings["tun"] = {"name": tun}
        lab.gateway.write()
        assert lab.gw.status(binary(), "run", "--config", lab.gateway.config) == 1
        # The guest goes on through NAT as before if its way is still there; the machine's ports stay closed to it.
        assert lab.guest.ping(HOST) == (tun == "poblano0")
        for address in ("172.31.0.1", "203.0.113.2"):
            assert lab.guest.connect(address, 3990, seconds=1) != "open"


@contextlib.contextmanager
def listening(ns, port):
    """Something that takes a port on all addresses, once it is told to."""
    with ns.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:

        def start():
            tcp.bind(("0.0.0.0", port))
            tcp.listen()

        yield start


def test_a_clean_stop_leaves_nothing_also_of_a_former_life():
    with Lab(start=False) as lab:
        before = snapshot(lab.gw)
        lab.gateway.start()
        lab.gateway.kill()
        lab.gateway.start()
        assert lab.guest.lease()
        assert lab.gateway.stop() == 0
        assert snapshot(lab.gw) == before


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGUSR2], ids=["crash", "handover"])
@pytest.mark.parametrize("way", [(), ("-R",)], ids=["up", "down"])
def test_no_datagram_is_lost_or_uncounted_while_the_service_is_restarted(end, way):
    with Lab(settings={"offload": {"mode": "on"}}, start=False) as lab, lab.gateway.as_the_service():
        guest, gateway = lab.guest, lab.gateway
        gateway.start()
        assert guest.lease()
        assert guest.login().status == 303
        gateway.wait_until_written()
        udp = ("-u", "-b", "40M", "-l", 1000, "-t", 5)
        # Counted on the wires: a receiver that is not woken in time loses some by itself.
        with sniffer(guest.ns, "wlan0") as near, sniffer(lab.inet, "up0") as far:
            busy = guest.ns.spawn("iperf3", "-c", UPSTREAM, *udp, *way, stdout=subprocess.DEVNULL)
            try:
                before = octets_up(lab)
                wait_for(lambda: octets_up(lab) > before + 2_000_000, "traffic")
                gateway.signal(end)
                gateway.start()
                assert guest.is_online(), "without a new login"
                assert busy.wait(30) == 0
            finally:
                busy.kill()
                busy.wait()
            near, far = all_of(near), all_of(far)
        session = lab.gateway.sessions()[0]["session"]
        sent, arrived = (datagrams(wire) for wire in ((near, far) if not way else (far, near)))
        assert sent[True] > 20_000
        assert arrived[False] == sent[True]
        assert session["input_octets"] == octets(near, guest.address, True)
        assert session["output_octets"] == octets(near, guest.address, False)


def sniffer(ns, interface):
    return Wire(ns, interface, buffer=256 << 20, headers=True)


def all_of(wire):
    """Everything that went by, as (sent from here, payload of a super-packet's segment or 0, frame)."""
    time.sleep(0.2)
    assert wire.lost() == 0
    return [(outgoing, size, frame) for outgoing, (size, frame) in wire.both_ways() if is_ipv4(frame)]


def datagrams(frames):
    """How many of the stream's datagrams left here (True) and came in here (False), of more than a greeting."""
    count = {True: 0, False: 0}
    for outgoing, size, frame in frames:
        if frame[23] == 17:
            payload = len(frame) - 42
            count[outgoing] += -(-payload // size) if size else payload >= 1000
    return count


def octets(frames, guest, up):
    """IP octets between a guest and the Internet; the segments of a super-packet each with its headers."""
    total = 0
    for outgoing, size, frame in frames:
        ends = [socket.inet_ntoa(frame[at : at + 4]) for at in (26, 30)]
        if outgoing != up or GATEWAY in ends or ends[not up] != guest:
            continue
        headers = 20 + (8 if frame[23] == 17 else frame[46] >> 4 << 2)
        length = int.from_bytes(frame[16:18], "big")
        segments = -(-(length - headers) // size) if size else 1
        total += length + (segments - 1) * headers
    return total


def test_where_the_next_start_will_find_nothing_the_operator_is_told(lab):
    assert lab.gateway.stop() == 0
    with lab.gateway.as_the_service(bpffs=False):
        lab.gateway.start()
        assert "INFO offload on\n" in lab.gateway.log.read_text()
        assert "mount -t bpf bpf /sys/fs/bpf" in lab.gateway.log.read_text()


@pytest.mark.parametrize("spoilt", ["another program", "another map", "not ours alone"])
def test_names_that_a_stranger_may_have_left_are_not_believed(spoilt):
    with Lab(settings={"offload": {"mode": "on"}}, start=False) as lab, lab.gateway.as_the_service() as pins:
        lab.gateway.start()
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()
        lab.gateway.wait_until_written()
        carried = counters(lab, "from_guests")["forward_offloaded"]
        lab.gateway.kill()
        [kept] = pins.glob("poblano/lan0/*")
        assert {place.stat().st_mode & 0o77 for place in (kept, *kept.parents[:2], *kept.iterdir())} == {0}
        if spoilt == "another program":
            kept.rename(kept.with_name("1"))
        elif spoilt == "another map":
            [guests] = kept.glob("pbl*_guests")
            [numbers] = kept.glob("pbl*_counters")
            guests.rename(numbers)
        else:
            pins.joinpath("poblano").chmod(0o755)
        lab.gateway.start()
        refused = spoilt != "not ours alone"
        assert counters(lab, "from_guests").get("forward_offloaded", 0) == (0 if refused else carried)
        assert ("is not ours alone" in lab.gateway.log.read_text()) != refused
        # Its session goes on all the same, as it was written down.
        assert lab.guest.is_online()
        assert not kept.exists() and not kept.with_name("1").exists()
        assert lab.gateway.stop() == 0
        assert not (pins / "poblano").exists()


@pytest.mark.parametrize("change", [{"offload": {"mode": "off"}}, {"tun": {"name": "other0"}}, {"guests": {"max": 77}}])
def test_what_a_former_life_left_does_not_outlive_a_start_that_cannot_use_it(lab, change):
    lab.gateway.kill()
    for section, values in change.items():
        lab.gateway.settings[section] = {**lab.gateway.settings.get(section, {}), **values}
    lab.gateway.write()
    lab.gateway.start()
    assert lab.guests[1].lease()
    assert lab.guests[1].login().status == 303
    assert lab.guests[1].is_online()
    assert lab.gateway.stop() == 0
    assert not lab.guests[1].ping(HOST)
    assert "poblano0" not in lab.gw.ip("link")
    assert "clsact" not in lab.gw.run("tc", "qdisc")


def test_a_start_on_another_lan_leaves_nothing_of_the_former_one():
    with Lab(start=False) as lab:
        lab.gw.ip("link", "add", "lan1", "up", "type", "veth", "peer", "name", "phone")
        lab.gateway.start()
        lab.gateway.kill()
        lab.gateway.settings["lan"]["interface"] = "lan1"
        lab.gateway.write()
        lab.gateway.start()
        assert "poblano" not in lab.gw.run("tc", "filter", "show", "dev", "lan0", "ingress")
        assert lab.gateway.stop() == 0
        assert "clsact" not in lab.gw.run("tc", "qdisc")


@pytest.mark.parametrize("ends", [True, False])
def test_a_session_that_is_over_does_not_come_back_from_the_disk(ends):
    with Lab(settings={"offload": {"mode": "on"}}) as lab:
        guest, gateway = lab.guest, lab.gateway
        assert guest.lease()
        assert guest.login().status == 303
        gateway.wait_until_written()
        state = gateway.directory / "state" / "state.redb"
        before = state.read_bytes()
        if ends:
            guest.logout()
        else:
            offload(lab, "off")
        gateway.kill()
        # As if there had been no time to write anything more.
        state.write_bytes(before)
        gateway.start()
        assert guest.is_online() != ends


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stop", "crash"])
def test_a_place_for_programs_that_was_there_stays(end):
    with Lab(start=False) as lab:
        lab.gw.run("tc", "qdisc", "add", "dev", "lan0", "clsact")
        before = snapshot(lab.gw)
        lab.gateway.start()
        assert offload(lab) == "on"
        lab.gateway.signal(end)
        lab.gateway.start()
        assert lab.gateway.stop() == 0
        assert snapshot(lab.gw) == before


def test_a_filter_of_somebody_elses_is_never_replaced():
    with Lab(start=False) as lab:
        others = ("tc", "filter", "show", "dev", "lan0", "ingress")
        lab.gw.run("tc", "qdisc", "add", "dev", "lan0", "clsact")
        first = ("pref", "1", "handle", "1", "bpf", "da", "bytecode", "1,6 0 0 4294967295")
        lab.gw.run("tc", "filter", "add", "dev", "lan0", "ingress", *first)
        before = lab.gw.run(*others)
        with pytest.raises(RuntimeError, match="another filter"):
            lab.gateway.start()
        assert lab.gw.run(*others) == before
        lab.gateway.settings["offload"]["mode"] = "auto"
        lab.gateway.write()
        lab.gateway.start()
        assert "another filter" in offload(lab)
        assert lab.guest.lease()
        assert lab.gateway.stop() == 0
        assert lab.gw.run(*others) == before


def test_where_traffic_control_refuses_the_gateway_carries_packets_and_says_why():
    with Lab(settings={"offload": {"mode": "auto"}}, start=False) as lab:
        lab.gw.run("tc", "qdisc", "add", "dev", "lan0", "clsact")
        # Our place, with a filter of somebody else's that passes all.
        place = ("dev", "lan0", "ingress", "prio", "1", "protocol", "ip")
        lab.gw.run("tc", "filter", "add", *place, "bpf", "bytecode", "1,6 0 0 0")
        lab.gateway.start()
        assert offload(lab).startswith("off: cannot attach a program to lan0: ")
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()


def test_the_service_has_the_rights_that_it_needs(lab):
    unit = (ROOT / "conf" / "poblano.service").read_text()
    assert "\nSystemCallFilter=@system-service bpf\n" in unit
    assert lab.gateway.stop() == 0
    with lab.gateway.as_the_service():
        lab.gateway.start()
        assert offload(lab) == "on"
        log = lab.gateway.log.read_text().splitlines()
        assert log[-1].endswith("INFO offload on")
        assert not any("WARN" in line for line in log)
