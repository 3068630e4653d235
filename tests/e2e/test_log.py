"""The log, for whoever reads it with a program."""

import json

from internet import HOST
from lab import Lab


def test_each_line_of_the_log_is_an_object_with_its_fields_if_that_is_wanted():
    with Lab(settings={"log": {"format": "json"}}) as lab:
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        assert lab.guest.curl(f"http://{HOST}/").status == 200
        [entry] = lab.gateway.sessions()
        lab.gateway.stop()
        told = [json.loads(line) for line in lab.gateway.log.read_text().splitlines()]
        assert all({"timestamp", "level", "message"} <= line.keys() for line in told)
        [began] = [line for line in told if line["message"] == "session began"]
        assert (began["level"], began["address"]) == ("INFO", lab.guest.address)
        assert began["session"] == entry["session"]["id"]
        [ended] = [line for line in told if line["message"] == "session ended"]
        assert ended["octets_up"] > 0
