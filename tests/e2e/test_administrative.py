"""What FreeRADIUS says about the gateway itself goes over its configuration."""

import contextlib
import json

from aaa import ADDRESS, FreeRadius, settings
from internet import wait_for
from lab import Lab
from test_dynauth import COA_SECRET, ask, wait_for_the_next_second

OWN = {"user": "gateway-7", "secret": "a secret of the gateway's own"}


def users(*options):
    said = ",\n".join(f'    ChilliSpot-Config += "{option}"' for option in options)
    return f'gateway-7 Service-Type == Administrative-User, Cleartext-Password := "{OWN["secret"]}"\n{said}\n'


@contextlib.contextmanager
def administrative_lab(*options):
    client = {"address": ADDRESS, "secret": COA_SECRET}
    own = settings(administrative=OWN, dynamic_authorization={"client": [client]})
    with Lab(start=False, settings=own) as lab:
        lab.radius = FreeRadius(lab, users(*options))
        try:
            lab.gateway.start()
            yield lab
        finally:
            lab.gateway.stop()
            lab.radius.stop()


def garden(lab):
    told = json.loads(lab.gateway.cli("garden", "list", "--json", "--socket", lab.gateway.control))
    return {entry["entry"] for entry in told["entries"] if entry["from"] == "radius"}


def session(lab):
    return json.loads(lab.gateway.cli("sessions", "--json", "--socket", lab.gateway.control))["administrative"]


def test_the_garden_comes_from_the_server_and_outlasts_its_outage_and_a_restart_until_another_answer():
    with administrative_lab("uamallowed=203.0.113.7,tcp:pay.example:443", "conup=/bin/false") as lab:
        first = {"203.0.113.7", "tcp:pay.example:443"}
        wait_for(lambda: garden(lab) == first, "the server's garden")
        assert "conup: is not taken from a server" in lab.gateway.log.read_text()
        lab.radius.stop()
        lab.gateway.stop()
        lab.gateway.start()
        assert garden(lab) == first
        lab.gateway.stop()
        (lab.radius.directory / "users").write_text(users("uamallowed=203.0.113.8"))
        lab.radius.start()
        lab.gateway.start()
        wait_for(lambda: garden(lab) == {"203.0.113.8"}, "the other answer")
        lab.gateway.stop()
        lab.radius.stop()
        (lab.radius.directory / "users").write_text("DEFAULT Auth-Type := Reject\n")
        lab.radius.start()
        lab.gateway.start()
        wait_for(lambda: session(lab)["answer"] == "refused", "the refusal")
        assert garden(lab) == {"203.0.113.8"}


def test_a_server_changes_and_ends_the_gateways_own_session():
    with administrative_lab("uamallowed=203.0.113.7") as lab:
        wait_for(lambda: garden(lab) == {"203.0.113.7"}, "the server's garden")
        wait_for_the_next_second()
        named = f'Acct-Session-Id = "{session(lab)["session"]}"'
        replaced = ask(lab, "coa", named, 'ChilliSpot-Config = "uamallowed=203.0.113.9"')
        assert replaced == ("CoA-ACK", None)
        wait_for(lambda: garden(lab) == {"203.0.113.9"}, "the change")
        assert ask(lab, "coa", named, "Session-Timeout = 60")[0] == "CoA-NAK"
        assert ask(lab, "disconnect", 'User-Name = "gateway-7"') == ("Disconnect-ACK", None)
        assert session(lab)["session"] is None
        assert ask(lab, "disconnect", named)[0] == "Disconnect-NAK"
        assert garden(lab) == {"203.0.113.9"}


def test_the_gateways_own_session_is_accounted_as_a_guests_is():
    with administrative_lab() as lab:
        # An interim record after a minute, and the end of the session right behind it.
        more = ",\n    Acct-Interim-Interval = 60,\n    Session-Timeout = 61,\n    Class = 0x6f776e\n"
        (lab.radius.directory / "users").write_text(users("uamallowed=203.0.113.7").rstrip("\n") + more)
        lab.gateway.stop()
        lab.radius.stop()
        lab.radius.start()
        lab.gateway.start()
        radius = lab.radius

        def own(kind, **expected):
            records = [each for each in radius.records(kind) if each.get("User-Name") == "gateway-7"]
            return [each for each in records if expected.items() <= each.items()]

        def ids(kind, **expected):
            return [each["Acct-Session-Id"] for each in own(kind, **expected)]

        first = wait_for(lambda: own("Start", Class="0x6f776e"), "the session's Start", 15)[0]
        assert (first["Service-Type"], first["NAS-Port-Type"]) == ("Administrative-User", "Virtual")
        assert not {"Calling-Station-Id", "Framed-IP-Address", "NAS-Port"} & set(first)
        named = first["Acct-Session-Id"]
        assert named == session(lab)["session"]
        interim = wait_for(lambda: own("Interim-Update"), "an interim record", 90)[0]
        assert interim["Acct-Session-Id"] == named and int(interim["Acct-Session-Time"]) >= 60
        wait_for(lambda: ids("Start")[-1] != named, "the next session", 15)
        assert ids("Stop", **{"Acct-Terminate-Cause": "Session-Timeout"}) == [named]
        wait_for_the_next_second()
        assert ask(lab, "disconnect", 'User-Name = "gateway-7"') == ("Disconnect-ACK", None)
        wait_for(lambda: own("Stop", **{"Acct-Terminate-Cause": "Admin-Reset"}), "the end by the server")
        lab.gateway.stop()
        lab.gateway.start()
        wait_for(lambda: session(lab)["session"] in ids("Start"), "a session of the next run")
        lab.gateway.kill()
        lab.gateway.start()
        wait_for(lambda: own("Stop", **{"Acct-Terminate-Cause": "NAS-Reboot"}), "the end that the crash was", 15)
        wait_for(lambda: session(lab)["session"] in ids("Start"), "a session after the crash")
        lab.gateway.stop()
        assert own("Stop", **{"Acct-Terminate-Cause": "Admin-Reboot"})
        assert sorted(ids("Start")) == sorted(ids("Stop"))


def test_limits_of_sessions_and_devices_come_from_the_server():
    with administrative_lab() as lab:
        mac = lab.guest.mac
        (lab.radius.directory / "users").write_text(
            users(f"macallowed={mac}", "macallowlocal", "defsessiontimeout=600", "defbandwidthmaxdown=5000000")
        )
        lab.radius.stop()
        lab.radius.start()
        lab.gateway.stop()
        lab.gateway.start()
        wait_for(lambda: session(lab)["options"] == 4, "the answer")
        assert lab.guest.lease()
        wait_for(lambda: lab.gateway.sessions(), "the device's session")
        own = lab.gateway.sessions()[0]["session"]
        assert own["seconds_left"] <= 600
        assert own["bits_per_second_down"] == 5000000
