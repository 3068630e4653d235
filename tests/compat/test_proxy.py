"""A proxy that http of guests who are online goes to."""

import pathlib
import re

from internet import HOST
from subject import NAME

PROXY = "192.0.2.95"
PORT = 3128
MIGRATION = pathlib.Path(__file__).parents[2] / "MIGRATION.md"


def rule():
    """The one that MIGRATION.md has for postauthproxy, with the lab's addresses."""
    text = re.search(r"^table ip proxy \{\n.*?^\}\n", MIGRATION.read_text(), re.M | re.S)[0]
    return text.replace("198.51.100.8:3128", f"{PROXY}:{PORT}").replace("198.51.100.10", "192.0.2.105")


def test_http_of_who_is_online_goes_to_a_proxy(made):
    native = {"postauthproxy": PROXY, "postauthproxyport": PORT} if NAME == "coovachilli" else {}
    with made(uamallowed="192.0.2.105", **native) as subject:
        lab, guest = subject.lab, subject.lab.guest
        lab.inet.ip("addr", "add", f"{PROXY}/32", "dev", "lo")
        proxy = lab.internet.listen(PORT)
        try:
            if subject.differs("proxy"):
                lab.gw.nft(rule())
            assert guest.curl("http://192.0.2.105/").body == "hello from 192.0.2.105\n"
            assert guest.connect(PROXY, 80, seconds=1) == "open" and proxy.seen == [], "it is led to the portal"
            assert subject.login().parameters["res"] == "success"
            assert guest.curl("http://online.test/a").body == "hello from online.test\n"
            assert [seen[:2] for seen in proxy.seen] == [("online.test", "/a")]
            assert guest.connect(HOST, 443) == "open"
        finally:
            proxy.shutdown()
            proxy.server_close()
