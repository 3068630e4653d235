"""Hostile guests, hostile hosts on the uplink: what they try, and that the others do not notice."""

import random
import socket
import stat
import struct
import subprocess
import threading

import pytest

import aaa
from frames import (
    BROADCAST,
    MARK,
    Wire,
    arp,
    checksum,
    dhcp,
    dhcp_answer,
    ethernet,
    icmp_echo,
    ipv4,
    is_ipv4,
    pseudo,
    tcp,
    udp,
    vlan,
)
from internet import HOST
from lab import GATEWAY, PORTAL, Lab, binary
from radius_server import server
from test_leaks import SETTLE, marked

SYN, ACK, SYN_ACK = 0x02, 0x10, 0x12
DISCOVER, REQUEST, DECLINE, RELEASE = 1, 3, 4, 7
TABLE = "/proc/sys/net/netfilter/nf_conntrack_count"
ORIGIN = "Origin: http://rebound.example:3990"


@pytest.fixture
def two():
    """A lab with a guest that means well and one that does not; both have a lease, none is logged in."""
    with Lab(guests=2) as lab:
        assert all(guest.lease() for guest in lab.guests)
        lab.ada, lab.eve = lab.guests
        lab.mac = lab.gw.mac("lan0")
        yield lab


def packed(address):
    return socket.inet_aton(address)


def named(address):
    """The DHCP option that names the server."""
    return bytes((54, 4)) + packed(address)


def asks_for(address):
    return bytes((50, 4)) + packed(address)


def claims(mac, kind, address, options=b""):
    """A DHCP message of a client that says it has `address`."""
    frame = dhcp(mac, kind, options)
    body = bytearray(frame[42:])
    body[12:16] = packed(address)
    source, everybody = "0.0.0.0", "255.255.255.255"
    packet = ipv4(source, everybody, 17, udp(source, everybody, 68, 67, bytes(body)))
    return ethernet(BROADCAST, mac, 0x0800, packet)


def lease_of(wire, mac):
    """A lease for a station that exists only in frames."""
    offer = wire.ask(dhcp(mac, DISCOVER), lambda frame: is_for(frame, mac))
    address = dhcp_answer(offer)[0]
    wire.ask(dhcp(mac, REQUEST, asks_for(address) + named(GATEWAY)), lambda frame: is_for(frame, mac))
    return address


def is_for(frame, mac):
    return dhcp_answer(frame) is not None and frame[70:76].hex(":") == mac


def segment(mac, gateway_mac, source, port, number, acknowledged, flags, payload=b""):
    """A TCP segment to the portal."""
    bare = struct.pack("!HHIIBBHHH", port, 3990, number, acknowledged, 0x50, flags, 60000, 0, 0) + payload
    bare = bare[:16] + struct.pack("!H", checksum(pseudo(source, GATEWAY, 6, bare) + bare)) + bare[18:]
    return ethernet(gateway_mac, mac, 0x0800, ipv4(source, GATEWAY, 6, bare))


def hold_connections(wire, gateway_mac, crowd, ports):
    """Opens connections to the portal for each (address, mac) and says half a sentence in each."""
    for address, mac in crowd.items():
        for port in ports:
            wire.send(segment(mac, gateway_mac, address, port, 1, 0, SYN))
    for frame in wire.arrived(0.3):
        address = socket.inet_ntoa(frame[30:34])
        if is_ipv4(frame) and frame[23] == 6 and frame[47] == SYN_ACK and address in crowd:
            _, port, number, acknowledged = struct.unpack("!HHII", frame[34:46])
            half = segment(
                *(crowd[address], gateway_mac, address, port, acknowledged, number + 1, ACK), b"GET / HTTP/1.1\r\n"
            )
            wire.send(half)


def test_a_packet_for_the_gateway_that_names_a_further_hop_goes_no_further(two):
    """Also where an administrator has switched source routing on."""
    for interface in ("all", "poblano0"):
        two.gw.sysctl(f"net.ipv4.conf.{interface}.accept_source_route", 1)
    eve = two.eve
    source = eve.address
    with Wire(two.inet, "up0") as uplink, Wire(eve.ns, "wlan0") as wire:
        for kind in (0x83, 0x89):
            for padding in (b"", b"\1\1\1\1", b"\x94\4\0\0"):
                options = padding + bytes((kind, 7, 4)) + packed(HOST) + b"\0"
                for protocol, payload in (
                    (1, icmp_echo()),
                    (6, tcp(source, GATEWAY, 40000, 3990, SYN)),
                    (6, tcp(source, HOST, 40000, 80, SYN)),
                    (17, udp(source, GATEWAY, 40000, 53)),
                ):
                    packet = ipv4(source, GATEWAY, protocol, payload, options=options)
                    wire.send(ethernet(two.mac, wire.mac, 0x0800, packet))
        assert marked(uplink.arrived(SETTLE)) == []


