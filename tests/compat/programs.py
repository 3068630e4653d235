"""The programs that a lab can have for its gateway, each started from the same chilli.conf."""

import os
import pathlib
import tomllib

from lab import Gateway
from namespace import sh

FIREWALL = """
table ip lab {
    chain input { type filter hook input priority 0; iifname lan0 drop; }
    chain forward { type filter hook forward priority 0; iifname lan0 drop; }
    chain nat { type nat hook postrouting priority 100; oifname wan0 masquerade; }
}
"""


def written(options):
    """A chilli.conf of these options."""
    lines = []
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            quote = "'" if '"' in str(each) else '"'
            lines.append(name if each is True else f"{name} {quote}{each}{quote}")
    return "\n".join(lines) + "\n"


class Poblano(Gateway):
    """Ours, from what `poblano import` makes of the file."""

    takes_offloads = True

    def __init__(self, lab, options, ours):
        super().__init__(lab.gw, lab.directory, None)
        conf = self.directory / "chilli.conf"
        conf.write_text(written({**options, "cmdsocket": self.control}))
        place = {"state": {"directory": str(self.directory / "state")}}
        imported = tomllib.loads(self.cli("import", conf))
        for settings in (place, ours):
            for section, values in settings.items():
                imported[section] = {**imported.get(section, {}), **values}
        self.settings = imported
        self.write()

    def query(self, *words):
        return self.cli("query", "-s", self.control, *words)


class CoovaChilli(Gateway):
    """The one that is installed at COMPAT_CHILLI, such as /usr/sbin/chilli, with its tools beside it."""

    takes_offloads = False
    """It passes on what a network card was to finish, and packets larger than the MTU."""

    def __init__(self, lab, options, _):
        super().__init__(lab.gw, lab.directory, None)
        self.program = self.installed()
        own = {
            "cmdsocket": self.control,
            "pidfile": self.directory / "chilli.pid",
            "unixipc": self.directory / "chilli.ipc",
            "statedir": self.directory / "state",
        }
        # A failing test shows the file of this name.
        self.config.write_text(written({**options, **own}))
        # What its scripts and the machine's owner do: without them the kernel forwards guests' packets by itself.
        self.ns.sysctl("net.ipv4.ip_forward", 1)
        self.ns.nft(FIREWALL)

    @staticmethod
    def installed():
        return pathlib.Path(os.environ["COMPAT_CHILLI"])

    @classmethod
    def version(cls):
        return sh(cls.installed(), "--version").split()[-1]

    def spawn(self):
        with self.log.open("a") as log:
            self.process = self.ns.spawn(self.program, "--fg", "--conf", self.config, stdout=log, stderr=log)

    def query(self, *words):
        return self.ns.run(self.program.with_name("chilli_query"), "-s", self.control, *words)


BY_NAME = {"poblano": Poblano, "coovachilli": CoovaChilli}
