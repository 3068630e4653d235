"""The pages, as people see, hear and touch them."""

import signal
import urllib.parse

import pytest

from browser import Browser
from internet import wait_for
from lab import GATEWAY, PORTAL, Lab

WIDTHS = (320, 768, 1280)
# WCAG 2.2, levels A and AA.
RULES = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']"
# What signing in is called, and which way the page runs.
LANGUAGES = {
    "en": ("Sign in", "ltr"),
    "ar": ("تسجيل الدخول", "rtl"),
    "de-AT": ("Anmelden", "ltr"),
    "es": ("Iniciar sesión", "ltr"),
    "fr": ("Se connecter", "ltr"),
    "it": ("Accedi", "ltr"),
    "ja": ("ログイン", "ltr"),
    "nl": ("Inloggen", "ltr"),
    "pt": ("Entrar", "ltr"),
    "ru": ("Войти", "ltr"),
    "zh-CN": ("登录", "ltr"),
    "tlh, sw;q=0.9": ("Sign in", "ltr"),
}
TERMS = "Be kind to the others here.\n\nThe house may end a session at any time."


# A picture as wide as it may be, and a script that must not run.
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 40">
<rect width="160" height="40" rx="8" fill="COLOR"/>
<script>document.documentElement.remove()</script></svg>
"""


@pytest.fixture(scope="module")
def axe(output):
    return (output / "axe.js").read_text()


@pytest.fixture
def lab():
    with Lab(settings={"portal": {"title": "Café am Fluß", "terms": TERMS}}) as lab:
        assert lab.guest.lease()
        yield lab


def objections(browser, axe):
    """What is wrong with the page for somebody who cannot see or point well, and what sticks out of the window."""
    browser.ask(axe)
    found = browser.ask(f"axe.run({{runOnly: {RULES}}}).then(r => r.violations.map(v => [v.id, v.nodes[0].html]))")
    if browser.ask("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        found.append(["wider-than-the-window", browser.url])
    return found


def sign_in(browser, password):
    browser.open(f"{PORTAL}/")
    browser.type('input[name="name"]', "ada")
    browser.type('input[name="password"]', password)
    browser.click('input[name="terms"]', navigates=False)
    browser.click('form[action="/login"] [type="submit"]')


@pytest.mark.parametrize("language", ["en", "ar"])
def test_every_page_can_be_used_by_everybody_on_every_screen(lab, output, axe, language):
    def look(browser, name):
        url = browser.url
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                browser.dress(width, scheme, language)
                if name != "refused":  # which a form was sent for
                    browser.open(url)
                assert objections(browser, axe) == [], (name, width, scheme)
                browser.screenshot(output / f"page-{name}-{language}-{width}-{scheme}.png")

    with Browser(lab.guest.ns) as browser:
        browser.dress(language=language)
        look(browser.open(f"{PORTAL}/"), "sign-in")
        look(browser.open(f"{PORTAL}/terms"), "terms")
        look(browser.open(f"{PORTAL}/nowhere"), "not-found")
        sign_in(browser, "wrong")
        look(browser, "refused")
        sign_in(browser, "lovelace")
        assert lab.guest.is_online()
        for page in ("success", "status", "logout"):
            look(browser.open(f"{PORTAL}/{page}"), page)
        browser.open(f"{PORTAL}/logout").click('form[action="/logout"] button')
        assert not lab.guest.is_online()
        look(browser, "signed-out")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_pages_for_vouchers_can_be_used_by_everybody(output, axe, language):
    settings = {"auth": {"method": ["local", "vouchers"]}, "portal": {"terms": TERMS}}
    with Lab(settings=settings) as lab, Browser(lab.guest.ns) as browser:
        assert lab.guest.lease()
        made = lab.gateway.cli("voucher", "create", "--time", "2h", "--data", "1GB", "--socket", lab.gateway.control)
        code = made.splitlines()[1].split()[0]

        def look(url, name):
            for width in WIDTHS:
                browser.dress(width, "light", language)
                browser.open(url)
                assert objections(browser, axe) == [], (name, width)
                browser.screenshot(output / f"page-{name}-{language}-{width}.png")

        look(f"{PORTAL}/?voucher={code}", "voucher")
        form = f"voucher={code}&terms=on"
        assert lab.guest.curl(f"{PORTAL}/login", "--data", form).status == 303
        bookmark = browser.open(f"{PORTAL}/status").url
        look(bookmark, "voucher-status")
        assert lab.guest.logout().status == 303
        look(bookmark, "continue")


@pytest.mark.parametrize("color", ["#ffcc00", "#0b1f4b"], ids=["bright", "dark"])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_pages_with_the_colour_and_logo_of_the_place_can_be_used_by_everybody(tmp_path, output, axe, color, language):
    logo = tmp_path / "logo.svg"
    logo.write_text(LOGO.replace("COLOR", color))
    settings = {
        "auth": {"method": ["local", "vouchers", "click_through"]},
        "portal": {
            "title": "Café am Fluß",
            "terms": TERMS,
            "color": color,
            "logo": str(logo),
            "welcome": "Breakfast is served until ten.\n\nBe our guest.",
        },
    }
    name = f"page-brand-{color[1:]}-{language}"
    with Lab(settings=settings) as lab, Browser(lab.guest.ns) as browser:
        assert lab.guest.lease()

        def look(page):
            for width in WIDTHS:
                for scheme in ("light", "dark"):
                    browser.dress(width, scheme, language)
                    browser.open(f"{PORTAL}/{page}")
                    assert objections(browser, axe) == [], (page, width, scheme)
                    assert browser.ask("document.querySelector('header img').naturalWidth") > 0
                    browser.screenshot(output / f"{name}-{page or 'sign-in'}-{width}-{scheme}.png")

        look("")
        assert "Be our guest." in browser.page
        assert lab.guest.curl(f"{PORTAL}/login", "--data", "by=terms&terms=on").status == 303
        look("success")
        look("status")


def reload(gateway, **portal):
    gateway.settings["portal"].update(portal)
    gateway.write()
    gateway.process.send_signal(signal.SIGHUP)


def test_another_colour_logo_and_words_are_there_after_a_reload_and_a_broken_logo_is_not(tmp_path):
    logo = tmp_path / "logo.svg"
    logo.write_text(LOGO.replace("COLOR", "#aa0000"))
    with Lab(settings={"portal": {"title": "Before", "logo": str(logo)}}) as lab:
        guest, gateway = lab.guest, lab.gateway
        assert guest.lease()
        shown = guest.curl(f"{PORTAL}/logo")
        assert "#aa0000" in shown.body and shown.headers["content-type"] == "image/svg+xml"
        assert "sandbox" in shown.headers["content-security-policy"]
        assert "script-src" not in shown.headers["content-security-policy"]

        reload(gateway, title="Afterwards", color="#0000aa", welcome="Good evening.")
        wait_for(lambda: "Afterwards" in guest.curl(f"{PORTAL}/").body, "the new title")
        page = guest.curl(f"{PORTAL}/").body
        assert "Good evening." in page
        assert "#0000aa" in guest.curl(f"{PORTAL}/portal.css").body

        logo.write_text("<html>no picture</html>")
        reload(gateway, title="At last")
        wait_for(lambda: "At last" in guest.curl(f"{PORTAL}/").body, "the new title")
        assert "#aa0000" in guest.curl(f"{PORTAL}/logo").body, "what was there before"
        assert "neither a PNG nor an SVG" in gateway.log.read_text()


def test_a_guest_reads_its_own_language(lab, output, axe):
    with Browser(lab.guest.ns) as browser:
        for language, (words, direction) in LANGUAGES.items():
            browser.dress(320, "light", language)
            browser.open(f"{PORTAL}/")
            assert browser.ask("document.querySelector('h1').textContent") == words, language
            assert browser.ask("document.documentElement.dir") == direction, language
            assert objections(browser, axe) == [], language
            browser.screenshot(output / f"page-sign-in-{language[:2]}.png")


def test_large_type_sticks_out_of_no_page(lab):
    with Browser(lab.guest.ns) as browser:
        browser.dress(320)
        for page in ("", "terms", "nowhere"):
            browser.open(f"{PORTAL}/{page}")
            browser.ask("document.documentElement.style.fontSize = '200%'")
            assert not browser.ask("document.documentElement.scrollWidth > document.documentElement.clientWidth"), page


def test_files_of_the_operators_are_there_before_and_after_login(tmp_path):
    (tmp_path / "house.html").write_text("<p>Our house</p>\n")
    (tmp_path / "login.chi").write_text("#!/bin/sh\n")
    with Lab(settings={"portal": {"files": str(tmp_path)}}) as lab:
        guest = lab.guest
        assert guest.lease()
        assert guest.curl(f"{PORTAL}/www/house.html").body == "<p>Our house</p>\n"
        assert guest.curl(f"{PORTAL}/www/login.chi").status == 404
        assert guest.login().status == 303
        assert guest.curl(f"{PORTAL}/www/house.html").body == "<p>Our house</p>\n"


def test_the_portal_may_be_a_page_of_the_operators_that_we_serve_ourselves(tmp_path):
    (tmp_path / "login.html").write_text("<p>Our own sign-in</p>\n")
    own = f"{PORTAL}/www/login.html"
    settings = {
        "portal": {"files": str(tmp_path)},
        "uam": {"server": own, "home_page": f"{own}?lang=en", "plain_passwords": True},
    }
    with Lab(settings=settings) as lab:
        guest = lab.guest
        assert guest.lease()
        # As a browser: the gateway, the home page with the portal's address in it.
        first = guest.curl(guest.curl("http://anything.test/a").location).location
        assert first.startswith(f"{own}?lang=en&loginurl=")
        [led] = urllib.parse.parse_qs(first.partition("?")[2])["loginurl"]
        assert led.startswith(f"{own}?res=notyet&uamip={GATEWAY}&")
        assert "Our own sign-in" in guest.curl(first).body
        assert "Our own sign-in" in guest.curl(led).body
        # Its scripts read the API, for they are of the gateway's own origin.
        status = guest.curl(f"{PORTAL}/json/status?callback=told", "-H", f"Referer: {own}")
        assert status.body.startswith("told({")
        done = guest.curl(f"{PORTAL}/logon?username=ada&password=lovelace").location
        assert done.startswith(f"{own}?res=success&")
        assert guest.is_online()