def test_a_guest_before_login_cannot_fill_the_connection_table_of_those_who_are_online(two):
    source = two.eve.address
    with Wire(two.eve.ns, "wlan0") as wire:
        for port in range(10000, 11500):
            for target, to in ((HOST, 80), (GATEWAY, 3990), (GATEWAY, 80)):
                packet = ipv4(source, target, 6, tcp(source, target, port, to, SYN, b""))
                wire.send(ethernet(two.mac, wire.mac, 0x0800, packet))
        assert len([frame for frame in wire.arrived(SETTLE) if is_ipv4(frame) and frame[47:48] == b"\x12"]) > 100
    assert int(two.gw.run("cat", TABLE)) < 50
    assert two.ada.login().status == 303
    assert two.ada.is_online()


def test_sixty_stations_that_hold_all_they_may_of_the_portal_do_not_keep_another_from_logging_in(two):
    with Wire(two.eve.ns, "wlan0") as wire:
        two.eve.ns.ip("link", "set", "wlan0", "promisc", "on")
        stations = [f"02:aa:00:00:00:{n:02x}" for n in range(60)]
        crowd = {lease_of(wire, mac): mac for mac in stations}
        first, held = 20000, 0
        while held < 512 and first < 20120:
            hold_connections(wire, two.mac, crowd, range(first, first + 12))
            first += 12
            held = two.gw.run("ss", "-Htn").count("ESTAB")
        assert held == 512
        assert two.ada.login().status == 303
        assert two.ada.is_online()


def test_a_website_that_leads_its_name_to_the_portal_neither_reads_nor_changes_anything(two):
    ada = two.ada
    assert ada.login().status == 303
    rebound = ("-H", "Host: rebound.example:3990")
    for path in ("/", "/status", "/success", "/captive-portal/api"):
        reply = ada.curl(PORTAL + path, *rebound)
        assert (reply.status, reply.location) == (303, f"{PORTAL}/"), path
        assert "ada" not in reply.body
    assert ada.curl(f"{PORTAL}/logout", *rebound, "-H", ORIGIN, "--data", "").status == 403
    assert ada.is_online()


def test_nobody_is_logged_in_or_out_on_behalf_of_another(two):
    ada, eve = two.guests
    address = ada.address
    assert ada.login().status == 303
    for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Client-IP", "True-Client-IP"):
        value = f"for={address}" if header == "Forwarded" else address
        eve.curl(f"{PORTAL}/logout", "-H", f"{header}: {value}", "--data", "")
        assert "ada" not in eve.curl(f"{PORTAL}/status", "-H", f"{header}: {value}").body
    evil = eve.curl(f"{PORTAL}/logout?ip={address}&mac={ada.mac}", "--data", f"ip={address}")
    assert evil.status in (303, 403)
    assert ada.is_online() and not eve.is_online()


def test_dhcp_messages_in_anothers_name_change_nothing(two):
    """chaddr, client identifier, relay address, addresses: all name ada, the frame comes from eve."""
    ada, eve = two.guests
    address = ada.address
    assert ada.login().status == 303
    with Wire(eve.ns, "wlan0") as wire:
        ours = bytes.fromhex(wire.mac.replace(":", ""))
        victim = bytes.fromhex(ada.mac.replace(":", ""))
        identifier = bytes((61, 7, 1)) + victim
        for kind in (DISCOVER, REQUEST, DECLINE, RELEASE):
            options = asks_for(address) + named(GATEWAY) + identifier
            by_name = claims(ada.mac, kind, address, options)
            wire.send(by_name[:6] + ours + by_name[12:])
            wire.send(claims(wire.mac, kind, address, options))
            relayed = bytearray(by_name[:6] + ours + by_name[12:])
            relayed[66:70] = packed("10.85.0.77")
            relayed[40:42] = b"\0\0"  # no checksum
            wire.send(bytes(relayed))
            for tag in (0x0FFF, 7):
                wire.send(vlan(claims(ada.mac, kind, address, options), tag))
        granted = [dhcp_answer(frame) for frame in wire.arrived(SETTLE)]
    assert address not in [answer[0] for answer in granted if answer]
    assert ada.is_online()
    assert ada.address == address
    [session] = two.gateway.sessions()
    assert (session["mac"], session["ip"]) == (ada.mac, address)


