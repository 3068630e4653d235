"""Programs that log in by EAP (WISPr 2.0), against FreeRADIUS."""

import base64
import contextlib
import hashlib
import struct
from urllib.parse import quote

from eap import EapRadius
from internet import wait_for
from subject import USERS
from test_wispr import xml_of

IDENTITY, NAK, MD5 = 1, 3, 4


class Program:
    """A supplicant that speaks EAP-MD5 (RFC 3748, 5.4), from a guest's namespace."""

    def __init__(self, subject, ns=None):
        self.subject, self.ns = subject, ns or subject.ns

    def answer(self, eap_id, kind, data=b""):
        """One round: what the gateway says to a response."""
        message = struct.pack("!BBHB", 2, eap_id, 5 + len(data), kind) + data
        subject, own = self.subject, self.subject.ns
        subject.ns = self.ns
        try:
            encoded = quote(base64.b64encode(message).decode(), safe="")
            answer = subject.get(f"/login?WISPrVersion=2.0&WISPrEAPMsg={encoded}")
        finally:
            subject.ns = own
        name, told = xml_of(answer)
        assert name == "EAPAuthenticationReply" and told["MessageType"] == "121"
        return told["ResponseCode"], base64.b64decode(told.get("EAPMsg", "")), told

    def begins(self, name, eap_id=0):
        """The question that a server asks who says this name: its identifier, and the MD5 challenge in it."""
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


@contextlib.contextmanager
def by_eap(ours, guests=1):
    users = USERS.replace("DEFAULT", 'card Cleartext-Password := "card"\n    User-Name = "card 7"\n\nDEFAULT', 1)
    with ours(users=users, radius=EapRadius, guests=guests) as subject:
        yield subject


def test_a_program_logs_in_in_several_rounds(ours):
    with by_eap(ours) as subject:
        _, told = xml_of(subject.led("/"))
        first = base64.b64decode(told["EAPMsg"])
        assert first[:1] + first[2:] == b"\x01\x00\x05\x01", "who are you?"
        program = Program(subject)
        asked = program.begins("ada", first[1])
        assert not subject.is_online()
        code, end, told = program.proves(asked, "lovelace")
        assert (code, end) == ("50", bytes([3, asked[0], 0, 4]))
        assert told["MaxSessionTime"] == "7200" and told["LogoffURL"].endswith("/logoff")
        assert subject.is_online()
        assert subject.lab.radius.wait("Start")["User-Name"] == "ada"
        subject.follow(told["LogoffURL"])
        # The server's name for the account counts.
        assert program.proves(program.begins("card"), "card")[0] == "50"
        radius = subject.lab.radius
        begun = wait_for(lambda: radius.records("Start")[1:], "accounting of the second session", 15)
        assert [record["User-Name"] for record in begun] == ["card 7"]


def test_a_wrong_password_or_an_old_answer_lets_nobody_in(ours):
    with by_eap(ours) as subject:
        program = Program(subject)
        asked = program.begins("ada")
        code, end, _ = program.proves(asked, "wrong")
        assert (code, end) == ("100", bytes([4, asked[0], 0, 4]))
        # The conversation is over: the right answer comes too late.
        assert program.proves(asked, "lovelace")[0] == "100"
        assert not subject.is_online()
        assert program.proves(program.begins("ada"), "lovelace")[0] == "50"


def test_a_guest_cannot_go_on_with_another_ones_conversation(ours):
    with by_eap(ours, guests=2) as subject:
        ada = Program(subject)
        asked = ada.begins("ada")
        other = subject.lab.guests[1]
        assert other.lease()
        thief = Program(subject, other.ns)
        assert thief.proves(asked, "lovelace")[0] == "100"
        assert ada.proves(asked, "lovelace")[0] == "50", "nor end it"


def test_rounds_are_no_tries_and_conversations_are(ours):
    with by_eap(ours) as subject:
        program = Program(subject)
        for _ in range(5):
            asked = program.begins("ada")
            assert program.proves(asked, "wrong")[0] == "100"
        code, _, told = program.answer(0, IDENTITY, b"ada")
        assert code == "255" and "many" in told["ReplyMessage"].lower()


def test_an_accept_without_a_word_of_eap_lets_nobody_in(ours):
    with ours(users="ada Auth-Type := Accept\n") as subject:
        assert Program(subject).answer(0, IDENTITY, b"ada")[0] == "100"
        assert "Login OK" in subject.lab.radius.log.read_text()
        assert not subject.is_online()
