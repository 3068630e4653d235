"""A RADIUS server that says what a test has it say."""

import hashlib
import hmac
import socket
import threading

from aaa import ADDRESS

MESSAGE_AUTHENTICATOR = bytes((80, 18))


def server(answer):
    """A server that answers a request with what `answer` makes of it; silent if that is nothing."""

    class Server:
        def __init__(self, lab, _):
            lab.inet.ip("addr", "add", f"{ADDRESS}/32", "dev", "lo")
            self.udp = lab.inet.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind((ADDRESS, 1812))
            self.thread = threading.Thread(target=self.serve)
            self.thread.start()

        def serve(self):
            while True:
                request, client = self.udp.recvfrom(4096)
                if not request:
                    return
                reply = answer(request)
                if reply:
                    self.udp.sendto(reply, client)

        def stop(self):
            self.udp.sendto(b"", (ADDRESS, 1812))
            self.thread.join()
            self.udp.close()

    return Server


def accept(request, secret, signed=True, more=b""):
    return reply(2, request, secret, signed, more)


def attributes(request):
    """Type and value of each; those of vendors as (26, vendor, type)."""
    found, at = {}, 20
    while at < len(request):
        kind, value = request[at], request[at + 2 : at + request[at + 1]]
        found[(26, int.from_bytes(value[:4], "big"), value[4]) if kind == 26 else kind] = (
            value[6:] if kind == 26 else value
        )
        at += request[at + 1]
    return found


def of_vendor(vendor, kind, value):
    inner = bytes((kind, len(value) + 2)) + value
    return bytes((26, len(inner) + 6)) + vendor.to_bytes(4, "big") + inner


def reject(request, secret):
    return reply(3, request, secret)


def reply(code, request, secret, signed=True, more=b""):
    """RFC 2865, 3 and RFC 3579, 3.2."""
    said = (MESSAGE_AUTHENTICATOR + bytes(16) if signed else b"") + more
    head = bytes((code, request[1])) + (20 + len(said)).to_bytes(2, "big")
    if signed:
        over = head + request[4:20] + said
        said = MESSAGE_AUTHENTICATOR + hmac.digest(secret.encode(), over, "md5") + more
    return head + hashlib.md5(head + request[4:20] + said + secret.encode()).digest() + said