def test_who_gives_its_lease_back_does_not_get_fresh_tries_at_passwords(two):
    eve = two.eve
    for _ in range(5):
        assert eve.login(password="guess").status == 403
    assert eve.login(password="guess").status == 429
    with Wire(eve.ns, "wlan0") as wire:
        wire.send(claims(wire.mac, RELEASE, eve.address, named(GATEWAY)))
    assert eve.lease()
    assert eve.login(password="guess").status == 429


def test_a_pool_that_strangers_have_emptied_still_renews_the_lease_of_a_guest_that_is_online():
    with Lab(guests=2, settings={"lan": {"network": "10.85.0.0/27"}}) as lab:
        ada, eve = lab.guests
        assert ada.lease() and ada.login().status == 303
        address = ada.address
        with Wire(eve.ns, "wlan0") as wire:
            eve.ns.ip("link", "set", "wlan0", "promisc", "on")
            taken = {lease_of(wire, f"02:bb:00:00:00:{n:02x}") for n in range(28)}
            assert len(taken) == 28 and address not in taken
            # None is left, and asking for one that is taken gets nobody off it.
            assert wire.ask(dhcp("02:bb:00:00:01:01", DISCOVER), dhcp_answer, seconds=SETTLE) is None
            for n in range(200):
                options = asks_for(address) + named(GATEWAY)
                wire.send(dhcp(f"02:bb:00:00:02:{n:02x}", random.choice((DISCOVER, REQUEST)), options))
        assert ada.lease()
        assert ada.address == address
        assert ada.is_online()


def test_a_station_with_the_gateways_own_address_gets_no_lease():
    """Without a bridge, which would not let it through."""
    with Lab() as lab, Wire(lab.guest.ns, "wlan0") as wire:
        for frame in (dhcp(lab.gw.mac("lan0"), DISCOVER), dhcp("01:00:5e:00:00:01", DISCOVER)):
            assert wire.ask(frame, dhcp_answer, seconds=SETTLE) is None
        assert wire.ask(dhcp(wire.mac, DISCOVER), dhcp_answer) is not None


def test_a_flow_stops_in_both_directions_at_the_moment_its_guest_is_logged_out(two):
    ada = two.ada
    assert ada.login().status == 303
    server = two.inet.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((HOST, 4500))
    server.settimeout(2)
    with server, ada.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((HOST, 4500))
        client.settimeout(2)
        client.send(b"hello")
        _, peer = server.recvfrom(100)
        server.sendto(b"hello yourself", peer)
        assert client.recv(100) == b"hello yourself"
        two.gateway.cli("kick", ada.mac, "--socket", two.gateway.control)
        with Wire(ada.ns, "wlan0") as wire:
            for _ in range(5):
                server.sendto(MARK, peer)
            assert marked(wire.arrived(SETTLE)) == []
        # Only now: the machine itself has told the server that nobody takes its datagrams, and quoted them.
        with Wire(two.inet, "up0") as uplink, Wire(ada.ns, "wlan0") as wire:
            source = ada.address
            port = client.getsockname()[1]
            for _ in range(5):
                packet = ipv4(source, HOST, 17, udp(source, HOST, port, 4500))
                wire.send(ethernet(two.mac, wire.mac, 0x0800, packet))
            assert marked(uplink.arrived(SETTLE)) == []


def opens_flow(guest, server):
    """A datagram out and one back; the guest's socket, and where the server sees it come from."""
    client = guest.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(2)
    client.connect(server.getsockname())
    client.send(b"hello")
    _, peer = server.recvfrom(100)
    server.sendto(b"hello yourself", peer)
    assert client.recv(100) == b"hello yourself"
    return client, peer


def test_what_is_sent_to_a_guest_that_has_left_does_not_reach_the_next_one_with_its_address():
    with Lab(guests=3) as lab:
        ada, bob, eve = lab.guests
        assert all(guest.lease() for guest in lab.guests)
        assert ada.login().status == 303
        assert bob.login().status == 303
        server = lab.inet.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((HOST, 4500))
        server.settimeout(2)
        was_adas, (_, peer) = ada.address, opens_flow(ada, server)
        stays, to_bob = opens_flow(bob, server)
        with Wire(ada.ns, "wlan0") as wire:
            wire.send(claims(wire.mac, RELEASE, was_adas, named(GATEWAY)))
        with Wire(eve.ns, "wlan0") as wire:
            wire.send(claims(wire.mac, RELEASE, eve.address, named(GATEWAY)))
            answer = wire.ask(dhcp(wire.mac, REQUEST, asks_for(was_adas)), lambda frame: is_for(frame, wire.mac))
            assert dhcp_answer(answer)[0] == was_adas
            eve.ns.ip("addr", "flush", "dev", "wlan0")
            eve.ns.ip("addr", "add", f"{was_adas}/20", "dev", "wlan0")
            eve.ns.ip("route", "add", "default", "via", GATEWAY)
            assert eve.login().status == 303
            assert eve.is_online()
            list(wire.arrived())
            for _ in range(5):
                server.sendto(MARK, peer)
            assert marked(wire.arrived(SETTLE)) == []
        server.sendto(b"still there?", to_bob)
        assert stays.recv(100) == b"still there?"


