"""The operator's console and the API under it, over a real network and in a real browser."""

import contextlib
import json
import socket
import time

import pytest

from browser import Browser
from internet import wait_for
from lab import GATEWAY, PORTAL, Lab
from pki import Authority
from test_pages import WIDTHS, objections

ADDRESS = "172.31.0.1"
URL = f"http://{ADDRESS}:9378"
API = f"{URL}/api/v1"
EVENTS = "GET /api/v1/events HTTP/1.1\r\nHost: c\r\nAccept: text/event-stream\r\nAuthorization: Bearer {}\r\n\r\n"


@pytest.fixture
def lab():
    console = {"listen": ADDRESS, "plain_http": True}
    with Lab(guests=2, settings={"console": console, "auth": {"method": ["local", "vouchers"]}}) as lab:
        lab.gateway.add_user("ada", "lovelace")
        make_operators(lab)
        yield lab


def make_operators(lab):
    operator(lab, "add", "root", "--password-stdin", input="correct horse\n")
    operator(lab, "add", "noc", "--read-only", "--password-stdin", input="looks on only\n")


@pytest.fixture(scope="module")
def axe(output):
    return (output / "axe.js").read_text()


def operator(lab, *words, **options):
    return lab.gateway.cli("operator", *words, "--config", lab.gateway.config, **options).strip()


