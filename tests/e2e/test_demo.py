"""README's first command."""

import os
import pathlib
import subprocess

from lab import binary, machines
from namespace import sh

MARK = "POBLANO_DEMO_OF_A_TEST=yes"
"""In the environment of the demo and of all that it starts."""


def test_the_demo_tells_its_story_ends_by_itself_and_leaves_nothing():
    before = machine()
    env = dict([*os.environ.items(), MARK.split("=")])
    with subprocess.Popen(
        [binary(), "demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as demo:
        try:
            story, _ = demo.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            demo.kill()
            raise
    print(story)
    assert demo.returncode == 0
    for word in ("lease", "probe", "redirect", "login", "online", "logout"):
        assert word in story.lower()
    assert machine() == before
    assert [p for p in pathlib.Path("/proc").glob("[0-9]*/environ") if MARK in environment(p)] == []


def machine():
    """Namespaces, links and firewall of the machine itself, without the labs of tests that run beside this one."""
    labs = {name for name, _ in machines()}
    return (
        sorted(line.split()[0] for line in sh("ip", "netns", "list").splitlines() if line.split()[0] not in labs),
        sorted(line.split(": ")[1] for line in sh("ip", "-o", "link").splitlines()),
        sh("nft", "list", "ruleset", check=False),
    )


def environment(file):
    try:
        return file.read_text(errors="replace").split("\0")
    except OSError:
        return []  # it has ended meanwhile