def test_a_host_on_the_uplink_reaches_neither_guests_nor_the_portal(two):
    ada = two.ada
    assert ada.login().status == 303
    target, outside = ada.address, two.gw.mac("wan0")
    with Wire(two.inet, "up0") as uplink, Wire(ada.ns, "wlan0") as wire:
        for source in (HOST, GATEWAY, "10.85.0.77", "203.0.113.2", "127.0.0.1"):
            for to in (target, GATEWAY, "10.85.15.255", "255.255.255.255"):
                for protocol, payload in (
                    (1, icmp_echo()),
                    (6, tcp(source, to, 80, 3990, SYN)),
                    (6, tcp(source, to, 80, 40000, SYN_ACK)),
                    (17, udp(source, to, 53, 53)),
                    (17, udp(source, to, 68, 67)),
                ):
                    uplink.send(ethernet(outside, uplink.mac, 0x0800, ipv4(source, to, protocol, payload)))
        assert marked(wire.arrived(SETTLE)) == []
        answers = [frame for frame in uplink.arrived(SETTLE) if is_ipv4(frame) and packed(GATEWAY) in frame]
        assert answers == []
    assert ada.is_online()


def test_floods_of_invented_stations_do_not_stop_a_login(two):
    """10,000 stations ask for the gateway, 2,000 for a lease, one shouts without end."""
    ada, eve = two.guests
    dice = random.Random(7)

    def station():
        return "02:" + dice.randbytes(5).hex(":")

    asking = [ethernet(BROADCAST, mac, 0x0806, arp(1, mac, "0.0.0.0", mac, GATEWAY)) for mac in [station()] * 10_000]
    strangers = [
        ethernet(BROADCAST, mac, 0x0806, arp(1, mac, "0.0.0.0", mac, GATEWAY))
        for mac in (station() for _ in range(10_000))
    ]
    newcomers = [dhcp(station(), DISCOVER) for _ in range(2_000)]
    frames = asking + strangers + newcomers
    dice.shuffle(frames)
    done = threading.Event()

    def flood():
        with Wire(eve.ns, "wlan0") as wire:
            for frame in frames:
                wire.send(frame)
            for frame in frames:
                if done.is_set():
                    return
                wire.send(frame)

    before = two.gateway.log.stat().st_size
    shouting = threading.Thread(target=flood)
    shouting.start()
    try:
        ada.ns.ip("neigh", "flush", "dev", "wlan0")
        assert ada.login().status == 303
        assert ada.is_online()
        assert ada.lease()
    finally:
        done.set()
        shouting.join()
    assert two.gateway.log.stat().st_size - before < 1000
    assert two.gateway.memory_kb() < 100_000


def test_damaged_frames_of_every_kind_are_survived(two):
    dice = random.Random(20)
    source, process = two.eve.address, two.gateway.process
    with Wire(two.inet, "up0") as uplink, Wire(two.eve.ns, "wlan0") as wire:
        question = b"\x12\x34\1\0\0\1\0\0\0\0\0\0\6online\4test\0\0\1\0\1"
        seeds = [
            dhcp(wire.mac, DISCOVER, bytes((55, 3, 1, 3, 6))),
            claims(wire.mac, REQUEST, source, named(GATEWAY)),
            ethernet(two.mac, wire.mac, 0x0806, arp(1, wire.mac, source, two.mac, GATEWAY)),
            ethernet(two.mac, wire.mac, 0x0800, ipv4(source, GATEWAY, 17, udp(source, GATEWAY, 5, 53, question))),
            ethernet(two.mac, wire.mac, 0x0800, ipv4(source, HOST, 6, tcp(source, HOST, 5, 80, SYN))),
            ethernet(two.mac, wire.mac, 0x0800, ipv4(source, HOST, 6, tcp(source, HOST, 5, 443, ACK))),
            ethernet(two.mac, wire.mac, 0x0800, ipv4(source, GATEWAY, 1, icmp_echo())),
            ethernet(two.mac, wire.mac, 0x86DD, b"\x60" + bytes(5) + b"\x11\x40" + b"\xfe\x80" * 16 + MARK),
        ]
        for _ in range(6000):
            frame = bytearray(dice.choice(seeds))
            for _ in range(dice.randrange(1, 5)):
                frame[dice.randrange(12, len(frame))] = dice.randrange(256)
            # Never shorter than an Ethernet header, which the guest's own kernel would refuse.
            wire.send(bytes(frame[: dice.randrange(14, len(frame) + 1)]))
        assert marked(uplink.arrived(SETTLE)) == []
    assert process.poll() is None
    assert two.ada.login().status == 303
    assert two.ada.is_online()


