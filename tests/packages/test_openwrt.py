"""The OpenWrt package: its Makefile, and its scripts in busybox's shell, which is OpenWrt's.

The build system, rc.common, procd and uci are stand-ins (openwrt/), which do what the package's files ask of them.
"""

import json
import pathlib
import re
import shutil
import subprocess

import pytest

from internet import wait_for
from lab import ROOT, Gateway, Lab
from namespace import sh

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = ROOT / "ports/openwrt/poblano"
CONFIG = """
config service
	option enabled '1'
	option network 'guest'
	option uplink 'wan'

config lan
	option network '10.85.0.0/20'

config dns
	list resolvers '{dns}'

config auth
	option method 'local'

config state
	option directory '{directory}/state'

config control
	option socket '{directory}/control'
"""


def make(target, **variables):
    words = [f"{name}={value}" for name, value in {"TOPDIR": HERE / "openwrt", **variables}.items()]
    return sh("make", "--silent", "-C", PACKAGE, target, *words)


class Router:
    """What the package puts on a router, in a root of its own."""

    def __init__(self, root, program):
        self.root = root
        shutil.copytree(HERE / "openwrt/root", root)
        for folder in ("bin", "tmp", "var/run", "usr/sbin"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        busybox = shutil.which("busybox")
        shutil.copy(busybox, root / "bin/busybox")
        # None, if it is static.
        for library in re.findall(r"/\S+", sh("ldd", busybox, check=False)):
            if ".so" in library:
                (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, root / library[1:])
        for applet in ("sh", "ln"):
            (root / "bin" / applet).symlink_to("busybox")
        make("install", DEST=root, PKG_INSTALL_DIR=program)
        self.config = root / "etc/config/poblano"
        self.networks(wan="wan0", guest="lan0")

    def networks(self, **devices):
        (self.root / "tmp/networks").write_text("".join(f"{name} {device}\n" for name, device in devices.items()))

    def enable(self):
        (self.root / "tmp/enabled").touch()
        self.config.write_text(self.config.read_text().replace("enabled '0'", "enabled '1'"))

    def told(self, *argv, **environment):
        """What procd and the log are told when a script runs."""
        told = self.root / "tmp/told"
        told.write_text("")
        subprocess.run(["chroot", self.root, *argv], check=True, env={"PATH": "/sbin:/bin", **environment})
        return told.read_text().splitlines()

    def service(self, action):
        return self.told("/etc/init.d/poblano", action)

    def hotplug(self, network):
        return self.told("/bin/sh", "/etc/hotplug.d/iface/90-poblano", ACTION="ifup", INTERFACE=network)


@pytest.fixture
def router(tmp_path):
    program = tmp_path / "built/bin/poblano"
    program.parent.mkdir(parents=True)
    program.write_text("the program")
    return Router(tmp_path / "root", program.parents[1])


def test_the_makefile_tells_what_it_packs_and_builds_the_tree_it_lies_in(tmp_path):
    facts = dict(line.split(" ", 1) for line in make("facts").splitlines())
    assert facts["name"] == "poblano"
    assert f'version = "{facts["version"]}"' in (ROOT / "Cargo.toml").read_text()
    assert "+kmod-tun" in facts["depends"]
    assert facts["conffiles"].split() == ["/etc/config/poblano", "/etc/poblano/"]
    assert facts["described"] == "yes"
    built = make("build", PKG_BUILD_DIR=tmp_path / "build", BUILD_VARIANT="router")
    assert built.strip() == "compiles crates/poblano --profile router --locked --no-default-features"


def test_the_complete_program_is_a_package_too(tmp_path):
    facts = make("facts", PACKAGE="poblano-full")
    assert "name poblano\n" in facts
    assert "conffiles /etc/config/poblano /etc/poblano/" in facts
    assert "described yes" in facts
    built = make("build", PKG_BUILD_DIR=tmp_path / "build", PACKAGE="poblano-full", BUILD_VARIANT="full")
    assert built.strip() == "compiles crates/poblano --profile release --locked"
    program = tmp_path / "bin/poblano"
    program.parent.mkdir()
    program.write_text("the complete program")
    make("install", PACKAGE="poblano-full", DEST=tmp_path / "root", PKG_INSTALL_DIR=tmp_path)
    assert (tmp_path / "root/usr/sbin/poblano").read_text() == "the complete program"
    assert (tmp_path / "root/etc/init.d/poblano").exists()


def test_nothing_starts_until_it_is_enabled(router):
    assert router.service("start") == ["trigger poblano"]
    router.enable()
    assert any(line.startswith("command /usr/sbin/poblano run") for line in router.service("start"))


def test_procd_runs_it_again_and_again_with_few_rights(router):
    router.enable()
    (router.root / "sbin/ujail").touch(0o755)
    told = router.service("start")
    assert "respawn 3600 5 0" in told
    assert "no_new_privs 1" in told
    assert "capabilities /etc/capabilities/poblano.json" in told
    unit = (ROOT / "conf/poblano.service").read_text()
    rights = json.loads((router.root / "etc/capabilities/poblano.json").read_text())
    assert f"CapabilityBoundingSet={' '.join(rights['bounding'])}\n" in unit


def test_it_waits_for_its_networks_and_starts_when_they_come(router):
    router.enable()
    router.config.write_text(CONFIG.format(dns="192.0.2.53", directory="/tmp"))
    router.networks(wan="wan0")
    assert router.service("start") == ["log -t poblano network guest is not up: waiting for it", "trigger poblano"]
    router.networks(wan="pppoe-wan", guest="br-guest")
    assert router.hotplug("lan") == []
    told = router.hotplug("guest")
    assert "append command --lan br-guest" in told
    assert "append command --uplink pppoe-wan" in told


def test_a_changed_configuration_is_read_again_by_the_running_gateway(router):
    router.enable()
    assert "open" in router.service("reload")
    (router.root / "tmp/running").touch()
    assert router.service("reload") == ["signal poblano * HUP"]


def test_an_imported_configuration_is_a_file_of_its_own(router):
    router.enable()
    assert "command /usr/sbin/poblano run --config /etc/config/poblano" in router.service("start")
    text = router.config.read_text()
    router.config.write_text(text.replace("#option config '/etc", "option config '/etc"))
    assert "command /usr/sbin/poblano run --config /etc/poblano/poblano.toml" in router.service("start")


def firewall4(router):
    """What firewall4 makes of a router that lets nobody in and forwards nothing, with the files that we put there."""
    chains = ""
    for name in ("input", "forward"):
        ours = "\n".join(file.read_text() for file in (router.root / "usr/share/nftables.d/chain-pre" / name).iterdir())
        chains += f"""chain {name} {{
            type filter hook {name} priority filter; policy drop
            {ours}
            ct state established,related accept
            iifname lo accept
            reject
        }}
        """
    return f"table inet fw4 {{\n{chains}}}\n"


def test_a_guest_is_served_behind_a_closed_firewall_with_what_procd_is_told(router):
    with Lab(start=False, accounts=False) as lab:
        lab.gw.nft(firewall4(router))
        router.enable()
        router.config.write_text(
            CONFIG.format(dns=lab.gateway.settings["dns"]["resolvers"][0], directory=lab.directory)
        )
        told = router.service("start")
        words = next(line for line in told if line.startswith("command ")).split()
        words += [word for line in told if line.startswith("append command ") for word in line.split()[2:]]
        program, action, *options = words[1:]
        assert (program, action) == ("/usr/sbin/poblano", "run")
        gateway: Gateway = lab.gateway
        gateway.source = [str(router.root) + word if word.startswith("/") else word for word in options]
        gateway.cli("user", "add", "ada", "--password-stdin", "--config", router.config, input="lovelace\n")
        gateway.start()
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
        wait_for(lab.guest.is_online, "the guest online")
