"""A FreeRADIUS of our own on the Internet's side, with a directory of its own; the system's service is not touched."""

from internet import wait_for

ADDRESS = "192.0.2.18"
SECRET = "a secret of the lab"

CONFIG = """
name = lab
prefix = /usr
libdir = /usr/lib/freeradius
raddbdir = {dir}
logdir = {dir}
run_dir = {dir}
db_dir = {dir}
radacctdir = {dir}
pidfile = {dir}/radiusd.pid
max_request_time = 10
cleanup_delay = 1
log {{
    destination = files
    file = {dir}/radiusd.log
    auth = yes
}}
security {{
    max_attributes = 200
    reject_delay = 0
    status_server = yes
}}
thread pool {{
    start_servers = 1
    max_servers = 4
    min_spare_servers = 1
    max_spare_servers = 2
}}
client gateway {{
    ipaddr = 0.0.0.0/0
    secret = "{secret}"
    require_message_authenticator = yes
}}
modules {{
    pap {{
    }}
    chap {{
    }}
    mschap {{
        use_mppe = no
    }}
    files {{
        filename = {dir}/users
    }}
    detail {{
        filename = {dir}/detail
        header = "%t"
        permissions = 0600
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = {address}
        port = 1812
    }}
    listen {{
        type = acct
        ipaddr = {address}
        port = 1813
    }}
    authorize {{
        chap
        mschap
        files
        pap
    }}
    authenticate {{
        Auth-Type PAP {{
            pap
        }}
        Auth-Type CHAP {{
            chap
        }}
        Auth-Type MS-CHAP {{
            mschap
        }}
    }}
    # Servers older than 3.2.5 sign their answers only when told to; the gateway drops unsigned ones.
    post-auth {{
        update reply {{
            Message-Authenticator := 0x00
        }}
        Post-Auth-Type REJECT {{
            update reply {{
                Message-Authenticator := 0x00
            }}
        }}
    }}
    accounting {{
        detail
    }}
}}
"""


TLS = """
clients radsec {{
    client gateway {{
        ipaddr = 0.0.0.0/0
        proto = tls
        secret = radsec
    }}
}}
listen {{
    type = auth+acct
    ipaddr = {address}
    port = 2083
    proto = tcp
    virtual_server = default
    clients = radsec
    tls {{
        private_key_file = {key}
        certificate_file = {certificate}
        ca_file = {ca}
        require_client_cert = yes
        tls_min_version = "{least}"
        tls_max_version = "{most}"
        cipher_list = "DEFAULT"
        ecdh_curve = ""
    }}
}}
"""


class FreeRadius:
    """`users` is the text of its users file; `tls` are ca, certificate and key of a server for RadSec, and versions."""

    def __init__(self, lab, users, tls=None):
        self.directory = lab.directory / "raddb"
        self.directory.mkdir(mode=0o700)
        self.log = self.directory / "radiusd.log"
        self.detail = self.directory / "detail"
        config = self.configure(CONFIG.format(dir=self.directory, secret=SECRET, address=ADDRESS))
        if tls:
            ca, certificate, key, *versions = tls
            least, most = versions or ("1.2", "1.3")
            config += TLS.format(address=ADDRESS, ca=ca, certificate=certificate, key=key, least=least, most=most)
        (self.directory / "radiusd.conf").write_text(config)
        (self.directory / "users").write_text(users)
        (self.directory / "dictionary").write_text("$INCLUDE /usr/share/freeradius/dictionary\n")
        lab.inet.ip("addr", "add", f"{ADDRESS}/32", "dev", "lo")
        self.ns = lab.inet
        self.start()

    def start(self):
        self.process = self.ns.spawn("freeradius", "-f", "-x", "-n", "radiusd", "-d", self.directory)
        wait_for(lambda: f"{ADDRESS}:1813" in self.ns.run("ss", "-Hlun"), "FreeRADIUS")

    def configure(self, config):
        """The configuration with what is special about this one."""
        return config

    def stop(self):
        self.process.kill()
        self.process.wait()

    def records(self, kind=None):
        """The accounting records of the detail file in their order, each a dict; `kind` is an Acct-Status-Type."""
        text = self.detail.read_text() if self.detail.exists() else ""
        found = []
        for block in text.split("\n\n"):
            pairs = (line.strip().split(" = ", 1) for line in block.splitlines() if " = " in line)
            record = {key: value.strip('"') for key, value in pairs}
            if record and kind in (None, record.get("Acct-Status-Type")):
                found.append(record)
        return found

    def wait(self, kind):
        """The first record of a kind."""
        return wait_for(lambda: self.records(kind), f"an accounting record {kind}", 15)[0]


def settings(**more):
    """The gateway's side."""
    server = {"address": ADDRESS, "auth_port": 1812, "acct_port": 1813, "secret": SECRET}
    return {"auth": {"method": "radius"}, "radius": {"nas_identifier": "lab", "server": [server], **more}}
