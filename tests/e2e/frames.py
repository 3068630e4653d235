"""Raw frames: what a hostile guest sends, and a sniffer that tells what came through."""

import ipaddress
import itertools
import select
import socket
import struct
import time

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_STATISTICS, PACKET_VNET_HDR = 263, 6, 15
VNET_HEADER = struct.Struct("=BBHHHH")
"""struct virtio_net_hdr: flags, kind, length of headers, size of a segment's payload, checksum's start and place."""
BROADCAST = "ff:ff:ff:ff:ff:ff"
MARK = b"MUST-NOT-LEAVE"
"""Each frame of an unauthenticated guest carries this, so that a leak is recognised behind NAT too."""


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(dst, src, kind, payload):
    return (mac_bytes(dst) + mac_bytes(src) + struct.pack("!H", kind) + payload).ljust(60, b"\0")


def vlan(frame, tag, kind=0x8100):
    return frame[:12] + struct.pack("!HH", kind, tag) + frame[12:]


def ipv4(src, dst, protocol, payload, fragment=0, ttl=64, options=b""):
    """`fragment` is the whole field: flags and offset in 8-octet units."""
    a, b = (ipaddress.ip_address(x).packed for x in (src, dst))
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, words * 4 + len(payload), 77, fragment, ttl, protocol, 0)
    head += a + b + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def pseudo(src, dst, protocol, segment):
    a, b = (ipaddress.ip_address(x).packed for x in (src, dst))
    return a + b + struct.pack("!BBH", 0, protocol, len(segment))


def udp(src, dst, sport, dport, payload=MARK):
    bare = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    total = checksum(pseudo(src, dst, 17, bare) + bare) or 0xFFFF
    return bare[:6] + struct.pack("!H", total) + bare[8:]


def tcp(src, dst, sport, dport, flags, payload=MARK):
    bare = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 0x50, flags, 8192, 0, 0) + payload
    return bare[:16] + struct.pack("!H", checksum(pseudo(src, dst, 6, bare) + bare)) + bare[18:]


def icmp_echo(payload=MARK):
    bare = struct.pack("!BBHHH", 8, 0, 0, 1, 1) + payload
    return bare[:2] + struct.pack("!H", checksum(bare)) + bare[4:]


def ipv6(src, dst, protocol, payload):
    a, b = (ipaddress.ip_address(x).packed for x in (src, dst))
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + a + b + payload


def arp(operation, sender_mac, sender_ip, target_mac, target_ip):
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    a, b = (ipaddress.ip_address(x).packed for x in (sender_ip, target_ip))
    return head + mac_bytes(sender_mac) + a + mac_bytes(target_mac) + b


def every_kind(mac, gateway_mac, src, dst):
    """(name, frame) of every kind of packet a guest could try to get past the portal with."""

    def ip(protocol, payload, **fields):
        return ethernet(gateway_mac, mac, 0x0800, ipv4(src, dst, protocol, payload, **fields))

    yield "tcp syn", ip(6, tcp(src, dst, 40000, 443, 0x02))
    yield "tcp ack without a connection", ip(6, tcp(src, dst, 40001, 443, 0x10))
    yield "tcp reset", ip(6, tcp(src, dst, 40002, 443, 0x04))
    yield "tcp ssh", ip(6, tcp(src, dst, 40003, 22, 0x02))
    yield "udp", ip(17, udp(src, dst, 40000, 4500))
    yield "udp quic", ip(17, udp(src, dst, 40000, 443))
    yield "udp from port 53", ip(17, udp(src, dst, 53, 4500))
    yield "udp from port 67", ip(17, udp(src, dst, 67, 4500))
    yield "udp to port 67", ip(17, udp(src, dst, 68, 67))
    yield "icmp echo", ip(1, icmp_echo())
    yield "gre", ip(47, b"\0\0\x08\0" + MARK)
    yield "esp", ip(50, b"\0\0\0\1" + MARK)
    yield "ip in ip", ip(4, ipv4(src, dst, 17, udp(src, dst, 1, 2)))
    yield "sctp", ip(132, b"\0\1\0\2\0\0\0\0\0\0\0\0" + MARK)
    yield "protocol 255", ip(255, MARK)
    whole = udp(src, dst, 40000, 4500, MARK * 8)
    yield "first fragment", ip(17, whole[:64], fragment=0x2000)
    yield "last fragment", ip(17, whole[64:], fragment=8)
    yield "lone fragment of tcp to port 80", ip(6, MARK * 2, fragment=0x2000 | 100)
    yield (
        "source route",
        ip(17, udp(src, dst, 40000, 4500), options=b"\x83\x07\x04" + ipaddress.ip_address(dst).packed + b"\0"),
    )
    yield "time to live of 1", ip(17, udp(src, dst, 40000, 4500), ttl=1)
    for name, target in (("broadcast", BROADCAST), ("multicast", "01:00:5e:00:00:fb")):
        yield (
            f"udp in an ethernet {name}",
            ethernet(target, mac, 0x0800, ipv4(src, dst, 17, udp(src, dst, 40000, 4500))),
        )
    six = ipv6("fe80::1234", "2001:db8::80", 17, MARK)
    yield "ipv6", ethernet(gateway_mac, mac, 0x86DD, six)
    yield "ipv6 to everybody", ethernet("33:33:00:00:00:01", mac, 0x86DD, ipv6("fe80::1234", "ff02::1", 17, MARK))
    yield "ipv6 in ipv4", ip(41, six)
    for kind in (0x0806, 0x8863, 0x8864, 0x88CC, 0x888E, 0x8847, 0x88B5, 0x05FF, 0x0100):
        yield f"ethertype {kind:#06x}", ethernet(gateway_mac, mac, kind, MARK)
        yield f"ethertype {kind:#06x} to everybody", ethernet(BROADCAST, mac, kind, MARK)
    for tag in (0, 1, 100, 4095):
        yield f"vlan {tag}", vlan(ip(17, udp(src, dst, 40000, 4500)), tag)
    yield "two vlan tags", vlan(vlan(ip(17, udp(src, dst, 40000, 4500)), 5), 6)
    yield "service vlan tag", vlan(ip(17, udp(src, dst, 40000, 4500)), 5, 0x88A8)
    bad = bytearray(ip(17, udp(src, dst, 40000, 4500)))
    bad[14] = 0x46  # a header longer than what it says
    yield "header with a wrong length", bytes(bad)
    bad[14] = 0x55
    yield "version 5", bytes(bad)
    yield "short header", ethernet(gateway_mac, mac, 0x0800, MARK[:12])


