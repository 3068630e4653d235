"""README's first command."""

import subprocess

from lab import binary
from namespace import sh


def test_the_demo_tells_its_story_ends_by_itself_and_leaves_nothing():
    before = machine()
    with subprocess.Popen([binary(), "demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
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


def machine():
    """Namespaces, links and firewall of the machine itself, and our program's processes."""
    processes = sh("ps", "-eo", "comm").split()
    return (
        sh("ip", "netns", "list"),
        sorted(line.split(": ")[1] for line in sh("ip", "-o", "link").splitlines()),
        sh("nft", "list", "ruleset", check=False),
        processes.count(binary().name),
    )
