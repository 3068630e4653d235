"""Certificates of the tests' own, by openssl."""

import subprocess


class Authority:
    """A certificate authority with its files in a directory."""

    def __init__(self, directory, name):
        self.directory = directory
        self.name = name
        self.certificate = directory / f"{name}.pem"
        self.key = directory / f"{name}.key"
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate),
        )

    def issue(self, name, alternative, stem=None):
        """(certificate, key) for a subjectAltName such as "DNS:radius.test"."""
        stem = stem or name
        certificate, key, request = (self.directory / f"{stem}.{kind}" for kind in ("pem", "key", "csr"))
        extensions = self.directory / f"{stem}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n")
        openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={name}", "-keyout", key, "-out", request),
        )
        openssl(
            *("x509", "-req", "-days", "2", "-in", request, "-CA", self.certificate, "-CAkey", self.key),
            *("-CAcreateserial", "-extfile", extensions, "-out", certificate),
        )
        key.chmod(0o600)
        return certificate, key


def fingerprint(certificate):
    line = openssl("x509", "-noout", "-fingerprint", "-sha256", "-in", certificate)
    return line.strip().partition("=")[2]


def openssl(*argv):
    done = subprocess.run(["openssl", *map(str, argv)], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl {argv}: {done.stderr}")
    return done.stdout
