"""A guest logs in, is online, and logs out."""

from internet import DNS, HOST
from lab import PORTAL, Lab


def test_a_guest_logs_in_and_is_online_and_logs_out_and_is_not(lab):
    guest = lab.guest
    assert guest.lease()
    assert not guest.is_online()
    reply = guest.login()
    assert reply.status == 303
    assert reply.location.endswith("/success")
    assert guest.is_online()
    assert guest.connect(HOST, 443) == "open"
    assert guest.ping(HOST)
    assert guest.curl(f"{PORTAL}/status").status == 200
    assert guest.logout().status in (302, 303)
    assert not guest.is_online()
    assert guest.connect(HOST, 443) != "open"
    assert not guest.ping(HOST)


def test_a_wrong_password_is_told_politely_and_opens_nothing(lab):
    assert lab.guest.lease()
    reply = lab.guest.login(password="wrong")
    assert reply.status in (200, 401, 403)
    assert "password" in reply.body.lower()
    assert not lab.guest.is_online()
    # The right one still works afterwards.
    assert lab.guest.login().status == 303
    assert lab.guest.is_online()


def test_the_internet_sees_the_gateway_and_not_the_guest(online):
    assert online.guest.is_online()
    assert {source for _, _, source in online.internet.seen} == {online.uplink_address}


def test_a_guest_uses_any_resolver_after_login(online):
    assert online.guest.ask_dns(DNS, "mine.test", 1) is not None
    assert online.guest.ask_dns(DNS, "text.test", 16) is not None
    assert "query[TXT] text.test" in online.internet.queries.read_text()


def test_the_operator_sees_the_session_and_ends_it(online):
    [guest] = online.gateway.sessions()
    assert (guest["mac"], guest["ip"]) == (online.guest.mac, online.guest.address)
    assert guest["session"]["user"] == "ada"
    online.gateway.cli("kick", online.guest.mac, "--socket", online.gateway.control)
    assert not online.guest.is_online()


def test_the_operator_logs_a_guest_in(lab):
    assert lab.guest.lease()
    lab.gateway.cli("login", lab.guest.address, "--user", "ada", "--socket", lab.gateway.control)
    assert lab.guest.is_online()


def test_one_guest_that_logs_in_does_not_let_another_one_out():
    with Lab(guests=2) as lab:
        ada, eve = lab.guests
        assert ada.lease() and eve.lease()
        assert ada.login().status == 303
        assert ada.is_online()
        assert not eve.is_online()


def test_an_uplink_whose_gateway_lies_outside_its_subnet_works():
    with Lab(uplink="host-route") as lab:
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()
        assert {source for _, _, source in lab.internet.seen} == {"198.51.100.7"}
