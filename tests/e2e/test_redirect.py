"""Real clients' TCP before login: the gateway answers http without a socket, and nobody may notice."""

import http.client
import random
import socket
import threading

import pytest

from lab import GATEWAY, PORTAL, Lab, wait_for

WEB = "192.0.2.80"
TABLE = "/proc/sys/net/netfilter/nf_conntrack_count"
LOSSY = """
table ip lossy {
    chain input { type filter hook input priority 0; tcp sport 80 numgen random mod 100 < 15 drop; }
    chain output {
        type filter hook output priority 0
        tcp dport 80 tcp flags & syn == 0 numgen random mod 100 < 15 drop
    }
}
"""
"""Loses packets of both directions; not a SYN that leaves, of which the kernel would tell the program."""
WIRES = {
    "offloads": {},
    "no offloads": {"offloads": False},
    "vlans": {"offloads": False, "vlans": (10, 4094)},
}


@pytest.fixture(params=WIRES.values(), ids=WIRES.keys())
def lab(request):
    with Lab(**request.param) as made:
        assert all(guest.lease() for guest in made.guests)
        yield made


def connection(guest, address=WEB, patience=30):
    """A TCP connection of the guest's own kernel."""
    tcp = guest.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.settimeout(patience)
    tcp.connect((address, 80))
    return tcp


def ask(guest, method="GET", body=None, headers=None, **how):
    """A request with Python's client; its answer has to be whole."""
    client = http.client.HTTPConnection(WEB)
    client.sock = connection(guest, **how)
    client.request(method, "/a?b=c", body, {"Host": "shop.test", **(headers or {})})
    answer = client.getresponse()
    text = answer.read()
    client.close()
    return answer.status, answer.headers["Location"], text


def is_led(answer, method="GET"):
    status, location, text = answer
    expected = b"" if method == "HEAD" else f"Please go to {PORTAL}/\n".encode()
    return (status, location, text) == (302, f"{PORTAL}/?url=http%3A%2F%2Fshop.test%2Fa%3Fb%3Dc", expected)


def open_connections(guest):
    """Those that wait for something. One that has been closed from the guest's side first may linger in TIME-WAIT."""
    lines = guest.ns.run("ss", "-Htan", "dport", "=", ":80").splitlines()
    return [line for line in lines if not line.startswith("TIME-WAIT")]


def test_requests_of_all_sizes_are_answered_and_closed_on_both_sides(lab):
    for guest in lab.guests:
        for method in ("GET", "HEAD", "OPTIONS", "DELETE"):
            assert is_led(ask(guest, method), method)
        assert is_led(ask(guest, headers={"Cookie": "a" * 16_000}))
        assert is_led(ask(guest, headers={f"X-{n}": "b" * 900 for n in range(60)}))
        assert is_led(ask(guest, "POST", b"c" * 300_000))
        assert is_led(ask(guest, "POST", (b"d" * 1000 for _ in range(40))))
        wait_for(lambda guest=guest: not open_connections(guest), "all connections are closed", 10)
    assert lab.gw.run("ss", "-Htan", "sport", "!=", ":3990") == ""


def test_wget_and_curl_follow_to_the_login_page(lab):
    for guest in lab.guests:
        assert "password" in guest.ns.run("wget", "-q", "-O", "-", "-t", "1", "-T", "10", f"http://{WEB}/x")
        assert "password" in guest.curl("http://anything.test/", "-L").body
        assert "password" in guest.curl(f"http://{GATEWAY}/", "-L").body
        reply = guest.curl("http://anything.test/", "--tcp-fastopen", "-H", "Cookie: " + "a" * 16_000)
        assert reply.status == 302


@pytest.mark.parametrize("pieces", [1, 7], ids=["octet by octet", "by sevens"])
def test_a_client_that_stutters_or_closes_its_side_first_gets_its_answer(lab, pieces):
    request = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"
    guest = lab.guests[0]
    for closes in (False, True):
        with connection(guest) as tcp:
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(request), pieces):
                tcp.send(request[at : at + pieces])
            if closes:
                tcp.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: tcp.recv(4096), b""))
            assert answer.startswith(b"HTTP/1.1 302 Found\r\n")
            assert f"Location: {PORTAL}/".encode() in answer
    with connection(guest) as tcp:
        tcp.shutdown(socket.SHUT_WR)
        assert tcp.recv(1) == b"", "who asks for nothing gets nothing"
    wait_for(lambda: not open_connections(guest), "all connections are closed", 10)


def test_many_connections_that_wait_cost_the_gateway_nothing(lab):
    guest = lab.guests[0]
    before = int(lab.gw.run("cat", TABLE))
    held = [connection(guest) for _ in range(400)]
    assert int(lab.gw.run("cat", TABLE)) <= before
    assert lab.gw.run("ss", "-Htan", "sport", "!=", ":3990") == ""
    random.Random(1).shuffle(held)
    for tcp in held:
        tcp.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        assert tcp.recv(15) == b"HTTP/1.1 302 Fo"
        tcp.close()
    assert ask(guest)[0] == 302


def test_a_bad_network_changes_nothing_but_the_time_it_takes():
    with Lab(offloads=False) as lab:
        guest = lab.guest
        assert guest.lease()
        guest.ns.run("nft", LOSSY)
        answers = []

        def visits():
            for size in (10, 4000, 30_000):
                answers.append(ask(guest, headers={"Cookie": "a" * size}, patience=240))  # seven losses in a row: 50 s

        threads = [threading.Thread(target=visits) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 48
        # Where the head came in more than one piece, or its first piece was lost, what was asked for may be missing.
        assert all(answer[0] == 302 and answer[2].startswith(b"Please") for answer in answers)
        assert sum(is_led(answer) for answer in answers) >= 24
        wait_for(
            lambda: not open_connections(guest), "all connections are closed", 150
        )  # RFC 6298: each loss doubles the wait
