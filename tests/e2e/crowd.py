"""Many guests who are online beside the one that a test looks at: they have leases and sessions, and are silent."""

import json
import socket
import struct
from concurrent.futures import ThreadPoolExecutor

from frames import Wire, dhcp

MAC, XID, CHADDR, OPTIONS = 6, 46, 70, 282
"""Offsets in a frame: source MAC, transaction, client's MAC, options."""
SERVER_REPLY = b"\0\x43\0\x44"
GIVE_UP = 2.0
"""Seconds without an answer after which what is in flight counts as lost."""


def crowd(lab, guests):
    """Leases and sessions for so many guests."""
    if guests <= 0:
        return
    with Wire(lab.guest.ns, lab.guest.nic, buffer=64 << 20) as wire:
        leased = lease(wire, guests, 64)
    if leased < guests:
        raise RuntimeError(f"{guests - leased} of {guests} guests have no lease")
    # Each takes a tenth of a second: their former packets have to have settled.
    with ThreadPoolExecutor(8) as together:
        list(together.map(lambda n: let_in(lab, ":".join(f"{octet:02x}" for octet in mac(n))), range(guests)))


def let_in(lab, guest):
    """What `poblano login` does."""
    ask(lab, {"command": "login", "guest": guest, "user": "crowd"})


def ask(lab, request):
    """What the program does for an operator, without a process for each guest."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(lab.gateway.control))
        control.sendall(json.dumps(request).encode() + b"\n")
        reply = json.loads(control.makefile().readline())
    if "error" in reply:
        raise RuntimeError(reply["error"])
    return reply


def mac(n):
    return b"\x02\x99" + struct.pack("!I", n)


def template(kind, options):
    """A client's message; the UDP checksum is off, as RFC 768 allows, so that fields can be written into it."""
    frame = bytearray(dhcp("02:00:00:00:00:00", kind, options))
    frame[40:42] = b"\0\0"
    return frame


def lease(wire, guests, window):
    """Asks for leases for so many guests, `window` of them at a time; returns how many have one."""
    discover = template(1, b"")
    request = template(3, b"\x32\x04\0\0\0\0\x36\x04\0\0\0\0")
    wanted = OPTIONS + 3
    socket, next_guest, done, in_flight = wire.socket, 0, 0, 0
    socket.settimeout(GIVE_UP)
    while done < guests:
        while next_guest < guests and in_flight < window:
            discover[MAC : MAC + 6] = discover[CHADDR : CHADDR + 6] = mac(next_guest)
            discover[XID : XID + 4] = struct.pack("!I", next_guest)
            socket.send(discover)
            next_guest += 1
            in_flight += 1
        try:
            frame, (_, _, direction, _, _) = socket.recvfrom(2048)
        except TimeoutError:
            break
        if direction == 4 or frame[34:38] != SERVER_REPLY:
            continue
        options = frame[OPTIONS:]
        kind = options[options.index(b"\x35\x01") + 2]
        if kind == 2:
            client = frame[CHADDR : CHADDR + 6]
            request[MAC : MAC + 6] = request[CHADDR : CHADDR + 6] = client
            request[XID : XID + 4] = frame[XID : XID + 4]
            request[wanted + 2 : wanted + 6] = frame[58:62]
            server = options.index(b"\x36\x04") + 2
            request[wanted + 8 : wanted + 12] = options[server : server + 4]
            socket.send(request)
        elif kind == 5:
            done += 1
            in_flight -= 1
    return done
