"""A switch with access ports and a trunk, because not every kernel that runs the tests has VLAN interfaces."""

import select
import socket
import struct
import threading

from frames import ETH_P_ALL, vlan

SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
AUXDATA = struct.Struct("=IIIHHHH")
"""struct tpacket_auxdata: status, two lengths, two offsets, tag, its ethertype."""
TAG_IS_VALID = 1 << 4
TAGGED = (b"\x81\x00", b"\x88\xa8")


class Switch:
    """Frames of each port travel over the trunk with the port's tag; `ports` is name -> VLAN, or None without a tag."""

    def __init__(self, ns, trunk, ports):
        self.trunk = self.open(ns, trunk)
        self.ports = {self.open(ns, name): tag for name, tag in ports.items()}
        self.from_gateway = []
        """(tag or None, frame without it) of all that the gateway sent."""
        self.ended, self.wake = socket.socketpair()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @staticmethod
    def open(ns, name):
        made = ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        made.bind((name, ETH_P_ALL))
        made.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        return made

    def run(self):
        sockets = [self.trunk, *self.ports]
        while True:
            ready, _, _ = select.select([self.ended, *sockets], [], [])
            if self.ended in ready:
                return
            for source in ready:
                tag, frame = receive(source)
                if source is not self.trunk:
                    tag = self.ports[source]
                    self.trunk.send(frame if tag is None else vlan(frame, tag))
                    continue
                self.from_gateway.append((tag, frame))
                for port in (port for port, of in self.ports.items() if of == tag):
                    port.send(frame)

    def stop(self):
        self.wake.close()
        self.thread.join()
        for each in (self.ended, self.trunk, *self.ports):
            each.close()


def receive(source):
    """(tag or None, frame without it). The kernel takes the tag out of a frame and tells it beside."""
    frame, ancillary, _, _ = source.recvmsg(65536, 256)
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, *_, tag, _ = AUXDATA.unpack(data[: AUXDATA.size])
            if status & TAG_IS_VALID:
                return tag & 0xFFF, frame
    if frame[12:14] in TAGGED:
        return int.from_bytes(frame[14:16], "big") & 0xFFF, frame[:12] + frame[16:]
    return None, frame