class Wire:
    """A raw socket on an interface of a namespace, to send and to listen.

    With `headers` it only listens, and a frame is a pair: (payload of a super-packet's segment or 0, frame).
    """

    def __init__(self, ns, interface, buffer=1 << 22, headers=False):
        self.headers = headers
        self.socket = ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((interface, ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer)
        if headers:
            self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.mac = self.socket.getsockname()[4].hex(":")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, frame):
        self.socket.send(frame)

    def arrived(self, seconds=0.0):
        """Frames received from the wire, without those this machine sent."""
        return (frame for outgoing, frame in self.both_ways(seconds) if not outgoing)

    def both_ways(self, seconds=0.0):
        """(sent by this machine, frame) of everything that went by."""
        end = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self.socket], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return
            frame, (_, _, kind, _, _) = self.socket.recvfrom(VNET_HEADER.size + 65550)
            if self.headers:
                *_, size, _, _ = VNET_HEADER.unpack(frame[: VNET_HEADER.size])
                frame = size, frame[VNET_HEADER.size :]
            yield kind == socket.PACKET_OUTGOING, frame

    def lost(self):
        """Frames that had no room in the buffer since the last call."""
        return struct.unpack("=II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]

    def ask(self, frame, answer, seconds=5.0):
        """Sends, and waits for the first frame for which `answer` says yes."""
        self.send(frame)
        return next(filter(answer, self.arrived(seconds)), None)


def is_ipv4(frame):
    return frame[12:14] == b"\x08\x00"


TRANSACTIONS = itertools.count(0x50620000)


def dhcp(mac, kind, options=b"", transaction=None, own="0.0.0.0"):
    """A DHCP message of a client that has the address `own`, in a frame to everybody (RFC 2131, section 2)."""
    transaction = next(TRANSACTIONS) if transaction is None else transaction
    address, station = ipaddress.ip_address(own).packed, mac_bytes(mac)
    bootp = struct.pack("!BBBBIHH4s12s16s", 1, 1, 6, 0, transaction, 0, 0x8000, address, b"", station)
    body = bootp.ljust(236, b"\0") + b"\x63\x82\x53\x63" + bytes((53, 1, kind)) + options + b"\xff"
    packet = ipv4(own, "255.255.255.255", 17, udp(own, "255.255.255.255", 68, 67, body.ljust(300, b"\0")))
    return ethernet(BROADCAST, mac, 0x0800, packet)


def dhcp_answer(frame):
    """(yiaddr, siaddr, file, options) of a server's message, or None for another frame."""
    if len(frame) < 282 or not is_ipv4(frame) or frame[23] != 17 or frame[34:38] != b"\0\x43\0\x44":
        return None
    body = frame[42:]
    options, rest = {}, body[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        options[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    file = body[108:236].rstrip(b"\0").decode()
    return str(ipaddress.ip_address(body[16:20])), str(ipaddress.ip_address(body[20:24])), file, options