def test_an_unprivileged_user_of_the_gateway_learns_no_secret_and_controls_nothing(two):
    assert two.ada.login().status == 303
    directory = two.directory
    for name in ("control", "accounts", "state/state.redb"):
        assert stat.S_IMODE((directory / name).stat().st_mode) & 0o077 == 0, name
    line = subprocess.run(["ps", "-o", "args=", "-p", str(two.gateway.process.pid)], capture_output=True, text=True)
    log = two.gateway.log.read_text().lower()
    for secret in ("lovelace", two.ada.mac, two.eve.mac):
        assert secret not in log
        assert secret not in line.stdout


def test_a_gateway_that_fails_to_come_back_leaves_guests_locked_in():
    """On a machine that would forward for the LAN by itself; an unprivileged user took the portal's port meanwhile."""
    with Lab(start=False) as lab:
        lab.gw.sysctl("net.ipv4.ip_forward", 1)
        lab.gateway.start()
        guest = lab.guest
        assert guest.lease()
        source, mac = guest.address, lab.gw.mac("lan0")
        done = threading.Event()
        with Wire(lab.inet, "up0") as uplink, Wire(guest.ns, "wlan0") as wire:
            packets = [ipv4(source, HOST, 17, udp(source, HOST, 4500, port)) for port in (53, 443, 4500)]

            def send():
                while not done.is_set():
                    for packet in packets:
                        wire.send(ethernet(mac, wire.mac, 0x0800, packet))

            sending = threading.Thread(target=send)
            sending.start()
            try:
                lab.gateway.kill()
                with lab.gw.socket(socket.AF_INET, socket.SOCK_STREAM) as squatter:
                    squatter.bind(("0.0.0.0", 3990))
                    squatter.listen()
                    failed = lab.gw.status(binary(), "run", "--config", lab.gateway.config, timeout=10)
                    assert failed != 0
                    assert marked(uplink.arrived(SETTLE)) == []
                lab.gateway.start()
                assert marked(uplink.arrived(SETTLE)) == []
            finally:
                done.set()
                sending.join()
        assert guest.login().status == 303
        assert guest.is_online()


def test_whoever_guesses_a_password_with_ever_new_devices_is_slowed_down_and_who_knows_it_is_not(two):
    ada, eve = two.ada, two.eve
    assert ada.login().status == 303
    assert ada.logout().status == 303
    statuses = []
    for n in range(14):
        eve.ns.ip("link", "set", "wlan0", "address", f"02:aa:00:00:01:{n:02x}")
        assert eve.lease()
        statuses += [eve.login(password=f"guess {n} {m}").status for m in range(5)]
    assert statuses[:60] == [403] * 60 and 429 in statuses[60:], statuses
    assert ada.login().status == 303, "the device that was let in before is asked about all the same"
    two.gateway.add_user("ben", "secret")
    assert eve.login("ben", "secret").status == 429, "this device has used its own five up"
    assert "somebody guesses a password" in two.gateway.log.read_text()


def test_whoever_hangs_up_before_the_server_refuses_has_lost_tries_too():
    """Servers let a No wait and a Yes not (FreeRADIUS: reject_delay), so that guessing is slow for who waits."""
    guesses = set()
    with Lab(start=False, settings=aaa.settings()) as lab:
        radius = server(lambda request: guesses.add(request[4:20]))(lab, None)
        try:
            lab.gateway.start()
            for n in range(44):
                lab.guest.ns.ip("link", "set", "wlan0", "address", f"02:aa:00:00:01:{n:02x}")
                assert lab.guest.lease()
                form = f"name={('ada', 'Ada', 'ADA ')[n % 3]}&password=guess"
                curl = ("curl", "-s", "-m", 0.2, "-o", "/dev/null", "--data", form, f"{PORTAL}/login")
                for hung_up in [lab.guest.ns.spawn(*curl) for _ in range(5)]:
                    hung_up.wait()
            # Two count as one that is answered, and one more of these comes back in two seconds.
            assert 100 < len(guesses) < 200, f"{len(guesses)} of 220"
        finally:
            lab.gateway.stop()
            radius.stop()
