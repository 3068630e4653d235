"""Access points ask FreeRADIUS through the gateway (WPA-Enterprise), and who is accepted there meets no portal."""

import concurrent.futures
import contextlib
import json
import signal
import socket
import threading

import pytest

from aaa import settings
from eap import AP, AP_SECRET, METHODS, STRANGER, EapRadius, ask, joins, record
from frames import Wire, dhcp, dhcp_answer
from internet import HOST, wait_for
from lab import PORTAL, Lab

USERS = """
ada Cleartext-Password := "lovelace"
    Session-Timeout = 3600,
    Class = 0x676f6c64,
    WISPr-Bandwidth-Max-Down = 20000000

eve Cleartext-Password := "eve"
    Filter-Id = "no such policy"

kim Cleartext-Password := "kim"
    ChilliSpot-Config = "splash"
"""


@contextlib.contextmanager
def proxy_lab(client=None, users=USERS, pools=(), **more):
    """An access point on the Internet's side; `client` are settings of it."""
    own = settings()
    own["dhcp"] = {"pool": list(pools)}
    own["radius"]["proxy"] = {"client": [{"address": AP, "secret": AP_SECRET, **(client or {})}]}
    with Lab(start=False, settings=own, **more) as lab:
        for address in (AP, STRANGER):
            lab.inet.ip("addr", "add", f"{address}/32", "dev", "lo")
        lab.radius = EapRadius(lab, users)
        try:
            lab.gateway.start()
            yield lab
        except BaseException:
            print(lab.radius.log.read_text()[-3000:], lab.gateway.log.read_text()[-3000:], sep="\n")
            raise
        finally:
            lab.gateway.stop()
            lab.radius.stop()


def counters(lab):
    return json.loads(lab.gateway.cli("sessions", "--json", "--socket", lab.gateway.control))["access_points"]


def expect(lab, **expected):
    found = counters(lab)
    assert {key: found[key] for key in expected} == expected


def meets_portal(guest):
    return guest.curl("http://online.test/").location.startswith(PORTAL)


@pytest.mark.parametrize("method", METHODS)
def test_who_joins_has_its_keys_and_is_online_with_its_lease(method):
    with proxy_lab() as lab:
        guest = lab.guest
        outcome = joins(lab, guest.mac, method)
        assert outcome.accepted and outcome.keys_match, outcome
        assert lab.gateway.sessions() == []
        assert guest.lease()
        assert guest.is_online()
        start = lab.radius.wait("Start")
        assert start["Calling-Station-Id"] == guest.mac.upper().replace(":", "-")
        assert start["Framed-IP-Address"] == guest.address
        # With PEAP the server tells who is behind the outer name, with TTLS it does not.
        assert start["User-Name"] == ("anonymous" if method == "TTLS" else "ada")
        assert guest.curl_status("http://online.test/blob") == 0
        used = lab.gateway.sessions()[0]["session"]
        assert record(lab, "Start", guest.mac)
        assert guest.is_online()
        assert record(lab, "Stop", guest.mac)
        stop = lab.radius.wait("Stop")
        assert (stop["Acct-Terminate-Cause"], stop["Acct-Session-Id"]) == ("Lost-Carrier", start["Acct-Session-Id"])
        assert int(stop["Acct-Output-Octets"]) >= used["output_octets"] > 100_000
        assert [each["Acct-Session-Id"] for each in lab.radius.records("Stop")] == [start["Acct-Session-Id"]]
        assert meets_portal(guest)


def test_the_accept_grants_what_a_login_grants_and_each_proof_renews_it():
    with proxy_lab() as lab:
        guest = lab.guest
        assert guest.lease()
        assert meets_portal(guest)
        assert joins(lab, guest.mac, again=2).accepted
        session = lab.gateway.sessions()[0]["session"]
        assert 3500 < session["seconds_left"] <= 3600
        assert session["bits_per_second_down"] == 20_000_000
        assert lab.radius.wait("Start")["Class"] == "0x676f6c64"
        assert guest.is_online()
        expect(lab, accepts=3, rejects=0, unanswered=0)
        assert [each["id"] for each in (guest["session"] for guest in lab.gateway.sessions())] == [session["id"]]
        assert len(lab.radius.records("Start")) == 1


def test_what_has_no_effect_on_a_device_that_joins_is_told_and_a_vlan_is_for_its_access_point():
    pool = 'Framed-Pool = "vip", Tunnel-Private-Group-Id = "20",'
    with proxy_lab(client={"vlan": 7}, users=USERS.replace("Session-Timeout", f"{pool}\n    Session-Timeout")) as lab:
        assert joins(lab, lab.guest.mac).accepted
        log = lab.gateway.log.read_text()
        assert "restricts guests by what has no effect here" not in log
        assert log.count('sends Framed-Pool="vip", which has no effect: no [[dhcp.pool]] has this name') == 1


