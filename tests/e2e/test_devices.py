"""Devices that come online by their MAC address, without the portal, with a real DHCP client and FreeRADIUS."""

import contextlib
import re
import socket

import pytest

import aaa
import crowd
from aaa import SECRET, FreeRadius
from internet import DNS, HOST, wait_for
from lab import GATEWAY, PORTAL, Lab
from radius_server import accept, attributes, of_vendor, reject, server

PASSWORD = "one for all devices"

FORMS = {
    "AA-BB-CC-DD-EE-FF": lambda mac: mac.upper().replace(":", "-"),
    "AA:BB:CC:DD:EE:FF": lambda mac: mac.upper(),
    "AABBCCDDEEFF": lambda mac: mac.upper().replace(":", ""),
    "aa-bb-cc-dd-ee-ff": lambda mac: mac.lower().replace(":", "-"),
    "aa:bb:cc:dd:ee:ff": lambda mac: mac.lower(),
    "aabbccddeeff": lambda mac: mac.lower().replace(":", ""),
    "aabb.ccdd.eeff": lambda mac: re.sub("(....)(?=.)", r"\1.", mac.lower().replace(":", "")),
}


@contextlib.contextmanager
def device_lab(users, guests=1, pools=(), settings=None, **macs):
    """`users` makes the text of the users file out of the guests' MACs."""
    own = {**aaa.settings(), **(settings or {})}
    own["mac_authentication"] = {"radius": True, **macs}
    own["dhcp"] = {"pool": list(pools)}
    with Lab(start=False, guests=guests, settings=own) as lab:
        lab.radius = FreeRadius(lab, users(*(guest.mac for guest in lab.guests)))
        try:
            lab.gateway.start()
            yield lab
        except BaseException:
            print(lab.radius.log.read_text()[-3000:], *lab.radius.records(), sep="\n")
            raise
        finally:
            lab.gateway.stop()
            lab.radius.stop()


def online(guest):
    return wait_for(guest.is_online, "the device online")


@pytest.mark.parametrize("form", FORMS)
def test_a_device_that_freeradius_knows_is_online_without_the_portal(form):
    def users(mac):
        name = FORMS[form](mac)
        return f'{name} Cleartext-Password := "{name}"\n    Session-Timeout = 600,\n    Class = 0x646576\n'

    with device_lab(users, format=form) as lab:
        assert lab.guest.lease()
        online(lab.guest)
        session = lab.gateway.sessions()[0]["session"]
        assert session["user"] == FORMS[form](lab.guest.mac)
        assert 500 < session["seconds_left"] <= 600
        start = lab.radius.wait("Start")
        assert (start["User-Name"], start["Class"]) == (session["user"], "0x646576")
        assert start["Calling-Station-Id"] == FORMS["AA-BB-CC-DD-EE-FF"](lab.guest.mac)


@pytest.mark.parametrize("client", ["udhcpc", "dhclient", "dhcpcd"])
@pytest.mark.parametrize("named", ['Framed-Pool = "machines"', "Framed-IP-Address = 10.85.7.9"])
def test_a_device_whose_lease_waits_for_the_server_gets_the_address_that_it_names(client, named):
    def users(mac):
        name = FORMS["AA-BB-CC-DD-EE-FF"](mac)
        return f'{name} Cleartext-Password := "{name}"\n    {named}\n'

    pool = {"name": "machines", "first": "10.85.7.9", "last": "10.85.7.9"}
    with device_lab(users, before_lease=True, pools=[pool]) as lab:
        with lab.guest.stays(client):
            wait_for(lambda: lab.guest.address == "10.85.7.9", "the address that the server names", 30)
            online(lab.guest)
        assert lab.radius.wait("Start")["Framed-IP-Address"] == "10.85.7.9"
        assert [guest["ip"] for guest in lab.gateway.sessions()] == ["10.85.7.9"]
        assert len(lab.radius.records()) == len(lab.radius.records("Accounting-On")) + 1, "it is one session"


def test_suffix_password_and_service_type_are_what_the_operator_says():
    def users(mac):
        return (
            f'{FORMS["aabbccddeeff"](mac)}@devices Cleartext-Password := "{PASSWORD}", Service-Type == Call-Check\n'
            '    User-Name = "the printer"\n'
        )

    with device_lab(users, format="aabbccddeeff", suffix="@devices", password=PASSWORD) as lab:
        assert lab.guest.lease()
        online(lab.guest)
        assert lab.radius.wait("Start")["User-Name"] == "the printer"


