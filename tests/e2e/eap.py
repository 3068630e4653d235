"""WPA-Enterprise without a radio: FreeRADIUS with EAP, certificates by openssl, and `eapol_test` in the place of device
and access point."""

import re
import subprocess

from aaa import FreeRadius

AP = "192.0.2.40"
STRANGER = "192.0.2.41"
AP_SECRET = "a secret of the access point"
RADIO = "02-00-00-00-00-03:staff"

MODULE = """
    eap {{
        default_eap_type = peap
        timer_expire = 60
        max_sessions = 1024
        tls-config tls-common {{
            private_key_file = {dir}/server.key
            certificate_file = {dir}/server.pem
            ca_file = {dir}/ca.pem
            tls_min_version = "1.2"
            tls_max_version = "1.2"
            cipher_list = "DEFAULT"
            ecdh_curve = ""
        }}
        tls {{
            tls = tls-common
        }}
        ttls {{
            tls = tls-common
            default_eap_type = md5
            use_tunneled_reply = yes
            virtual_server = inner
        }}
        peap {{
            tls = tls-common
            default_eap_type = mschapv2
            use_tunneled_reply = yes
            virtual_server = inner
        }}
        md5 {{
        }}
        mschapv2 {{
        }}
    }}
"""

INNER = """
server inner {
    authorize {
        eap {
            ok = return
        }
        files
        pap
    }
    authenticate {
        Auth-Type PAP {
            pap
        }
        Auth-Type MS-CHAP {
            mschap
        }
        eap
    }
}
"""

METHODS = {
    "PEAP": 'eap=PEAP phase2="auth=MSCHAPV2" anonymous_identity="anonymous" password="{password}"',
    "TTLS": 'eap=TTLS phase2="auth=PAP" anonymous_identity="anonymous" password="{password}"',
    "TLS": 'eap=TLS client_cert="{dir}/{user}.pem" private_key="{dir}/{user}.key"',
}


class EapRadius(FreeRadius):
    """A FreeRADIUS whose users may also come by EAP."""

    def configure(self, config):
        certificates(self.directory, "server", "ada")
        eap = "eap {\n            ok = return\n        }\n        "
        for place, more in (
            ("modules {\n", MODULE.format(dir=self.directory)),
            # What EAP has begun goes on there, all else by the users file.
            ("authorize {\n", f"        {eap}\n"),
            ("authenticate {\n", "        eap\n"),
        ):
            assert config.count(place) == 1
            config = config.replace(place, place + more)
        return config + INNER


def certificates(directory, *names):
    """ca.pem, and a certificate and key for each name."""

    def openssl(*argv):
        subprocess.run(["openssl", *map(str, argv)], cwd=directory, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(*new, "-x509", "-days", 2, "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    for name in names:
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        openssl("x509", "-req", "-days", 2, "-in", f"{name}.csr", *signer, "-out", f"{name}.pem")


class Outcome:
    """What device and access point saw of a conversation."""

    def __init__(self, text):
        self.text = text
        self.accepted = text.rstrip().endswith("SUCCESS")
        self.keys_match = "MPPE keys OK: 1  mismatch: 0" in text
        self.answered = "code=11 (Access-Challenge)" in text or "code=2 (Access-Accept)" in text
        self.rejected = "code=3 (Access-Reject)" in text

    def __repr__(self):
        return self.text[-3000:]


def joins(lab, mac, method="PEAP", user="ada", password="lovelace", secret=AP_SECRET, source=AP, again=0):
    """A device joins at the access point, and proves itself `again` times more."""
    directory = lab.radius.directory
    own = METHODS[method].format(dir=directory, user=user, password=password)
    fields = "\n    ".join(re.findall(r'\S+?=(?:"[^"]*"|\S+)', own))
    config = directory / f"{method}-{user}.conf"
    config.write_text(
        f'network={{\n    key_mgmt=WPA-EAP\n    identity="{user}"\n    ca_cert="{directory}/ca.pem"\n    {fields}\n}}\n'
    )
    called = ("-N", f"30:s:{RADIO}")
    where = ("-a", lab.uplink_address, "-s", secret, "-A", source, "-M", mac, "-t", 8, "-r", again)
    return Outcome(lab.inet.done("eapol_test", "-c", config, *where, *called).stdout)


def ask(lab, kind, text, secret=AP_SECRET):
    """What the access point gets for a packet that `radclient` makes of this text: all that it prints."""
    port = {"auth": 1812, "acct": 1813}[kind]
    command = ("radclient", "-x", "-r", 1, "-t", 3, f"{lab.uplink_address}:{port}", kind, secret)
    done = lab.inet.done(*command, input=f"Packet-Src-IP-Address = {AP}, {text}")
    assert "Received" in done.stdout or "No reply" in done.stdout + done.stderr, done
    return done.stdout


def record(lab, kind, mac, session="5F", secret=AP_SECRET):
    """The access point's accounting; true if it is acknowledged."""
    text = (
        f'Acct-Status-Type = {kind}, Acct-Session-Id = "{session}", Called-Station-Id = "{RADIO}", '
        f'Calling-Station-Id = "{mac}", Acct-Input-Octets = 1'
    )
    return "Received Accounting-Response" in ask(lab, "acct", text, secret)
