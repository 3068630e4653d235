"""Distance between the gateway and the Internet: a wire on which every frame takes its time.

For kernels without netem. Offload headers go along, so that super-packets stay whole and a Python program carries
some hundred Mbit/s.
"""

import collections
import select
import socket
import threading
import time

from frames import ETH_P_ALL
from lab import UPSTREAM

SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
BUFFER = 8 << 20


class Distance:
    """Stands between the gateway's wan0 and the Internet's up0 of a lab whose gateway does not run yet."""

    def __init__(self, lab, round_trip_secs):
        self.one_way = round_trip_secs / 2
        middle = lab.machine("distance")
        lab.inet.ip("link", "set", "up0", "netns", middle.name, "name", "near")
        middle.ip("link", "add", "far", "type", "veth", "peer", "name", "up0", "netns", lab.inet.name)
        for machine, interface in ((middle, "near"), (middle, "far"), (lab.inet, "up0")):
            machine.ip("link", "set", interface, "up")
        lab.inet.ip("addr", "add", f"{UPSTREAM}/24", "dev", "up0")
        near, far = (self.open(middle, name) for name in ("near", "far"))
        self.other = {near: far, far: near}
        self.lost = 0
        """Frames that an interface did not take."""
        self.ended, self.wake = socket.socketpair()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @staticmethod
    def open(ns, name):
        made = ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        made.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        made.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER)
        made.setblocking(False)
        made.bind((name, ETH_P_ALL))
        return made

    def run(self):
        under_way = collections.deque()
        room = bytearray(1 << 17)
        view = memoryview(room)
        while True:
            wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
            ready, _, _ = select.select([self.ended, *self.other], [], [], wait)
            if self.ended in ready:
                return
            for source in ready:
                for _ in range(64):
                    try:
                        length = source.recv_into(room)
                    except BlockingIOError:
                        break
                    under_way.append((time.monotonic() + self.one_way, self.other[source], bytes(view[:length])))
            now = time.monotonic()
            while under_way and under_way[0][0] <= now:
                _, target, frame = under_way.popleft()
                try:
                    target.send(frame)
                except OSError:
                    self.lost += 1

    def stop(self):
        self.wake.close()
        self.thread.join()
        for each in (self.ended, *self.other):
            each.close()