def test_a_device_that_nobody_knows_meets_the_portal_and_logs_in_there():
    with device_lab(lambda mac: 'ada Cleartext-Password := "lovelace"\n') as lab:
        guest = lab.guest
        assert guest.lease()
        wait_for(lambda: "Login incorrect" in lab.radius.log.read_text(), "the server's no")
        assert guest.curl("http://online.test/").location.startswith(PORTAL)
        assert guest.login().status == 303
        assert guest.is_online()


def test_of_a_device_that_the_server_refuses_nothing_passes_and_an_operator_lets_it_in():
    with device_lab(lambda mac: 'ada Cleartext-Password := "lovelace"\n', refused="drop") as lab:
        guest, gateway = lab.guest, lab.gateway
        assert guest.lease()
        state = lambda: [each["state"] for each in gateway.guests()]  # noqa: E731
        wait_for(lambda: state() == ["refused"], "the server's no")
        assert guest.connect(GATEWAY, 3990, seconds=1) == guest.connect(HOST, 80, seconds=1) == "ETIMEDOUT"
        assert guest.ask_dns(GATEWAY, "online.test", 1) is None
        assert not guest.ping(GATEWAY)
        # Another lease is no way out.
        with guest.stays("udhcpc"):
            assert guest.connect(HOST, 80, seconds=1) == "ETIMEDOUT"
        assert state() == ["refused"]
        gateway.cli("login", guest.address, "--socket", gateway.control)
        assert guest.is_online()
        gateway.cli("kick", guest.address, "--socket", gateway.control)
        assert guest.connect(HOST, 80, seconds=1) == "ETIMEDOUT"


@pytest.mark.parametrize("word", ["require-uam-auth", "splash"])
def test_a_device_of_which_the_server_wants_a_login_meets_the_portal(word):
    def users(mac):
        name = FORMS["AA-BB-CC-DD-EE-FF"](mac)
        return f'{name} Cleartext-Password := "{name}"\n    ChilliSpot-Config = "{word}"\n'

    with device_lab(users) as lab:
        assert lab.guest.lease()
        wait_for(lambda: "Login OK" in lab.radius.log.read_text(), "the server's yes")
        assert lab.guest.curl("http://online.test/").location.startswith(PORTAL)
        assert lab.gateway.sessions() == []


def splash_of(guest):
    """Where the portal's button leads, if it is to a page that a guest has to see."""
    led = guest.curl(f"{PORTAL}/prelogin").location
    return led if "res=splash" in led else None


@pytest.mark.parametrize("page", ["", "http://welcome.test/hello?a=b"])
def test_an_external_portal_is_told_of_a_device_that_is_known_but_has_to_see_a_page(page):
    def users(mac):
        name = FORMS["AA-BB-CC-DD-EE-FF"](mac)
        more = f',\n    WISPr-Redirection-URL = "{page}"' if page else ""
        words = f'    ChilliSpot-Config = "splash"{more}\n\nada Cleartext-Password := "lovelace"\n'
        return f'{name} Cleartext-Password := "{name}"\n{words}'

    uam = {"server": "http://portal.test/hotspot", "secret": SECRET, "plain_passwords": True}
    with device_lab(users, settings={"uam": uam}) as lab:
        guest = lab.guest
        assert guest.lease()

        led = wait_for(lambda: splash_of(guest), "res=splash")
        assert led.startswith(f"{page}&res=splash&" if page else "http://portal.test/hotspot?res=splash&")
        assert '"clientState":3,' in guest.curl(f"{PORTAL}/json/status").body
        assert not guest.is_online()
        assert "res=success" in guest.curl(f"{PORTAL}/logon?username=ada&password=lovelace").location
        assert guest.is_online()
        assert guest.logout().status in (200, 303)
        assert "res=notyet" in guest.curl(f"{PORTAL}/prelogin").location


