"""The operator hears of stations that lead guests elsewhere."""

import contextlib
import json
import time

from frames import Wire, ethernet, ipv6
from lab import Lab


@contextlib.contextmanager
def misplugged_router(guest, directory):
    """A home router, its own LAN towards the guests: DHCP and IPv6 router advertisements."""
    guest.ns.ip("addr", "add", "192.168.1.1/24", "dev", "wlan0")
    guest.ns.sysctl("net.ipv6.conf.wlan0.disable_ipv6", 0)
    guest.ns.ip("-6", "addr", "add", "fd00:1::1/64", "dev", "wlan0", "nodad")
    argv = [
        *("dnsmasq", "--keep-in-foreground", "--user=root", "--group=root", "--conf-file=/dev/null", "--port=0"),
        *("--interface=wlan0", "--bind-interfaces", "--dhcp-range=192.168.1.10,192.168.1.99,10m"),
        *("--enable-ra", "--dhcp-range=fd00:1::,ra-only", f"--dhcp-leasefile={directory / 'leases'}"),
    ]
    process = guest.ns.spawn(*argv)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def told(lab):
    return json.loads(lab.gateway.cli("sessions", "--json", "--socket", lab.gateway.control))


def rogues(lab, wanted, seconds=20):
    """What is told of rogues, as soon as these are among them."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stations = told(lab)["rogues"]["stations"]
        if wanted <= {station["plays"] for station in stations}:
            return stations
        time.sleep(0.2)
    raise AssertionError(f"heard of {stations}, wanted {wanted}")


def test_a_misplugged_home_router_is_told_of_with_its_address_though_no_guest_asked_it(tmp_path):
    with Lab(guests=2, start=False) as lab, misplugged_router(lab.guests[1], tmp_path):
        lab.gateway.start()  # it asks at once
        stations = rogues(lab, {"dhcp_server", "ipv6_router"})
        by = {station["plays"]: station for station in stations}
        assert by["dhcp_server"]["address"] == "192.168.1.1"
        assert by["ipv6_router"]["address"].startswith("fe80::")
        assert {station["mac"] for station in stations} == {lab.guests[1].mac}
        said = lab.gateway.cli("sessions", "--socket", lab.gateway.control)
        assert f"another DHCP server on the guests' network: {lab.guests[1].mac}, calls itself 192.168.1.1" in said
        assert "calls itself 192.168.1.1" in lab.gateway.log.read_text()


def test_a_gateway_alone_hears_of_nobody_and_takes_no_lease(lab):
    assert lab.guest.lease("dhclient")
    assert lab.guest.login().status == 303
    time.sleep(1)
    reply = told(lab)
    assert reply["rogues"] == {"stations": [], "unlisted_messages": 0}
    assert [guest["mac"] for guest in reply["guests"]] == [lab.guest.mac]


def test_a_forged_advertisement_is_told_of_and_reaches_nobody(lab):
    advertisement = bytes([134, 0, 0, 0, 64, 0, 7, 8]) + bytes(8)
    packet = bytearray(ipv6("fe80::bad", "ff02::1", 58, advertisement))
    packet[7] = 255
    with Wire(lab.guest.ns, "wlan0") as wire, Wire(lab.internet.ns, "up0") as beyond:
        wire.send(ethernet("33:33:00:00:00:01", wire.mac, 0x86DD, bytes(packet)))
        [station] = rogues(lab, {"ipv6_router"})
        assert (station["address"], station["mac"]) == ("fe80::bad", wire.mac)
        assert not [frame for frame in beyond.arrived(0.3) if bytes(packet[8:24]) in frame]
