"""A person at a terminal."""

import os
import pty
import select
import termios

from lab import binary

PATIENCE = 30


class Terminal:
    """The program on a terminal of its own; `shown` is what a person sees."""

    def __init__(self, ns, *argv):
        self.ours, self.theirs = pty.openpty()
        self.shown = ""
        handles = dict.fromkeys(("stdin", "stdout", "stderr"), self.theirs)
        self.process = ns.spawn(binary(), *argv, **handles)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)

    def asks(self, question, answer):
        """The answer is typed when the question is there."""
        while not self.shown.endswith(question):
            if not self.read(PATIENCE):
                return False
        os.write(self.ours, answer.encode())
        self.shown += "|"
        return True

    def ended(self):
        """The exit status, when all is read; the terminal is as it was."""
        status = self.process.wait(PATIENCE)
        while self.read(0):
            pass
        assert termios.tcgetattr(self.theirs)[3] & (termios.ECHO | termios.ISIG) == termios.ECHO | termios.ISIG
        return status

    def read(self, seconds):
        """False if nothing comes."""
        if not select.select([self.ours], [], [], seconds)[0]:
            return False
        self.shown += os.read(self.ours, 4096).decode()
        return True