def test_a_portal_has_a_device_asked_about_again_that_the_server_did_not_know_before():
    known = []

    def answer(request):
        return accept(request, SECRET) if known else reject(request, SECRET)

    own = aaa.settings()
    # Without the portal's word nobody would be asked about it again.
    own["mac_authentication"] = {"radius": True, "again": "1d"}
    own["uam"] = {"server": "http://portal.test/hotspot", "secret": SECRET}
    with Lab(start=False, settings=own) as lab:
        radius = server(answer)(lab, None)
        try:
            lab.gateway.start()
            guest = lab.guest
            assert guest.lease()
            led = guest.curl(f"{PORTAL}/macreauth?userurl=http://online.test/").location
            assert led.startswith("http://portal.test/hotspot?res=notyet&")
            known.append(guest.mac)
            # No device is asked about twice within a minute.
            wait_for(lambda: "res=already" in guest.curl(f"{PORTAL}/macreauth").location, "the device online", 90)
            assert guest.is_online()
            assert lab.gateway.sessions()[0]["session"]["user"].upper().replace(":", "-") == FORMS["AA-BB-CC-DD-EE-FF"](
                guest.mac
            )
        finally:
            lab.gateway.stop()
            radius.stop()


@pytest.mark.parametrize("client", ["udhcpc", "dhclient", "dhcpcd"])
def test_a_server_hears_what_a_device_says_by_dhcp_and_has_a_say_in_its_lease(client):
    chilli, told = 14559, []
    more = of_vendor(chilli, 62, socket.inet_aton(DNS)) + of_vendor(chilli, 65, b"devices.test")
    more += of_vendor(chilli, 64, socket.inet_aton("10.85.0.99"))

    def answer(request):
        told.append(attributes(request))
        return accept(request, SECRET, more=more)

    own = aaa.settings()
    own["mac_authentication"] = {"radius": True, "before_lease": True, "dhcp": True}
    with Lab(start=False, settings=own) as lab:
        radius = server(answer)(lab, None)
        try:
            lab.gateway.start()
            assert lab.guest.lease(client)
            # The list of what it wants to know: the router, and resolvers.
            assert {3, 6} <= set(told[0][26, chilli, 57])
            lease = lab.guest.offered()
            names = {"udhcpc": ("dns", "domain", "router")}
            names = names.get(client, ("new_domain_name_servers", "new_domain_name", "new_routers"))
            assert [lease[name] for name in names] == [DNS, "devices.test", GATEWAY]
            online(lab.guest)
        finally:
            lab.gateway.stop()
            radius.stop()


def test_a_silent_server_keeps_no_device_from_its_lease_and_the_portal():
    with device_lab(lambda mac: "") as lab:
        lab.radius.stop()
        assert lab.guest.lease(timeout=5)
        assert lab.guest.curl("http://online.test/").location.startswith(PORTAL)


def test_the_configurations_own_list_needs_no_server():
    with Lab(start=False) as lab:
        lab.gateway.settings["mac_authentication"] = {"allow": [lab.guest.mac]}
        lab.gateway.write()
        lab.gateway.start()
        guest = lab.guest
        assert guest.lease()
        online(guest)
        # Who logs out wants to be out.
        assert guest.logout().status == 303
        with guest.stays("udhcpc"):
            assert guest.curl("http://online.test/").location.startswith(PORTAL)
            assert not guest.is_online()


def test_the_address_of_a_device_is_in_the_log_at_debug_only():
    with device_lab(lambda mac: "") as lab:
        assert lab.guest.lease()
        wait_for(lambda: "Login incorrect" in lab.radius.log.read_text(), "the server's no")
        assert not re.search(lab.guest.mac, lab.gateway.log.read_text(), re.IGNORECASE)


def test_a_server_that_thinks_about_invented_devices_has_time_for_who_logs_in():
    asked, service_type, call_check = set(), b"\x06\x06", 10

    def answer(request):
        at = 20
        while at < len(request):
            if request[at : at + 2] == service_type and request[at + 5] == call_check:
                asked.add(request[4:20])
                return None
            at += request[at + 1]
        return accept(request, SECRET)

    own = aaa.settings()
    own["mac_authentication"] = {"radius": True, "per_second": 2}
    own["radius"].update(timeout="30s", tries=10)
    own["log"] = {"level": "debug"}
    with Lab(start=False, settings=own) as lab:
        radius = server(answer)(lab, None)
        try:
            lab.gateway.start()
            with crowd.Wire(lab.guest.ns, lab.guest.nic, buffer=64 << 20) as wire:
                assert crowd.lease(wire, 100, 64) == 100
            wait_for(lambda: "not asked about" in lab.gateway.log.read_text(), "the end of its patience")
            assert lab.guest.lease() and lab.guest.login().status == 303
            assert lab.guest.is_online()
            assert len(asked) == 4, "two seconds' worth"
        finally:
            lab.gateway.stop()
            radius.stop()