def test_who_is_refused_meets_the_portal_and_who_was_online_is_out():
    with proxy_lab() as lab:
        guest = lab.guest
        assert joins(lab, guest.mac, password="wrong").rejected
        assert guest.lease()
        assert meets_portal(guest)
        assert joins(lab, guest.mac).accepted
        assert guest.is_online()
        assert joins(lab, guest.mac, user="mallory").rejected
        assert lab.radius.wait("Stop")["Acct-Terminate-Cause"] == "Lost-Carrier"
        assert meets_portal(guest)


@pytest.mark.parametrize("user", ["eve", "kim"])
def test_whose_accept_cannot_be_obeyed_or_wants_the_portal_meets_it(user):
    with proxy_lab() as lab:
        guest = lab.guest
        assert guest.lease()
        assert joins(lab, guest.mac).accepted
        assert guest.is_online()
        outcome = joins(lab, guest.mac, user=user, password=user)
        assert outcome.accepted and outcome.keys_match
        assert lab.radius.wait("Stop")["Acct-Terminate-Cause"] == "Lost-Carrier"
        assert meets_portal(guest)
        assert guest.login().status == 303
        assert guest.is_online()


def test_an_access_point_that_proves_nothing_gets_no_answer():
    with proxy_lab() as lab:
        guest = lab.guest
        for wrong in ({"secret": "another secret"}, {"source": STRANGER}):
            outcome = joins(lab, guest.mac, **wrong)
            assert not outcome.accepted and not outcome.answered and not outcome.rejected, outcome
        assert counters(lab)["forged"] >= 1 and counters(lab)["foreign_source"] >= 1
        login = 'User-Name = "ada", User-Password = "lovelace"'
        assert "Received" not in ask(lab, "auth", login)
        expect(lab, unprotected=1, requests=0, accepts=0)
        assert not record(lab, "Stop", guest.mac, secret="another secret")
        # Nor does anybody reach the port from the guests' side.
        assert guest.lease()
        command = ("radclient", "-x", "-r", 1, "-t", 1, "10.85.0.1:1812", "auth", AP_SECRET)
        assert "Received" not in guest.ns.done(*command, input=login).stdout
        assert meets_portal(guest)
        log = lab.gateway.log.read_text()
        for advice in ("the secret must be the same", "[[radius.proxy.client]]", "require_message_authenticator"):
            assert advice in log
        assert AP_SECRET not in log


def test_a_password_is_hidden_anew_where_an_old_access_point_asks():
    with proxy_lab(client={"require_message_authenticator": False}) as lab:
        login = 'User-Name = "ada", User-Password = "lovelace", Proxy-State = 0x0102'
        answer = ask(lab, "auth", login)
        assert "Received Access-Accept" in answer and answer.count("Proxy-State = 0x0102") == 2, answer
        assert "Received Access-Accept" in ask(lab, "auth", login.replace("User-Password", "CHAP-Password"))
        assert "Received Access-Reject" in ask(lab, "auth", login.replace("lovelace", "no"))


def test_a_join_counts_on_the_access_points_vlan_alone():
    with proxy_lab(client={"vlan": 20}, vlans=(20, 30), offloads=False) as lab:
        phone, thief = lab.guests
        thief.ns.ip("link", "set", "wlan0", "down")
        thief.ns.ip("link", "set", "wlan0", "address", phone.mac)
        thief.ns.ip("link", "set", "wlan0", "up")
        assert joins(lab, phone.mac).accepted
        assert thief.lease() and phone.lease()
        assert phone.is_online()
        assert meets_portal(thief)


def test_a_silent_server_answers_nobody_and_lets_nobody_in():
    with proxy_lab() as lab:
        lab.radius.stop()
        outcome = joins(lab, lab.guest.mac)
        assert not outcome.accepted and not outcome.rejected
        assert lab.guest.lease()
        assert meets_portal(lab.guest)


def test_an_access_point_names_a_device_in_any_usual_form_and_nothing_but_a_station():
    with proxy_lab() as lab:
        guest = lab.guest
        assert guest.lease()
        assert joins(lab, guest.mac).accepted
        for name in ("not a station", "ff:ff:ff:ff:ff:ff"):
            assert record(lab, "Stop", name)
        assert guest.is_online()
        assert record(lab, "Stop", guest.mac.replace(":", "").upper())
        wait_for(lambda: not lab.gateway.sessions(), "the end of the session")


def test_a_device_that_joins_has_the_address_that_the_server_names_unless_somebody_else_has_it():
    address = "10.85.3.77"
    users = USERS.replace("Session-Timeout", f"Framed-IP-Address = {address},\n    Session-Timeout")
    with proxy_lab(users=users, guests=2) as lab:
        phone, tablet = lab.guests
        assert phone.lease()
        former = phone.address
        assert joins(lab, tablet.mac).accepted
        assert tablet.lease() and tablet.address == address
        assert tablet.is_online()
        assert joins(lab, phone.mac).accepted
        assert phone.is_online() and phone.address == former


