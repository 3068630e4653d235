"""What monitoring reads."""

import json
import pathlib
import re

from lab import GATEWAY, Lab

LINE = re.compile(r'poblano_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9]+')
DASHBOARD = pathlib.Path(__file__).parents[2] / "conf" / "grafana.json"


def numbers(text):
    """By name and labels."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    return {name: int(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_monitoring_reads_how_many_guests_there_are_and_guests_do_not():
    with Lab(settings={"metrics": {"listen": "172.31.0.1"}}) as lab:
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()
        text = lab.gw.run("curl", "-fsS", "http://172.31.0.1:9377/metrics")
        read = numbers(text)
        assert (read["poblano_guests"], read["poblano_sessions"]) == (1, 1)
        assert read['poblano_packets_total{direction="up",verdict="forward"}'] > 0
        for secret in ("ada", lab.guest.mac, lab.guest.address):
            assert secret not in text, "no guest is named"
        printed = numbers(lab.gateway.cli("metrics", "--socket", lab.gateway.control))
        assert printed.keys() >= read.keys()
        for path, options, status in (
            ("", (), "404"),
            ("metrics", ("-X", "POST"), "405"),
            ("metrics", ("--head",), "200"),
        ):
            url = f"http://172.31.0.1:9377/{path}"
            assert lab.gw.run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *options, url) == status
        nonsense = "exec 3<>/dev/tcp/172.31.0.1/9377; printf 'hello\\r\\n\\r\\n' >&3; head -n 1 <&3"
        assert lab.gw.run("bash", "-c", nonsense).startswith("HTTP/1.1 400 ")
        for address in ("172.31.0.1", GATEWAY):
            assert lab.guest.connect(address, 9377) != "open"


def test_every_number_of_the_dashboard_is_one_that_the_gateway_has():
    with Lab(settings={"auth": {"method": ["local", "vouchers"]}}) as lab:
        assert lab.guest.lease()
        told = lab.gateway.cli("metrics", "--socket", lab.gateway.control)
    names = {line.split()[2] for line in told.splitlines() if "TYPE" in line}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    drawn = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"poblano_[a-z_]+", target["expr"])
    }
    # Those of an authentication that this lab does not have.
    missing = drawn - names
    assert {name for name in missing if not name.startswith(("poblano_accounting_", "poblano_radius_"))} == set()
    assert len(panels) >= 6
