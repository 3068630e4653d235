"""The walled garden of a running gateway: by name and port, edited live, and one device's own by RADIUS."""

import json

import pytest

from internet import HOST, wait_for
from lab import GATEWAY, PORTAL, Lab
from test_devices import FORMS, device_lab
from test_reload import reload


def garden(lab, *words):
    return json.loads(lab.gateway.cli("garden", *words, "--json", "--socket", lab.gateway.control))


def is_portal(reply):
    return reply.status == 302 and reply.location.startswith(PORTAL)


def test_a_name_with_a_port_opens_this_port_and_no_other():
    with Lab(settings={"garden": {"allow": ["tcp:nmcheck.gnome.org:80", "fedoraproject.org:443"]}}) as lab:
        assert lab.guest.lease()
        assert lab.guest.curl("http://nmcheck.gnome.org/check_network_status.txt").body == "NetworkManager is online"
        assert is_portal(lab.guest.curl("http://fedoraproject.org/static/hotspot.txt"))
        opened = {(entry["entry"], entry["by"]) for entry in garden(lab, "list")["opened"]}
        hosts = lab.internet.hosts
        assert (f"tcp:{hosts['nmcheck.gnome.org']}:80", "tcp:nmcheck.gnome.org:80") in opened
        assert (f"{hosts['fedoraproject.org']}:443", "fedoraproject.org:443") in opened


def test_an_operator_edits_the_garden_and_a_reload_takes_the_files():
    with Lab(settings={"garden": {"allow": [HOST]}}) as lab:
        guest = lab.guest
        assert guest.lease()
        assert guest.curl(f"http://{HOST}/").status == 200
        assert is_portal(guest.curl("http://nmcheck.gnome.org/check_network_status.txt"))
        garden(lab, "add", "nmcheck.gnome.org", "--for", "1h")
        assert guest.curl("http://nmcheck.gnome.org/check_network_status.txt").body == "NetworkManager is online"
        entries = {entry["entry"]: entry for entry in garden(lab, "list")["entries"]}
        assert entries[HOST]["from"] == "configuration"
        assert 0 < entries["nmcheck.gnome.org"]["seconds_left"] <= 3600
        garden(lab, "remove", "nmcheck.gnome.org")
        assert is_portal(guest.curl("http://nmcheck.gnome.org/check_network_status.txt"))
        lab.gateway.settings["garden"] = {"domains": ["fedoraproject.org"]}
        said = reload(lab.gateway)
        wait_for(lambda: "[garden] are as the configuration has them now" in said(), "the reload")
        assert is_portal(guest.curl(f"http://{HOST}/"))
        assert guest.curl("http://fedoraproject.org/static/hotspot.txt").body == "OK"


@pytest.mark.parametrize("entry", ["0.0.0.0/0", f"tcp:{GATEWAY}:22"])
def test_nobody_opens_the_internet_or_the_guests_network(entry):
    with Lab() as lab:
        with pytest.raises(Exception, match="."):
            garden(lab, "add", entry)
        assert garden(lab, "list")["entries"] == []


def test_a_server_opens_a_garden_for_one_device_that_still_has_to_log_in():
    def users(mac):
        name = FORMS["AA-BB-CC-DD-EE-FF"](mac)
        words = f'"require-uam-auth", ChilliSpot-Config += "uamallowed=tcp:{HOST}:80,nmcheck.gnome.org"'
        return f'{name} Cleartext-Password := "{name}"\n    ChilliSpot-Config = {words}\n'

    with device_lab(users) as lab:
        assert lab.guest.lease()
        wait_for(lambda: len(garden(lab, "list")["entries"]) == 2, "the device's own garden")
        assert {entry["guest"] for entry in garden(lab, "list")["entries"]} == {lab.guest.address}
        assert lab.guest.curl(f"http://{HOST}/").status == 200
        assert lab.guest.curl("http://nmcheck.gnome.org/check_network_status.txt").body == "NetworkManager is online"
        assert is_portal(lab.guest.curl("http://fedoraproject.org/static/hotspot.txt"))
        assert lab.gateway.sessions() == []
