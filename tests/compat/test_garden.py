"""What is open before login."""

from internet import DNS, HOST


def resolver(subject):
    return subject.address if subject.differs("resolver") else DNS


def test_the_garden_is_open_at_the_ports_that_it_names(made):
    with made(uamallowed=f"tcp:{HOST}:443,192.0.2.104/30") as subject:
        guest = subject.lab.guest
        assert guest.connect(HOST, 443) == "open"
        assert guest.connect(HOST, 22, seconds=1) != "open"
        assert guest.connect("192.0.2.105", 443) == "open"
        assert guest.connect("192.0.2.110", 443, seconds=1) != "open"
        assert guest.curl("http://192.0.2.105/").body.startswith("hello")
        assert subject.led("/").parameters["res"] == "notyet"


def test_a_domain_is_open_at_the_addresses_that_its_names_have(made):
    with made(uamdomain="gstatic.com,.google.com") as subject:
        guest, internet = subject.lab.guest, subject.lab.internet
        open_, closed = internet.hosts["connectivitycheck.gstatic.com"], internet.hosts["captive.apple.com"]
        assert guest.connect(open_, 443, seconds=1) != "open", "nobody has asked for the name"
        for name in ("connectivitycheck.gstatic.com", "captive.apple.com"):
            assert guest.ask_dns(resolver(subject), name, 1)
        assert guest.connect(open_, 443) == "open"
        assert guest.connect(closed, 443, seconds=1) != "open"
        assert guest.ask_dns(resolver(subject), "www.google.com", 1)
        assert guest.connect(internet.hosts["www.google.com"], 443) == "open"


def test_whichever_server_is_asked_answers(made):
    with made(uamanydns=True) as subject:
        assert subject.lab.guest.ask_dns("192.0.2.99", "shop.test", 1)


def test_names_of_the_gateways_own_are_answered(made):
    names = {"uamaliasname": "portal", "uamhostname": "gate", "domain": "hotspot.test", "uamaliasip": "192.0.2.1"}
    with made(**names) as subject:
        alias = subject.address if subject.differs("alias name") else "192.0.2.1"
        for name, address in (("portal.hotspot.test", alias), ("gate.hotspot.test", subject.address)):
            answer = subject.lab.guest.ask_dns(resolver(subject), name, 1)
            assert answer and answer.endswith(bytes(map(int, address.split("."))))
