"""One network namespace: the commands, sockets and files that live in it."""

import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def sh(*argv, check=True, **options):
    """Runs a command, returns what it printed; the error tells the whole output."""
    done = subprocess.run([str(a) for a in argv], text=True, capture_output=True, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Namespace:
    """A machine of the lab. Everything started in it dies with it."""

    def __init__(self, name):
        self.name = name
        # `ip netns exec` binds the file in it over /etc/resolv.conf: the machine's own stays untouched.
        self.etc = pathlib.Path("/etc/netns") / name

    @classmethod
    def new(cls, name):
        self = cls(name)
        sh("ip", "netns", "add", name)
        self.etc.mkdir(parents=True, exist_ok=True)
        self.set_resolvers()
        self.ip("link", "set", "lo", "up")
        return self

    def set_resolvers(self, *addresses):
        # Written in place, because a bind mount follows the inode and not the name.
        text = "".join(f"nameserver {a}\n" for a in addresses) or "# none yet\n"
        (self.etc / "resolv.conf").write_text(text)

    def ip(self, *argv):
        return sh("ip", "-n", self.name, *argv)

    def sysctl(self, key, value):
        self.run("sysctl", "-qw", f"{key}={value}")

    def nft(self, text):
        return sh("ip", "netns", "exec", self.name, "nft", "-f", "-", input=text)

    def run(self, *argv, **options):
        return sh("ip", "netns", "exec", self.name, *argv, **options)

    def done(self, *argv, timeout=30, **options):
        """A command that may fail: its returncode, stdout, stderr."""
        command = ["ip", "netns", "exec", self.name, *map(str, argv)]
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout, **options)

    def status(self, *argv, timeout=30):
        """The exit status, for a command that is expected to fail."""
        return self.done(*argv, timeout=timeout).returncode

    def spawn(self, *argv, **options):
        """`ip netns exec` becomes the program, so the child's pid is the program's own."""
        return subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, argv)], **options)

    def socket(self, *args):
        """A socket that lives in this namespace although our process does not."""
        made = []

        def enter():
            fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            try:
                if LIBC.setns(fd, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {self.name}")
                made.append(socket.socket(*args))
            finally:
                os.close(fd)

        # setns(2) moves one thread only, and that thread ends here.
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if not made:
            raise OSError(f"no socket in namespace {self.name}")
        return made[0]

    def addresses(self, interface):
        return [word.split("/")[0] for word in self.ip("-4", "-o", "addr", "show", interface).split() if "/" in word]

    def mac(self, interface):
        return self.run("cat", f"/sys/class/net/{interface}/address").strip()

    def offloads(self, interface, on):
        state = "on" if on else "off"
        self.run("ethtool", "-K", interface, *(word for f in ("tso", "gso", "gro", "tx", "rx") for word in (f, state)))

    def processes(self):
        return [int(pid) for pid in sh("ip", "netns", "pids", self.name, check=False).split()]

    def delete(self):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        sh("ip", "netns", "del", self.name, check=False)
        shutil.rmtree(self.etc, ignore_errors=True)
