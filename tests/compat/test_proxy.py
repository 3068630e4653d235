"""A proxy that http of guests who are online goes to, or https as well."""

import pathlib
import re

import pytest

from internet import HOST
from subject import NAME

PROXY = "192.0.2.95"
PORT = 3128
MIGRATION = pathlib.Path(__file__).parents[2] / "MIGRATION.md"


def rule():
    """The one that MIGRATION.md has for postauthproxyssl, with the lab's addresses."""
    text = re.search(r"^table ip proxy \{\n.*?^\}\n", MIGRATION.read_text(), re.M | re.S)[0]
    return text.replace("198.51.100.8:3128", f"{PROXY}:{PORT}").replace("198.51.100.10", "192.0.2.105")


@pytest.mark.parametrize("secure", [False, True])
def test_http_of_who_is_online_goes_to_a_proxy(made, secure):
    native = secure and NAME == "coovachilli"
    options = {"postauthproxy": PROXY, "postauthproxyport": PORT, "postauthproxyssl": native or None}
    with made(uamallowed="192.0.2.105", **options) as subject:
        lab, guest = subject.lab, subject.lab.guest
        lab.inet.ip("addr", "add", f"{PROXY}/32", "dev", "lo")
        proxy = lab.internet.listen(PORT)
        try:
            if secure and subject.differs("https proxy"):
                lab.gw.nft(rule())
            assert guest.curl("http://192.0.2.105/").body == "hello from 192.0.2.105\n"
            assert guest.connect(PROXY, 80, seconds=1) == "open" and proxy.seen == [], "it is led to the portal"
            assert subject.login().parameters["res"] == "success"
            assert guest.curl("http://online.test/a").body == "hello from online.test\n"
            assert [seen[:2] for seen in proxy.seen] == [("online.test", "/a")]
            assert guest.curl(f"http://{HOST}:443/b").status == 200
            assert [seen[1] for seen in proxy.seen] == (["/a", "/b"] if secure else ["/a"])
        finally:
            proxy.shutdown()
            proxy.server_close()