def ask(lab, token, method, path, body=None, headers=()):
    """Status and what is told."""
    options = ["-X", method, "-w", "\n%{http_code}"]
    options += ["-H", f"Authorization: Bearer {token}"] if token else []
    options += ["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body is not None else []
    for header in headers:
        options += ["-H", header]
    told, _, status = lab.gw.run("curl", "-sS", *options, f"{API}{path}").rpartition("\n")
    return int(status), json.loads(told)


def sign_in(lab, name, password, headers=()):
    return ask(lab, None, "POST", "/login", {"name": name, "password": password}, headers)


def test_nobody_gets_in_without_a_password_and_a_reader_changes_nothing(lab):
    assert lab.guest.lease()
    assert ask(lab, None, "GET", "/state")[0] == 401
    assert ask(lab, "1.operate.726f6f74.00", "GET", "/state")[0] == 401
    assert sign_in(lab, "root", "wrong")[0] == 401
    assert sign_in(lab, "read/noc", "looks on only")[0] == 401, "names of the file are no names of people"
    assert sign_in(lab, "root", "correct horse", ["Origin: https://evil.example"])[0] == 403
    assert sign_in(lab, "root", "correct horse")[0] == 200
    token, reader = operator(lab, "token", "root"), operator(lab, "token", "noc")
    assert ask(lab, reader, "GET", "/me")[1]["scope"] == "read"
    session = f"/guests/{lab.guest.address}/session"
    assert ask(lab, reader, "POST", session, {})[0] == 403
    assert ask(lab, operator(lab, "token", "root", "--read-only"), "POST", session, {})[0] == 403
    assert not lab.guest.is_online()
    assert ask(lab, token, "POST", session, {}, ["Sec-Fetch-Site: cross-site"])[0] == 403
    assert ask(lab, token, "POST", session, {"user": "desk"}) == (200, {"logged_in": 1})
    assert lab.guest.is_online()
    for verb in ("token", "remove"):
        assert 'no operator "ghost"' in pytest.raises(RuntimeError, operator, lab, verb, "ghost").value.args[0]
    operator(lab, "remove", "root")
    assert ask(lab, token, "GET", "/state")[0] == 401, "with the operator its tokens go"
    operator(lab, "revoke")
    assert ask(lab, reader, "GET", "/state")[0] == 401


def test_guests_do_not_reach_the_console(lab):
    assert lab.guest.lease()
    for address in (ADDRESS, GATEWAY):
        assert lab.guest.connect(address, 9378) != "open"
    assert lab.guest.login().status == 303
    for address in (ADDRESS, GATEWAY):
        assert lab.guest.connect(address, 9378) != "open"


def test_who_guesses_passwords_is_made_to_wait(lab):
    tries = [sign_in(lab, "root", f"guess {n}")[0] for n in range(12)]
    assert tries[:8] == [401] * 8 and 429 in tries[8:], tries
    assert sign_in(lab, "root", "correct horse")[0] == 429, "the right one too, from there"


def test_the_api_does_what_the_command_line_does(lab):
    token = operator(lab, "token", "root")
    first, second = lab.guests
    assert first.lease() and second.lease()
    assert first.login().status == 303
    assert first.is_online(), "and has used something"
    status, told = ask(lab, token, "GET", "/guests?state=online")
    assert (status, told["matched"]) == (200, 1)
    assert told["guests"][0]["mac"] == first.mac
    assert ask(lab, token, "GET", "/guests?search=ADA")[1]["matched"] == 1
    assert ask(lab, token, "GET", f"/guests?search={second.mac}")[1]["guests"][0]["ip"] == second.address
    assert ask(lab, token, "GET", "/guests?sort=octets&limit=1")[1]["guests"][0]["mac"] == first.mac
    session = f"/guests/{first.address}/session"
    assert ask(lab, token, "PATCH", session, {"bits_per_second_down": 2_000_000, "seconds_max": 3600})[0] == 200
    changed = ask(lab, token, "GET", f"/guests/{first.address}")[1]["guests"][0]["session"]
    assert (changed["bits_per_second_down"], changed["seconds_max"]) == (2_000_000, 3600)
    for method, path, body, expected, words in (
        ("PATCH", session, {"bits_per_second_up": 5}, 422, "a rate is 0 or 8000 and more"),
        ("PATCH", session, {"colour": "red"}, 422, "it has seconds_max"),
        ("GET", "/guests/10.85.15.250", None, 404, "there is no guest"),
        ("GET", "/guests/nonsense", None, 404, "is no guest's address"),
        ("DELETE", "/blocked/02:00:5e:00:00:99", None, 404, "is not blocked"),
        ("GET", "/guests?sort=colour", None, 422, "octets and newest"),
        ("GET", "/nothing", None, 404, "openapi.json"),
        ("DELETE", "/state", None, 405, "GET"),
    ):
        status, told = ask(lab, token, method, path, body)
        assert status == expected and words in told["error"], (method, path, told)
    assert ask(lab, token, "PUT", f"/blocked/{second.mac}")[0] == 200
    assert ask(lab, token, "GET", "/state")[1]["blocked"] == [second.mac]
    assert ask(lab, token, "DELETE", f"/blocked/{second.mac}")[0] == 200
    assert ask(lab, token, "POST", "/garden", {"entry": "tcp:198.51.100.9:443", "seconds": 60})[0] == 200
    assert "tcp:198.51.100.9:443" in [entry["entry"] for entry in ask(lab, token, "GET", "/garden")[1]["entries"]]
    assert ask(lab, token, "DELETE", "/garden?entry=tcp%3A198.51.100.9%3A443")[0] == 200
    assert ask(lab, token, "DELETE", session)[0] == 200
    assert not first.is_online()
    assert ask(lab, token, "DELETE", session)[0] in (404, 422)


def test_a_password_that_is_guessed_first_is_refused_and_lists_say_when_they_are_empty(lab):
    for name, password, words in (
        ("administrator", "Administrator", "is the name"),
        ("eve", "short one", "fewer than 10"),
    ):
        with pytest.raises(RuntimeError, match=words):
            operator(lab, "add", name, "--password-stdin", input=f"{password}\n")
    for name in ("root", "noc"):
        operator(lab, "remove", name)
    assert "poblano operator add" in operator(lab, "list")
    assert json.loads(operator(lab, "list", "--json")) == {"operators": []}
    assert "nothing has happened" in lab.gateway.cli("events", lab.guest.mac, "--socket", lab.gateway.control)


def test_vouchers_are_made_printed_counted_and_revoked_and_a_reader_sees_no_code(lab):
    token, reader = operator(lab, "token", "root"), operator(lab, "token", "noc")
    assert ask(lab, reader, "POST", "/vouchers", {"count": 3})[0] == 403
    order = {"count": 3, "seconds": 7200, "counts": "online", "devices": 1, "price": "5 <b>", "note": "desk"}
    assert ask(lab, token, "POST", "/vouchers", order) == (200, {"batch": 1, "created": 3})
    for method, path, body, words in (
        ("POST", "/vouchers", {"count": 1001}, "at most 1000"),
        ("POST", "/vouchers", {"counts": "sometimes"}, "counts is"),
        ("POST", "/vouchers", {"up": 5}, "up is"),
        ("DELETE", "/batches/9", None, "there is no batch 9"),
        ("GET", "/batches/9/csv", None, "there is no batch 9"),
        ("GET", "/batches/1/sheet?page=2", None, "on page 2"),
        ("GET", "/vouchers/17", None, "there is no voucher 17"),
        ("PATCH", "/vouchers/1", {"octets_more": 1}, "no limit of octets"),
    ):
        status, told = ask(lab, token, method, path, body)
        assert status in (404, 422) and words in told["error"], (method, path, told)
    made = ask(lab, token, "GET", "/vouchers?batch=1")[1]["vouchers"]
    code = made[0]["code"]
    guest, other = lab.guests
    assert guest.lease() and other.lease()
    assert guest.curl(f"{PORTAL}/login", "--data-urlencode", f"voucher={code}").status == 303
    assert other.curl(f"{PORTAL}/login", "--data-urlencode", "voucher=7777-7777-7777").status == 403
    [batch] = ask(lab, reader, "GET", "/batches")[1]["batches"]
    assert (batch["made"], batch["sold"], batch["new"], batch["in_use"]) == (3, 1, 2, 1)
    assert (batch["seconds"], batch["counts"], batch["price"], batch["note"]) == (7200, "online", "5 <b>", "desk")
    assert "5 <b>" in lab.gateway.cli("voucher", "batches", "--socket", lab.gateway.control)

    # Codes are worth money.
    for path in ("/vouchers", "/vouchers/1", "/batches/1/csv", "/batches/1/sheet"):
        assert ask(lab, reader, "GET", path)[0] == 403, path
        assert ask(lab, None, "GET", path)[0] == 401, path
    for method, path in (("DELETE", "/batches/1"), ("DELETE", "/vouchers/1"), ("PATCH", "/vouchers/1")):
        assert ask(lab, reader, method, path, {} if method == "PATCH" else None)[0] == 403, path
    curl = ("curl", "-fsSi", "-H", f"Authorization: Bearer {token}")
    table = lab.gw.run(*curl, f"{API}/batches/1/csv")
    assert "attachment" in table and all(voucher["code"] in table for voucher in made)
    sheet = lab.gw.run(*curl, f"{API}/batches/1/sheet?title=Caf%C3%A9")
    assert sheet.count("<svg ") == 2 and "5 &lt;b&gt;" in sheet and "Caf\u00e9" in sheet
    assert code not in sheet, "it is sold already"
    assert "script-src" not in sheet and "sandbox" in sheet

    text = lab.gateway.cli("metrics", "--socket", lab.gateway.control)
    assert 'poblano_vouchers{state="in_use"} 1' in text and "poblano_vouchers_sold_total 1" in text
    refused = "poblano_voucher_refusals_total{reason="
    assert any(f'{refused}"{reason}"}} 1' in text for reason in ("mistyped", "unknown_code"))

    assert ask(lab, token, "PATCH", f"/vouchers/{code}", {"seconds_more": 3600})[1]["seconds"] == 10800
    assert ask(lab, token, "DELETE", "/vouchers/2") == (200, {"revoked": 1, "sessions_ended": 0})
    assert guest.is_online()
    assert ask(lab, token, "DELETE", "/batches/1") == (200, {"revoked": 2, "sessions_ended": 1})
    assert not guest.is_online()
    events = ask(lab, reader, "GET", "/events")[1]["events"]
    did = "\n".join(event["text"] for event in events if event["event"] == "operator")
    assert "voucher_revoke batch=1" in did and "voucher_extend seconds_more=3600 (by its code)" in did
    assert not any(voucher["code"] in str(events) for voucher in made), "what a reader is told has no codes"


def test_by_https_the_console_speaks_nothing_else_and_its_cookie_stays_there(tmp_path):
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("console.test", f"IP:{ADDRESS}", "console")
    tls = {"certificate_file": str(certificate), "key_file": str(key)}
    with Lab(settings={"console": {"listen": ADDRESS, "tls": tls}}) as lab:
        make_operators(lab)
        secure = f"https://{ADDRESS}:9378"
        curl = ("curl", "-sSi", "--cacert", str(authority.certificate))
        password = json.dumps({"name": "root", "password": "correct horse"})
        form = ("-H", "Content-Type: application/json", "-d", password)
        told = lab.gw.run(*curl, *form, f"{secure}/api/v1/login")
        assert " 200 OK" in told and "; Secure" in told and "HttpOnly" in told
        assert lab.gw.status("curl", "-sS", "-m", "10", f"{URL}/") != 0, "http is not answered"
        with Browser(lab.gw, authority=authority.certificate) as browser:
            browser.open(secure)
            seen(browser, "Sign in")
            browser.type('input[name="name"]', "noc")
            browser.type('input[name="password"]', "looks on only")
            browser.click("#sign-in button", navigates=False)
            seen(browser, "Activity")
            browser.ask("location.hash = 'activity'")
            seen(browser, "live")
            assert lab.guest.lease()
            seen(browser, lab.guest.address)
        # Another pair is taken up, and one that does not fit is not.
        renewed, renewed_key = Authority(tmp_path, "second").issue("console.test", f"IP:{ADDRESS}", "renewed")
        key.write_text(renewed_key.read_text())
        log = lab.gateway.log
        wait_for(lambda: "the console keeps its certificate" in log.read_text(), "a word about the key", 30)
        certificate.write_text(renewed.read_text())
        wait_for(lambda: "the console has a new certificate" in log.read_text(), "the new certificate", 30)
        other = ("--cacert", str(tmp_path / "second.pem"))
        assert lab.gw.status("curl", "-sSf", "-o", "/dev/null", *other, f"{secure}/") == 0
        assert lab.gw.status("curl", "-sSf", "-o", "/dev/null", *curl[2:], f"{secure}/") != 0


def test_what_was_typed_for_a_code_is_told_to_nobody_else(lab):
    token, reader = operator(lab, "token", "root"), operator(lab, "token", "noc")
    for typed in ("K7QM-2XWB-9FRT", "K7QM2XWB9FRS"):
        assert ask(lab, token, "GET", f"/vouchers/{typed}")[0] in (404, 422)
    told = json.dumps(ask(lab, reader, "GET", "/events")[1]) + lab.gateway.log.read_text()
    assert "vouch" in told and "K7QM" not in told


def test_without_https_the_console_is_for_this_machine_alone_unless_the_file_says_so():
    settings = {"console": {"listen": ADDRESS}}
    with Lab(settings=settings, start=False, accounts=False) as lab, pytest.raises(RuntimeError) as refused:
        lab.gateway.cli("check", "--config", lab.gateway.config)
    assert "[console.tls]" in refused.value.args[0] and "plain_http" in refused.value.args[0]


def test_the_timeline_answers_why_a_guest_cannot_get_in(lab):
    token = operator(lab, "token", "noc")
    assert lab.guest.lease()
    led = lab.guest.curl("http://captive.apple.com/hotspot-detect.html")
    assert lab.guest.curl(led.location).status == 200
    assert lab.guest.login(password="wrong").status == 403
    assert lab.guest.login().status == 303
    assert lab.guest.logout().status == 303

    def events():
        return ask(lab, token, "GET", f"/guests/{lab.guest.mac}/events")[1]["events"]

    wait_for(lambda: events()[-1]["event"] == "session_ended" or "ended" in str(events()), "the end in the timeline")
    told = [(event["event"], event["text"]) for event in events()]
    kinds = [kind for kind, _ in told]
    assert kinds[0] == "lease" and "after it first asked" in told[0][1]
    assert any("a probe of Apple (captive.apple.com)" in text for _, text in told), told
    order = [kinds.index(kind) for kind in ("login_refused", "login_accepted", "session_began", "session_ended")]
    assert order == sorted(order), kinds
    printed = lab.gateway.cli("events", lab.guest.mac, "--socket", lab.gateway.control)
    assert "ada was refused" in printed and "ada is offline: logged out" in printed
    assert lab.guests[1].mac not in printed


def test_what_happens_is_told_as_it_happens_and_nothing_twice(lab):
    token = operator(lab, "token", "noc")
    assert lab.guest.lease()
    seen = lab.gateway.directory / "events"
    with seen.open("w") as out:
        curl = ("curl", "-sSN", "-H", f"Authorization: Bearer {token}", "-H", "Accept: text/event-stream")
        reader = lab.gw.spawn(*curl, f"{API}/events", stdout=out)
        try:
            wait_for(lambda: "lease" in seen.read_text(), "what was there")
            assert lab.guest.login().status == 303
            wait_for(lambda: "session_began" in seen.read_text(), "what came")
        finally:
            reader.kill()
            reader.wait()
    numbers = [int(line[4:]) for line in seen.read_text().splitlines() if line.startswith("id: ")]
    assert numbers == sorted(set(numbers))
    curl = ("curl", "-sSN", "-m", "2", "-H", f"Authorization: Bearer {token}", "-H", "Accept: text/event-stream")
    rest = lab.gw.run("sh", "-c", f"{' '.join(map(repr, curl))} -H 'Last-Event-ID: {numbers[-2]}' {API}/events; true")
    again = [int(line[4:]) for line in rest.splitlines() if line.startswith("id: ")]
    assert again and min(again) == numbers[-1]


def test_many_open_connections_and_streams_do_not_keep_the_gateway_from_guests(lab):
    token = operator(lab, "token", "noc")
    connect = (
        f"import socket,time; s=[socket.create_connection(('{ADDRESS}', 9378)) for _ in range(200)]; time.sleep(30)"
    )
    holder = lab.gw.spawn("python3", "-c", connect)
    try:
        assert lab.guest.lease()
        assert lab.guest.login().status == 303
    finally:
        holder.kill()
        holder.wait()
    wait_for(lambda: ask(lab, token, "GET", "/me")[0] == 200, "a place for an operator")


def fill(browser, selector, text):
    browser.type(selector, text)


def seen(browser, words):
    wait_for(lambda: words in browser.ask("document.body.innerText"), f"{words!r} on the page")


def test_an_operator_finds_a_guest_sees_why_and_lets_it_in(lab, output, axe):
    assert lab.guest.lease()
    assert lab.guest.login(password="wrong").status == 403
    with Browser(lab.gw) as browser:
        browser.open(URL)
        seen(browser, "Sign in")
        assert objections(browser, axe) == []
        browser.type('input[name="name"]', "root")
        browser.type('input[name="password"]', "wrong")
        browser.click("#sign-in button", navigates=False)
        seen(browser, "name or password is wrong")
        browser.ask("document.querySelector('input[name=\"password\"]').value = ''")
        browser.type('input[name="password"]', "correct horse")
        browser.click("#sign-in button", navigates=False)
        seen(browser, lab.guest.address)
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                browser.dress(width, scheme)
                for section in ("guests", "activity", "health", "vouchers", "garden"):
                    browser.ask(f"location.hash = '{section}'")
                    wait_for(lambda s=section: not browser.ask(f"document.getElementById('{s}').hidden"), section)
                    time.sleep(0.3)  # what it asks for is there
                    assert objections(browser, axe) == [], (section, width, scheme)
                    browser.screenshot(output / f"console-{section}-{width}-{scheme}.png")
        browser.ask("location.hash = 'guests'")
        browser.dress(390)
        wait_for(lambda: browser.ask("!!document.querySelector('#guest-list td button')"), "the guest in the list")
        browser.click("#guest-list td button", navigates=False)
        seen(browser, "ada was refused")
        assert objections(browser, axe) == []
        browser.screenshot(output / "console-guest.png")
        browser.ask("[...document.querySelectorAll('#actions button')].find(b => b.textContent === 'Let in').click()")
        seen(browser, "online as root")
        assert lab.guest.is_online()
        browser.ask("[...document.querySelectorAll('#actions button')].find(b => b.textContent === 'Log out').click()")
        wait_for(lambda: not lab.guest.is_online(), "the end of the session")
        errors = [e for e in browser.events if e.get("method") == "Runtime.exceptionThrown"]
        assert errors == []


def test_an_operator_sells_vouchers_on_the_page_and_a_reader_sees_how_many(lab, output, axe):
    def press(words, place="#console"):
        script = f"[...document.querySelectorAll('{place} button')].find(b => b.textContent === '{words}').click()"
        wait_for(lambda: browser.ask(f"!!({script.removesuffix('.click()')})"), f"the button {words!r}")
        browser.ask(script)

    with Browser(lab.gw) as browser:
        browser.open(f"{URL}/#vouchers")
        seen(browser, "Sign in")
        browser.type('input[name="name"]', "root")
        browser.type('input[name="password"]', "correct horse")
        browser.click("#sign-in button", navigates=False)
        seen(browser, "There are no vouchers")
        press("New vouchers\u2026")
        browser.ask("document.querySelector('#make-vouchers [name=count]').value = ''")
        browser.type('#make-vouchers [name="count"]', "201")
        browser.type('#make-vouchers [name="hours"]', "2")
        browser.type('#make-vouchers [name="price"]', "<b>5</b>")
        press("Make", "#make-vouchers")
        seen(browser, "0 of 201")
        seen(browser, "<b>5</b>")
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                browser.dress(width, scheme)
                assert objections(browser, axe) == [], (width, scheme)
                browser.screenshot(output / f"console-vouchers-{width}-{scheme}.png")
        assert browser.ask("[...document.querySelectorAll('.links a')].map(a => a.textContent).join()") == (
            "Sheet 1,Sheet 2,CSV"
        )
        sheet = browser.ask("document.querySelectorAll('.links a')[1].href")
        browser.dress(390)
        press("1", "#batch-list")
        seen(browser, "number 200")
        assert objections(browser, axe) == []
        browser.screenshot(output / "console-batch.png")
        press("More", "#batch")
        seen(browser, "number 201")
        press("Revoke", "#batch-vouchers")
        seen(browser, "revoked")
        press("\u2715", "#batch")
        seen(browser, "200 new, 1 revoked")
        browser.open(sheet)
        assert browser.ask("document.querySelectorAll('svg').length") == 1, "the last one of 201"
        assert browser.ask("getComputedStyle(document.querySelector('.card')).display") == "flex", "in its own style"
        browser.open(f"{URL}/#vouchers")
        press("Sign out")
        seen(browser, "Sign in")
        browser.type('input[name="name"]', "noc")
        browser.type('input[name="password"]', "looks on only")
        browser.click("#sign-in button", navigates=False)
        seen(browser, "0 of 201")
        assert not browser.ask(
            "[...document.querySelectorAll('#vouchers button, #vouchers a')].some(b => b.offsetParent)"
        )


def test_a_name_that_is_markup_is_a_name(lab):
    name = "<img src=x onerror=alert(1)>"
    lab.gateway.add_user(name, "secret")
    assert lab.guest.lease()
    assert lab.guest.login(name, "secret").status == 303
    with Browser(lab.gw) as browser:
        browser.open(URL)
        seen(browser, "Sign in")
        browser.type('input[name="name"]', "noc")
        browser.type('input[name="password"]', "looks on only")
        browser.click("#sign-in button", navigates=False)
        seen(browser, name)
        assert browser.ask("document.querySelectorAll('main img[src=x]').length") == 0
        browser.click("#guest-list td button", navigates=False)
        seen(browser, "What happened")
        assert not browser.ask("[...document.querySelectorAll('#actions button')].some(b => b.offsetParent)"), (
            "a reader sees no buttons"
        )


def test_no_request_of_whatever_kind_breaks_the_api_or_gets_an_answer_that_is_not_described(lab, output):
    token = operator(lab, "token", "root")
    assert lab.guest.lease()
    assert lab.guest.login().status == 303
    # What a MAC address or a garden entry is cannot be said by a schema alone: a refusal of such a text is no mistake.
    lab.gw.run(
        *(output / "schemathesis" / "bin" / "schemathesis", "run", f"{API}/openapi.json"),
        *("--header", f"Authorization: Bearer {token}", "--checks", "all", "--max-examples", "30"),
        *(
            "--seed",
            "1",
            "--no-color",
            "--exclude-checks",
            "positive_data_acceptance",
            "--exclude-operation-id",
            "sign_in",
        ),
        cwd=output,
    )


def test_who_holds_all_connections_it_can_get_keeps_no_operator_out(lab):
    token = operator(lab, "token", "root")
    with contextlib.ExitStack() as held:
        stream = held.enter_context(lab.gw.socket(socket.AF_INET, socket.SOCK_STREAM))
        stream.settimeout(30)
        stream.connect((ADDRESS, 9378))
        stream.sendall(EVENTS.format(token).encode())
        assert b" 200 " in stream.recv(4096)
        # More addresses than there are places, each with one connection that says nothing.
        for n in range(80):
            stranger = held.enter_context(lab.gw.socket(socket.AF_INET, socket.SOCK_STREAM))
            stranger.bind((f"127.0.0.{2 + n}", 0))
            stranger.connect((ADDRESS, 9378))
        assert sign_in(lab, "root", "correct horse")[0] == 200
        assert ask(lab, token, "GET", "/state")[0] == 200
        assert lab.guest.lease()
        told = b""
        while b"lease" not in told:
            piece = stream.recv(4096)
            assert piece, "an operator who is there makes no room for strangers"
            told += piece
        # Who asks nothing is sent away before long.
        stranger.settimeout(30)
        assert stranger.recv(1) == b""


def test_a_view_that_has_been_open_for_long_costs_no_more_than_a_new_one(lab):
    token = operator(lab, "token", "root")
    seen_by_reader = lab.gateway.directory / "events"
    asks = f"DELETE /api/v1/garden?entry=nowhere.test HTTP/1.1\r\nHost: c\r\nAuthorization: Bearer {token}\r\n\r\n"
    with seen_by_reader.open("w") as out, lab.gw.socket(socket.AF_INET, socket.SOCK_STREAM) as program:
        curl = ("curl", "-sSN", "-H", f"Authorization: Bearer {token}", "-H", "Accept: text/event-stream")
        reader = lab.gw.spawn(*curl, f"{API}/events", stdout=out)
        program.connect((ADDRESS, 9378))

        def happen(times):
            for _ in range(times):
                program.sendall(asks.encode())
                assert program.recv(4096).startswith(b"HTTP/1.1 4")

        try:
            happen(2_000)  # more than are remembered
            before = lab.gateway.memory_kb()
            happen(10_000)
            grown = lab.gateway.memory_kb() - before
        finally:
            reader.kill()
            reader.wait()
    assert seen_by_reader.read_text().count("id: ") > 5_000, "they were told"
    assert grown < 1_000, f"{grown} kB for 10,000 events: less than 100 octets each"


def test_who_may_only_look_leaves_streams_to_others(lab):
    statuses = []
    with contextlib.ExitStack() as held:
        for token in [operator(lab, "token", "noc")] * 20 + [operator(lab, "token", "root")]:
            stream = held.enter_context(lab.gw.socket(socket.AF_INET, socket.SOCK_STREAM))
            stream.connect((ADDRESS, 9378))
            stream.sendall(EVENTS.format(token).encode())
            statuses.append(int(stream.recv(12)[9:12]))
    assert statuses == [200] * 8 + [503] * 12 + [200]


def test_the_timeline_of_a_session_that_is_over_is_not_everybodys(lab):
    assert all(guest.lease() for guest in lab.guests)
    token = operator(lab, "token", "root")
    path = f"/guests/{lab.guest.address}/session"
    assert ask(lab, token, "POST", path, {"user": "ada"})[0] == 200
    events = f"/guests/{lab.gateway.sessions()[0]['session']['id']}/events"
    status, told = ask(lab, token, "GET", events)
    assert status == 200 and {event["mac"] for event in told["events"]} == {lab.guest.mac}
    assert ask(lab, token, "DELETE", path)[0] == 200
    assert ask(lab, token, "GET", events)[0] == 404
