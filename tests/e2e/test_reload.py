"""An operator changes the configuration of a running gateway."""

import signal

from internet import wait_for
from lab import Lab


def reload(gateway):
    gateway.write()
    before = gateway.log.read_text()
    gateway.process.send_signal(signal.SIGHUP)
    wait_for(lambda: gateway.log.read_text() != before, "a word of the gateway")
    return lambda: gateway.log.read_text()[len(before) :]


def test_a_static_lease_is_served_without_a_restart_and_who_is_online_stays():
    with Lab(guests=2) as lab:
        first, second = lab.guests
        assert first.lease() and second.lease()
        assert first.login().status == 303
        lab.gateway.settings["dhcp"] = {"host": [{"mac": second.mac, "address": "10.85.9.9"}]}
        said = reload(lab.gateway)
        wait_for(lambda: "[dhcp] and [garden] are as the configuration has them now" in said(), "the reload")
        assert second.lease()
        assert second.address == "10.85.9.9"
        assert first.is_online()


def test_a_mistake_in_the_file_changes_nothing_and_is_told():
    with Lab() as lab:
        assert lab.guest.lease()
        lab.gateway.settings["dhcp"] = {"laese": "1h"}
        said = reload(lab.gateway)
        wait_for(lambda: "did you mean" in said(), "the reason")
        assert "laese" in said()
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
