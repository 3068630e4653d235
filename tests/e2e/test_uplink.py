"""Ways to the Internet that the gateway sets up by itself."""

import socket

import pytest

from internet import HOST
from lab import GATEWAY, UPSTREAM, Lab
from test_crash import snapshot

STATIC = {"uplink": {"address": "198.51.100.7/32", "gateway": UPSTREAM}}


def test_a_static_uplink_whose_gateway_lies_outside_its_subnet_is_set_up_and_taken_back():
    with Lab(uplink="bare", settings=STATIC, start=False) as lab:
        before = snapshot(lab.gw)
        lab.gateway.start()
        assert lab.gw.addresses("wan0") == ["198.51.100.7"]
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()
        assert {source for _, _, source in lab.internet.seen} == {"198.51.100.7"}
        assert lab.gateway.stop() == 0
        assert snapshot(lab.gw) == before


def test_a_static_uplink_that_a_crash_left_is_used_by_the_next_start():
    with Lab(uplink="bare", settings=STATIC) as lab:
        lab.gateway.kill()
        lab.gateway.start()
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        assert lab.guest.is_online()


def test_a_tap_carries_guests_like_a_tun():
    with Lab(settings={"tun": {"mode": "tap"}}, start=False) as lab:
        before = snapshot(lab.gw)
        lab.gateway.start()
        guest = lab.guest
        assert guest.lease()
        assert guest.curl("http://anything.test/").status == 302
        assert guest.login().status == 303
        assert guest.curl_status("http://online.test/blob") == 0
        assert guest.ping(UPSTREAM)
        assert guest.logout().status == 303
        assert not guest.is_online()
        assert lab.gateway.stop() == 0
        assert snapshot(lab.gw) == before


@pytest.mark.parametrize("offload", ["on", "off"])
@pytest.mark.parametrize("most", [1200, None])
def test_tcp_agrees_on_segments_that_fit_a_tunnel_each_way_if_the_operator_says_so(offload, most):
    settings = {"offload": {"mode": offload}, "tun": {"max_segment": most} if most else {}}
    with Lab(settings=settings) as lab:
        guest = lab.guest
        assert guest.lease() and guest.login().status == 303
        listener = lab.inet.socket(socket.AF_INET, socket.SOCK_STREAM)
        with listener, guest.ns.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            listener.bind((HOST, 7777))
            listener.listen()
            client.settimeout(5)
            client.connect((HOST, 7777))
            server, _ = listener.accept()
            with server:
                sizes = [end.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) for end in (client, server)]
        # Of each segment twelve octets are the timestamps'.
        assert sizes == [(most or 1460) - 12] * 2
        # The portal's pages go the same way.
        with guest.ns.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.connect((GATEWAY, 3990))
            assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) == (most or 1460) - 12
