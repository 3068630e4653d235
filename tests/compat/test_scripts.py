"""The operator's programs, which are told of guests by CoovaChilli's variables."""

import stat

import pytest

from internet import wait_for
from subject import GATEWAY

SCRIPT = """#!/bin/sh
# What it was told is under its name only when all of it is there.
env > {file}.$$
echo "WORDS=$#" >> {file}.$$
mv {file}.$$ {file}
"""


class Scripts:
    def __init__(self, directory):
        self.directory = directory

    def options(self, *names):
        for name in names:
            script = self.directory / f"{name}.sh"
            script.write_text(SCRIPT.format(file=self.directory / name))
            script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        return {name: self.directory / f"{name}.sh" for name in names}

    def told(self, name):
        told = wait_for(lambda: self.file(name).exists() and self.file(name).read_text(), name)
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)

    def file(self, name):
        return self.directory / name


@pytest.fixture
def scripts(tmp_path):
    return Scripts(tmp_path)


def test_scripts_are_told_of_a_guests_stay(made, scripts):
    options = scripts.options("macup", "conup", "condown", "ipup")
    place = {"radiuslocationid": "isocc=de,cc=49", "radiuslocationname": "Cafe_7"}
    with made(**options, **place) as subject:
        guest = subject.lab.guest
        station = guest.mac.upper().replace(":", "-")
        up = scripts.told("ipup")
        expected = {
            "DHCPIF": "lan0",
            "ADDR": GATEWAY,
            "NET": "10.85.0.0",
            "MASK": "255.255.240.0",
            "UAMLISTEN": GATEWAY,
            "UAMPORT": "3990",
            "MTU": "1500",
            "WORDS": "1",
        }
        assert {name: up[name] for name in expected} == expected
        came = scripts.told("macup")
        assert came["CALLING_STATION_ID"] == station
        assert came["FRAMED_IP_ADDRESS"] == (guest.address if subject.differs("macup") else "0.0.0.0")
        given = subject.login().parameters
        began = scripts.told("conup")
        expected = {
            "DEV": up["DEV"],
            "NET": "10.85.0.0",
            "MASK": "255.255.240.0",
            "ADDR": GATEWAY,
            "USER_NAME": "ada",
            "SERVICE_TYPE": "1",
            "FRAMED_IP_ADDRESS": guest.address,
            "SESSION_TIMEOUT": "7200",
            "IDLE_TIMEOUT": "300",
            "CALLING_STATION_ID": station,
            "CALLED_STATION_ID": given["called"],
            "NAS_ID": "lab",
            "NAS_PORT_TYPE": "19",
            "ACCT_SESSION_ID": given["sessionid"],
            "WISPR_LOCATION_ID": "isocc=de,cc=49",
            "WISPR_LOCATION_NAME": "Cafe_7",
            "COOVACHILLI_MAX_TOTAL_OCTETS": "4000000000",
            "WORDS": "0",
        }
        assert {name: began[name] for name in expected} == expected
        subject.get("/logoff")
        ended = scripts.told("condown")
        assert (ended["USER_NAME"], ended["ACCT_SESSION_ID"]) == ("ada", given["sessionid"])
        assert ended["TERMINATE_CAUSE"] == "1"
        assert {"INPUT_OCTETS", "OUTPUT_OCTETS", "INPUT_PACKETS", "OUTPUT_PACKETS", "SESSION_TIME"} <= set(ended)
