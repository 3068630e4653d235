"""Templates of the pages, which an operator replaces one by one."""

import signal

import pytest

from internet import wait_for
from lab import PORTAL, Lab, binary

SUCCESS = """{% extends "base.html" %}
{% block main %}<h1>Welcome to the house!</h1>{% endblock %}
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "templates"
    folder.mkdir()
    return folder


@pytest.fixture
def lab(folder):
    (folder / "success.html").write_text(SUCCESS)
    with Lab(settings={"portal": {"title": "The <House>", "templates": str(folder)}}) as lab:
        assert lab.guest.lease()
        yield lab


def check(lab):
    return lab.gw.done(binary(), "check", "--config", lab.gateway.config)


def reload(gateway):
    said = len(gateway.log.read_text())
    gateway.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "as the configuration has them now" in gateway.log.read_text()[said:], "the reload")
    return gateway.log.read_text()[said:]


def test_a_guest_sees_the_operators_page_and_ours_for_all_that_it_leaves(lab):
    sign_in = lab.guest.curl(f"{PORTAL}/")
    assert "<h1>Sign in</h1>" in sign_in.body
    assert lab.guest.login().status == 303
    success = lab.guest.curl(f"{PORTAL}/success")
    assert "<h1>Welcome to the house!</h1>" in success.body
    assert "The &#60;House&#62;" in success.body, "our frame is around it"
    policy = success.headers["content-security-policy"]
    assert policy == sign_in.headers["content-security-policy"] and "default-src 'none'" in policy


def test_a_reload_takes_another_template_and_keeps_the_last_good_one_if_it_has_a_mistake(lab, folder):
    assert lab.guest.login().status == 303
    (folder / "success.html").write_text(SUCCESS.replace("Welcome to the house!", "{{ t.online }}, at last"))
    reload(lab.gateway)
    assert "<h1>You are online, at last</h1>" in lab.guest.curl(f"{PORTAL}/success").body
    (folder / "success.html").write_text(SUCCESS.replace("Welcome", "{{ plaec.title }}"))
    said = reload(lab.gateway)
    assert f"{folder}/success.html:2: there is no plaec.title; did you mean place.title?" in said
    assert "<h1>You are online, at last</h1>" in lab.guest.curl(f"{PORTAL}/success").body
    assert lab.guest.is_online()


def test_a_mistake_is_told_by_check_with_file_and_line_and_refuses_a_start(lab, folder):
    (folder / "success.html").write_text("<p>\n{{ mesage }}</p>\n")
    (folder / "status.html").write_text("{% if live %}\n{% endfor %}\n")
    lab.gateway.stop()
    checked = check(lab)
    started = lab.gw.done(binary(), "run", "--config", lab.gateway.config)
    for done in (checked, started):
        assert done.returncode == 1
        assert f"{folder}/success.html:2: there is no mesage; did you mean message?" in done.stderr
        assert f"{folder}/status.html:2: endfor stands where line 1 waits for endif" in done.stderr


def test_a_name_with_markup_is_text_in_an_operators_template(lab, folder):
    (folder / "status.html").write_text('<p title="{{ user }}">{{ user }}</p>')
    reload(lab.gateway)
    lab.gateway.add_user("<img src=x>", "lovelace")
    form = ("--data-urlencode", "name=<img src=x>", "--data-urlencode", "password=lovelace")
    assert lab.guest.curl(f"{PORTAL}/login", *form).status == 303
    words = "Signed in as &#60;img src=x&#62;"
    assert lab.guest.curl(f"{PORTAL}/status").body == f'<p title="{words}">{words}</p>'


def test_what_is_written_as_a_beginning_shows_the_same_pages(lab, folder):
    (folder / "success.html").unlink()
    reload(lab.gateway)
    ours = lab.guest.curl(f"{PORTAL}/").body
    folder.rmdir()
    written = lab.gateway.cli("templates", folder)
    assert f"{folder}/login.html" in written.splitlines()
    (folder / "notice.html").write_text("mine")
    reload(lab.gateway)
    assert lab.guest.curl(f"{PORTAL}/").body == ours
    assert lab.guest.curl(f"{PORTAL}/nowhere").body == "mine"
    again = lab.gw.done(binary(), "templates", folder)
    assert again.returncode == 1 and "is there already, and nothing was written" in again.stderr
    assert (folder / "notice.html").read_text() == "mine"
