"""A foreign portal: what `uamserver` has to do, by CoovaChilli's description of it (see its hotspotlogin scripts).

It checks the redirect's digest, shows a form, computes the answer to the challenge, and sends the browser back to the
gateway. Programs that speak WISPr post to the same page. The shared secret never leaves it.
"""

import hashlib
import html
import http.server
import re
import subprocess
import threading
from urllib.parse import parse_qs, quote, unquote, urlsplit


def key(challenge, secret):
    """What passwords are mixed with."""
    octets = bytes.fromhex(challenge)
    return hashlib.md5(octets + secret.encode()).digest() if secret else octets


def chap(challenge, secret, password, ident=0):
    return hashlib.md5(bytes([ident]) + password.encode() + key(challenge, secret)).hexdigest()


def pap(challenge, secret, password):
    octets = password.encode()
    octets += bytes(-len(octets) % 16)
    mask = key(challenge, secret)
    return bytes(octet ^ mask[at % 16] for at, octet in enumerate(octets)).hex()


def openssl(*argv, octets):
    command = ["openssl", *argv, "-provider", "legacy", "-provider", "default"]
    return subprocess.run(command, input=octets, capture_output=True, check=True).stdout


def nt_response(challenge, secret, name, password):
    """NTResponse (RFC 2759, 8.1) with one challenge for both sides."""
    mask = key(challenge, secret)
    digest = hashlib.sha1(mask + mask + name.encode()).digest()[:8]
    hashed = openssl("dgst", "-md4", "-binary", octets=password.encode("utf-16-le")) + bytes(5)
    response = b""
    for at in (0, 7, 14):
        bits = int.from_bytes(hashed[at : at + 7], "big")
        des_key = bytes((bits >> (49 - 7 * n) << 1) & 0xFE for n in range(8))
        response += openssl("enc", "-des-ecb", "-nopad", "-K", des_key.hex(), octets=digest)
    return response.hex()


def credential(how, challenge, secret, name, password):
    """The parameters of a login."""
    return {
        "chap": lambda: f"response={chap(challenge, secret, password)}",
        "chap 7": lambda: f"response={chap(challenge, secret, password, 7)}&ident=7",
        "pap": lambda: f"password={pap(challenge, secret, password)}",
        "mschapv2": lambda: f"ntresponse={nt_response(challenge, secret, name, password)}",
        "plain": lambda: f"password={quote(password)}",
    }[how]()


def is_signed(url, secret):
    """Whether the gateway made this address."""
    text, _, digest = url.rpartition("&md=")
    return hashlib.md5((text + secret).encode()).hexdigest().upper() == digest


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        parameters = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        own = urlsplit(self.server.address).path
        if urlsplit(self.path).path != own:
            return self.answer("<h1>There is no such page</h1>", 404)
        url = self.server.address + self.path.removeprefix(own)
        self.server.visits.append(url)
        if not is_signed(url, self.server.secret):
            return self.answer("<h1>This address was not made by the gateway</h1>", 403)
        heading = {
            "notyet": "Please log in",
            "failed": "Login failed",
            "success": "Logged in",
            "already": "Already logged in",
            "logoff": "Logged out",
        }[parameters["res"]]
        gateway = f"http://{parameters['uamip']}:{parameters['uamport']}"
        page = f"<h1>{heading}</h1><p>{html.escape(parameters.get('reply', ''))}</p>"
        if parameters["res"] in ("success", "already"):
            page += f'<p><a id="logout" href="{gateway}/logoff">Log out</a></p>'
        else:
            names = ("challenge", "uamip", "uamport", "userurl")
            hidden = [(name, html.escape(parameters.get(name, ""))) for name in names]
            page += '<form method="post">' + "".join(
                f'<input type="hidden" name="{name}" value="{value}">' for name, value in hidden
            )
            page += '<input name="UserName"><input name="Password" type="password"><button name="button">Go</button>'
            page += "</form>"
        self.answer(page)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        # A program posts to LoginURL, which has the challenge; a form has all of it in its fields.
        fields = {**parse_qs(urlsplit(self.path).query), **parse_qs(body)}
        given = {name: values[0] for name, values in fields.items()}
        proof = credential(
            self.server.how, given["challenge"], self.server.secret, given["UserName"], given["Password"]
        )
        logon = f"http://{given['uamip']}:{given['uamport']}/logon?username={quote(given['UserName'])}&{proof}"
        if given.get("res") == "wispr":
            version = given.get("WISPrVersion", "")
            logon += f"&WISPrVersion={version}" if version else ""
            return self.answer(
                "<!--\n<WISPAccessGatewayParam><AuthenticationReply><MessageType>120</MessageType>"
                "<ResponseCode>201</ResponseCode>"
                f"<LoginResultsURL>{html.escape(logon)}</LoginResultsURL>"
                "</AuthenticationReply></WISPAccessGatewayParam>\n-->"
            )
        self.send_response(302)
        # Encoded once for the address, once more for the gateway.
        self.send_header("Location", f"{logon}&userurl={quote(quote(given.get('userurl', ''), ''), '')}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, page, status=200):
        octets = f"<!DOCTYPE html><title>Portal</title>{page}".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *_):
        pass


class Portal(http.server.ThreadingHTTPServer):
    """Serves on a socket that listens already, for instance in another network namespace."""

    daemon_threads = True

    def __init__(self, listener, address, secret, how="chap"):
        super().__init__(listener.getsockname(), Page, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.address, self.secret, self.how = address, secret, how
        self.visits = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


def element(page, name):
    """The text of an element of WISPr's XML in a page; none if it is not there."""
    found = re.search(f"<{name}>(.*?)</{name}>", page, re.S)
    return html.unescape(found[1]) if found else None


def parameters(location):
    """Names and values of an address, as they stand there and in their order."""
    pairs = (pair.partition("=") for pair in location.partition("?")[2].split("&"))
    return {name: unquote(value) for name, _, value in pairs}
