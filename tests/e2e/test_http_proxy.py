"""Http of guests who are online goes to a proxy, and nothing of those who are not."""

import threading

import pytest

from frames import Wire, ethernet, ipv4, is_ipv4, tcp
from internet import HOST, Server
from lab import GATEWAY, Lab

ELSEWHERE, PORT = "192.0.2.95", 3128
HERE = "172.31.0.1"
"""An address of the gateway's own machine."""
GARDEN = "192.0.2.105"


@pytest.fixture(params=[("on", ELSEWHERE), ("off", ELSEWHERE), ("on", HERE)], ids=["kernel", "user space", "here"])
def lab(request):
    offload, address = request.param
    uplink = {"http_proxy": address, "http_proxy_port": PORT}
    settings = {"offload": {"mode": offload}, "uplink": uplink, "garden": {"allow": [GARDEN]}}
    with Lab(start=False, settings=settings) as made:
        made.inet.ip("addr", "add", f"{ELSEWHERE}/32", "dev", "lo")
        made.proxy = listen(made.gw if address == HERE else made.inet, address)
        try:
            made.gateway.start()
            assert made.guest.lease()
            yield made
        finally:
            made.proxy.shutdown()
            made.proxy.server_close()


def listen(ns, address):
    listener = ns.socket()
    listener.bind((address, PORT))
    listener.listen(16)
    server = Server(listener)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


def test_http_goes_to_the_proxy_while_its_guest_is_online(lab):
    guest, proxy = lab.guest, lab.proxy
    # What is open before login is reached, and not by the proxy: that goes wherever a request says.
    assert guest.curl(f"http://{GARDEN}/", "-H", "Host: online.test").body == "hello from online.test\n"
    assert proxy.seen == []
    assert guest.login().status == 303
    for url in ("http://online.test/a", f"http://{GARDEN}/b"):
        assert guest.curl(url).status == 200
    assert [path for _, path, _ in proxy.seen] == ["/a", "/b"]
    # A large answer comes whole.
    assert guest.curl_status("http://online.test/blob") == 0
    assert guest.connect(HOST, 443) == "open"
    assert guest.logout().status == 303
    seen = len(proxy.seen)
    assert guest.curl(f"http://{GARDEN}/").status == 200
    assert not guest.is_online() and len(proxy.seen) == seen


def test_nobody_comes_to_the_proxy_by_its_own_way_before_login(lab):
    guest = lab.guest
    with Wire(guest.ns, guest.nic) as wire, Wire(lab.inet, "up0") as outside:
        for host in (GARDEN, HOST, ELSEWHERE, HERE):
            for port in (0, PORT):
                segment = tcp(guest.address, host, 40_000, port, 0x02)
                wire.send(ethernet(lab.gw.mac("lan0"), guest.mac, 0x0800, ipv4(guest.address, host, 6, segment)))
        assert guest.ask_dns(GATEWAY, "online.test", 1) is not None
        left = [frame for frame in outside.arrived(0.5) if is_ipv4(frame) and frame[23] == 6]
        answers = [frame for frame in wire.arrived(0) if is_ipv4(frame) and frame[23] == 6 and frame[47] & 0x12 == 0x12]
    # The garden is open at all ports, and that is where this one went.
    assert [(frame[30:34], frame[36:38]) for frame in left] == [
        (bytes(map(int, GARDEN.split("."))), PORT.to_bytes(2, "big"))
    ]
    assert answers == [], "no connection has begun: not to the proxy on this machine either"
    assert lab.proxy.seen == []
