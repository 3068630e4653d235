"""Programs that log in by EAP (WISPr 2.0), against FreeRADIUS."""

import base64
import contextlib
import hashlib
import ssl
import struct
from urllib.parse import quote

from eap import EapRadius
from internet import wait_for
from subject import USERS
from test_wispr import xml_of

IDENTITY, NAK, MD5, TTLS = 1, 3, 4, 21
LENGTH, MORE = 0x80, 0x40
"""Flags of a message of TTLS (RFC 5281, 9.1)."""


class Program:
    """A supplicant that speaks EAP-MD5 (RFC 3748, 5.4), from a guest's namespace."""

    name = "ada"

    def __init__(self, subject, ns=None):
        self.subject, self.ns = subject, ns or subject.ns
        # As programs do, who find the gateway by it.
        _, told = xml_of(self.within(subject.led, "/"))
        self.first = base64.b64decode(told["EAPMsg"])

    def within(self, does, *words):
        """What the subject does, in this guest's place."""
        own = self.subject.ns
        self.subject.ns = self.ns
        try:
            return does(*words)
        finally:
            self.subject.ns = own

    def answer(self, eap_id, kind, data=b""):
        """One round: what the gateway says to a response."""
        message = struct.pack("!BBHB", 2, eap_id, 5 + len(data), kind) + data
        encoded = quote(base64.b64encode(message).decode(), safe="")
        # CoovaChilli wants the name beside the message, too.
        path = f"/login?username={self.name}&WISPrVersion=2.0&WISPrEAPMsg={encoded}"
        answer = self.within(self.subject.get, path)
        name, told = xml_of(answer)
        assert name == "EAPAuthenticationReply" and told["MessageType"] == "121"
        return told["ResponseCode"], base64.b64decode(told.get("EAPMsg") or ""), told

    def begins(self, name, eap_id=0):
        """The question that a server asks who says this name: its identifier, and the MD5 challenge in it."""
        self.name = name
        code, asked, told = self.answer(eap_id, IDENTITY, name.encode())
        if code == "10" and asked[4] != MD5:
            code, asked, told = self.answer(asked[1], NAK, bytes([MD5]))
        assert code == "10", told
        assert asked[0] == 1 and asked[4] == MD5
        assert "res=wispr" in told["LoginURL"]
        return asked[1], asked[6 : 6 + asked[5]]

    def proves(self, asked, password):
        eap_id, challenge = asked
        return self.answer(eap_id, MD5, b"\x10" + hashlib.md5(bytes([eap_id]) + password.encode() + challenge).digest())


