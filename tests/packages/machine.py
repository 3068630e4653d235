"""A Debian of its own, booted with systemd in the namespace of a lab's gateway."""

import contextlib
import pathlib
import shutil
import subprocess
import tempfile

from internet import DNS, wait_for
from lab import OUTPUT, ROOT, Lab, binary
from namespace import sh
from test_crash import snapshot

HERE = pathlib.Path(__file__).resolve().parent
MASKED = ("systemd-sysctl", "systemd-modules-load", "systemd-remount-fs", "systemd-update-utmp", "systemd-networkd")
"""Units that are about the whole machine, not about a namespace of it."""
CONFIG = '[lan]\ninterface = "lan0"\n[auth]\nmethod = "local"\n[offload]\nmode = "auto"\n'


def package(directory, version=None):
    """The Debian package of the program under test, in a version of one's own."""
    made = sh(ROOT / "ports/debian/build", binary(), directory, *([version] if version else []))
    return pathlib.Path(made.split("'")[3])


def bookworm():
    """The smallest Debian 12 that boots, as an archive, which is kept for the next time."""
    archive = OUTPUT / "bookworm.tar"
    if not archive.exists():
        made = OUTPUT / "made.tar"
        sh("mmdebstrap", "--quiet", "--variant=minbase", "--include=systemd,systemd-sysv", "bookworm", made)
        made.rename(archive)
    return archive


class Machine:
    """One in whose place the lab's own gateway does not run."""

    def __init__(self, lab, root):
        self.lab, self.root = lab, root
        self.process = self.pid = None

    def boot(self):
        for unit in MASKED:
            (self.root / "etc/systemd/system" / f"{unit}.service").symlink_to("/dev/null")
        (self.root / "etc/resolv.conf").unlink(missing_ok=True)
        (self.root / "etc/resolv.conf").write_text(f"nameserver {DNS}\n")
        kinds = [f"--{kind}" for kind in ("mount", "pid", "cgroup", "uts", "ipc")]
        self.process = self.lab.gw.spawn("unshare", *kinds, "--fork", "--kill-child", HERE / "boot", self.root)
        wait_for(self.has_booted, "systemd", 60)

    def has_booted(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.pid = children[0] if children else None
        return self.pid and self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded")

    def run(self, *argv, check=True):
        """A command as its administrator gives it; what it printed, errors too."""
        enter = ["nsenter", "--target", self.pid, "--all", "--root", "--wd=/"]
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"]
        done = subprocess.run(
            [str(word) for word in (*enter, *environment, *argv)],
            text=True,
            timeout=120,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if check and done.returncode:
            raise RuntimeError(f"{argv}: status {done.returncode}\n{done.stdout}\n{self.journal()}")
        return done.stdout

    def journal(self):
        return self.run("journalctl", "--unit=poblano", "--no-pager", "--output=cat", check=False)

    def install(self, deb):
        shutil.copy(deb, self.root / "root")
        said = self.run("dpkg", "--install", f"/root/{deb.name}")
        (self.root / "root" / deb.name).unlink()
        return said

    def configure(self, text=CONFIG):
        (self.root / "etc/poblano/poblano.toml").write_text(text)

    def is_active(self):
        return self.run("systemctl", "is-active", "poblano", check=False).strip() == "active"

    def main_pid(self):
        """Of the service, as its machine counts."""
        return int(self.run("systemctl", "show", "--property=MainPID", "--value", "poblano"))

    def files(self):
        """Every file, but for what the system itself writes while it runs, and dpkg's own books."""
        own = ("dev", "proc", "run", "sys", "tmp", "var/log", "var/lib/dpkg", "var/lib/systemd", "var/cache", "var/tmp")
        paths = (path.relative_to(self.root) for path in self.root.rglob("*"))
        return {str(path) for path in paths if not str(path).startswith(own)}

    def network(self):
        """What a gateway changes on a machine."""
        return snapshot(self.lab.gw)


@contextlib.contextmanager
def machine():
    """A lab with one guest, whose gateway is to be made of a package."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="poblano-debian-"))
    try:
        sh("tar", "--extract", "--file", bookworm(), "--directory", root, "--exclude=./dev/*")
        with Lab(start=False, accounts=False) as lab:
            made = Machine(lab, root)
            try:
                made.boot()
                yield made
            finally:
                if made.process:
                    made.process.kill()
                    made.process.wait()
    finally:
        shutil.rmtree(root)