def test_a_device_that_joins_has_an_address_of_the_pool_that_the_server_names():
    users = USERS.replace("Session-Timeout", 'Framed-Pool = "staff",\n    Session-Timeout')
    pool = {"name": "staff", "first": "10.85.7.9", "last": "10.85.7.9"}
    with proxy_lab(users=users, pools=[pool], guests=2) as lab:
        phone, tablet = lab.guests
        for guest in (phone, tablet):
            assert joins(lab, guest.mac).accepted
            assert guest.lease() and guest.is_online()
        assert phone.address == "10.85.7.9", "and whoever finds it full has one of the others"
        assert tablet.address not in (None, "10.85.7.9")
        assert lab.radius.wait("Start")["Framed-IP-Address"] == "10.85.7.9"
        told = 'Framed-Pool="staff", which has no effect: no address of this pool is free'
        assert told in lab.gateway.log.read_text()


def test_a_device_that_has_its_lease_before_its_accept_is_a_guest_until_then_and_online_at_once():
    with proxy_lab() as lab:
        guest = lab.guest
        lab.radius.process.send_signal(signal.SIGSTOP)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            joining = pool.submit(joins, lab, guest.mac)
            try:
                wait_for(lambda: counters(lab)["requests"], "the access point's request")
                assert guest.lease()
                assert meets_portal(guest)
            finally:
                lab.radius.process.send_signal(signal.SIGCONT)
            assert joining.result().accepted
        assert guest.is_online()
        assert lab.radius.wait("Start")["Framed-IP-Address"] == guest.address


def test_nothing_that_is_still_sent_to_whoever_had_the_address_reaches_the_device_that_joins():
    call = b"a call for the phone"
    with proxy_lab(guests=2) as lab, lab.inet.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        phone, tablet = lab.guests
        assert joins(lab, phone.mac).accepted
        assert phone.lease() and phone.is_online()
        address = phone.address
        server.bind((HOST, 7777))
        server.settimeout(5)
        with phone.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
            theirs.sendto(b"hello", (HOST, 7777))
            _, caller = server.recvfrom(100)
        # It waits for its lease.
        assert joins(lab, tablet.mac).accepted
        ends = threading.Event()

        def calls():
            while not ends.wait(0.001):
                server.sendto(call, caller)

        with (
            concurrent.futures.ThreadPoolExecutor() as pool,
            Wire(phone.ns, phone.nic) as to_phone,
            Wire(tablet.ns, tablet.nic) as to_tablet,
        ):
            pool.submit(calls)
            try:
                assert any(call in frame for frame in to_phone.arrived(5))
                lab.gateway.cli("release", phone.mac, "--socket", lab.gateway.control)
                to_tablet.send(dhcp(tablet.mac, 3, b"\x32\x04" + socket.inet_aton(address)))
                frames = list(to_tablet.arrived(2))
            finally:
                ends.set()
        assert address in [answer[0] for answer in map(dhcp_answer, frames) if answer]
        assert not [frame for frame in frames if call in frame]
        assert tablet.lease() and tablet.address == address
        assert tablet.is_online()


def test_what_a_server_says_of_vlans_reaches_the_access_point_as_it_is():
    vlan = (
        "Tunnel-Type:1 = VLAN,\n    Tunnel-Medium-Type:1 = IEEE-802,\n    "
        'Tunnel-Private-Group-Id:1 = "20",\n    Egress-VLANID = 0x31000014,\n    Session-Timeout'
    )
    client = {"require_message_authenticator": False}
    with proxy_lab(client=client, users=USERS.replace("Session-Timeout", vlan)) as lab:
        answer = ask(lab, "auth", 'User-Name = "ada", User-Password = "lovelace"')
        for line in (
            "Tunnel-Type:1 = VLAN",
            "Tunnel-Medium-Type:1 = IEEE-802",
            'Tunnel-Private-Group-Id:1 = "20"',
            "Egress-VLANID = 822083604",
        ):
            assert f"\t{line}\n" in answer, answer


def test_who_joined_before_a_crash_leaves_as_any_other_after_it():
    with proxy_lab() as lab:
        guest = lab.guest
        assert joins(lab, guest.mac).accepted
        assert guest.lease() and guest.is_online()
        lab.gateway.wait_until_written()
        lab.gateway.kill()
        lab.gateway.start()
        assert guest.is_online()
        assert record(lab, "Stop", guest.mac)
        assert lab.radius.wait("Stop")["Acct-Terminate-Cause"] == "Lost-Carrier"
        assert meets_portal(guest)