def avp(code, value):
    """RFC 5281, 10.1: an attribute within the tunnel, mandatory."""
    return struct.pack("!IBBH", code, 0x40, 0, 8 + len(value)) + value.ljust(-(-len(value) // 4) * 4, b"\0")


class Tunnel(Program):
    """A supplicant that speaks EAP-TTLS with PAP (RFC 5281, 11.2.5)."""

    def log_in(self, name, password):
        """The code of the last answer, how many rounds there were, and the octets of the longest message each way."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # it is nobody's host
        context.load_verify_locations(self.subject.lab.radius.directory / "ca.pem")
        coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(coming, going)
        code, asked, told = self.answer(0, IDENTITY, name)
        assert code == "10", told
        if asked[4] != TTLS:
            code, asked, told = self.answer(asked[1], NAK, bytes([TTLS]))
        rounds, has_shown, ours, theirs = 0, False, 0, 0
        while code == "10":
            rounds += 1
            flags = asked[5]
            coming.write(asked[10 if flags & LENGTH else 6 :])
            theirs = max(theirs, len(asked))
            if not flags & MORE and not has_shown:
                with contextlib.suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                    tls.write(avp(1, name) + avp(2, password.ljust(16, b"\0")))
                    has_shown = True
            message = b"\0" + going.read()
            ours = max(ours, len(message))
            code, asked, told = self.answer(asked[1], TTLS, message)
        return code, rounds, ours, theirs


@contextlib.contextmanager
def by_eap(made, guests=1):
    users = USERS.replace("DEFAULT", 'card Cleartext-Password := "card"\n    User-Name = "card 7"\n\nDEFAULT', 1)
    with made(users=users, radius=EapRadius, guests=guests) as subject:
        yield subject


def test_a_program_logs_in_in_several_rounds(made):
    with by_eap(made) as subject:
        program = Program(subject)
        first = program.first
        assert first[:1] + first[2:] == b"\x01\x00\x05\x01", "who are you?"
        asked = program.begins("ada", first[1])
        assert not subject.is_online()
        code, end, told = program.proves(asked, "lovelace")
        assert (code, end) == ("50", bytes([3, asked[0], 0, 4]))
        assert told["MaxSessionTime"] == "7200" and told["LogoffURL"].endswith("/logoff")
        assert subject.is_online()
        assert subject.lab.radius.wait("Start")["User-Name"] == "ada"
        subject.follow(told["LogoffURL"])
        # The server's name for the account counts, with us.
        assert program.proves(program.begins("card"), "card")[0] == "50"
        radius = subject.lab.radius
        begun = wait_for(lambda: radius.records("Start")[1:], "accounting of the second session", 15)
        assert [record["User-Name"] for record in begun] == [
            "card 7" if subject.differs("name of the account") else "card"
        ]


def test_a_method_with_a_tunnel_takes_as_many_rounds_and_octets_as_it_needs(made):
    with by_eap(made) as subject:
        program = Tunnel(subject)
        code, rounds, *_ = program.log_in(b"ada", b"wrong")
        assert code == "100" and not subject.is_online()
        code, rounds, ours_octets, theirs_octets = program.log_in(b"ada", b"lovelace")
        assert code == "50"
        assert rounds > 2
        # More than one attribute of RADIUS holds, both ways.
        assert min(ours_octets, theirs_octets) > 253
        assert subject.is_online()
        assert subject.lab.radius.wait("Start")["User-Name"] == "ada"


def test_a_wrong_password_or_an_old_answer_lets_nobody_in(made):
    with by_eap(made) as subject:
        program = Program(subject)
        asked = program.begins("ada")
        code, end, _ = program.proves(asked, "wrong")
        assert (code, end) == ("100", bytes([4, asked[0], 0, 4]) if subject.differs("end of eap") else b"")
        # The conversation is over: the right answer comes too late.
        assert program.proves(asked, "lovelace")[0] == "100"
        assert not subject.is_online()
        assert program.proves(program.begins("ada"), "lovelace")[0] == "50"


def test_a_guest_cannot_go_on_with_another_ones_conversation(made):
    with by_eap(made, guests=2) as subject:
        ada = Program(subject)
        asked = ada.begins("ada")
        other = subject.lab.guests[1]
        assert other.lease()
        thief = Program(subject, other.ns)
        assert thief.proves(asked, "lovelace")[0] == "100"
        assert ada.proves(asked, "lovelace")[0] == "50", "nor end it"


def test_rounds_are_no_tries_and_conversations_are(made):
    with by_eap(made) as subject:
        program = Program(subject)
        for _ in range(5):
            asked = program.begins("ada")
            assert program.proves(asked, "wrong")[0] == "100"
        code, _, told = program.answer(0, IDENTITY, b"ada")
        if subject.differs("attempts"):
            assert code == "255" and "many" in told["ReplyMessage"].lower()
        else:
            assert code == "10"


def test_an_accept_without_a_word_of_eap_lets_nobody_in(made):
    with made(users="ada Auth-Type := Accept\n") as subject:
        code, _, _ = Program(subject).answer(0, IDENTITY, b"ada")
        assert "Login OK" in subject.lab.radius.log.read_text()
        assert (code, subject.is_online()) == (
            ("100", False) if subject.differs("accept without eap") else ("50", True)
        )
