"""Every way to log in, and what becomes of a login that comes again."""

import pytest

from portal import credential


@pytest.mark.parametrize("how", ["chap", "chap 7", "pap", "mschapv2"])
def test_a_password_travels_in_each_way_that_portals_know(subject, how):
    refused = subject.login(how, password="wrong")
    assert refused.parameters["reason"] == "reject", refused
    assert not subject.is_online()
    accepted = subject.login(how, more="&userurl=http%253a%252f%252fshop.test%252fa%253fb", path="/login")
    given = accepted.parameters
    assert given["res"] == "success", accepted
    assert given["userurl"] == "http://shop.test/a?b"
    assert subject.is_online()
    if subject.lab:
        assert (given["reply"], given["timeleft"]) == ("Hello <Ada>", "7200")
        assert subject.lab.guest.is_online()


def test_a_long_password_is_hidden_block_by_block(made):
    password = "a password that is longer than two blocks of sixteen"
    with made(users=f'ada Cleartext-Password := "{password}"\n') as subject:
        assert subject.login("pap", password=password).parameters["res"] == "success"


def test_plain_passwords_need_no_challenge(made):
    with made(nochallenge=True) as subject:
        given = subject.get("/prelogin").parameters
        assert "challenge" not in given
        assert subject.login("plain", password="wrong", challenge="-").parameters["reason"] == "reject"
        assert subject.login("plain", challenge="-").parameters["res"] == "success"


def test_without_a_secret_the_challenge_alone_is_mixed_in(made):
    with made(secret=None) as subject:
        assert "md" not in subject.get("/prelogin").parameters
        assert subject.login("chap").parameters["res"] == "success"


def test_a_refusal_is_told_with_another_challenge(subject):
    first = subject.challenge()
    refused = subject.login(challenge=first, name="eve")
    given = refused.parameters
    assert given["challenge"] != first
    assert subject.challenge() == given["challenge"], "it is the one that counts"
    if subject.lab:
        assert given["reply"] == "Your ticket is used up"
    assert subject.login(challenge=given["challenge"]).parameters["res"] == "success"


def test_a_login_that_comes_again_lets_nobody_in(subject):
    challenge = subject.challenge()
    assert subject.login(challenge=challenge).parameters["res"] == "success"
    again = subject.login(challenge=challenge).parameters["res"]
    assert again == ("success" if subject.differs("repeated login") else "already")
    assert subject.login(challenge=challenge, name="somebody").parameters["res"] == "already"
    subject.get("/logoff")
    assert subject.login(challenge=challenge).parameters["res"] == "failed"
    assert not subject.is_online()


def test_a_refused_login_that_comes_again_asks_no_server(made):
    with made() as subject:
        challenge = subject.challenge()
        for _ in range(4):
            assert subject.login(challenge=challenge, password="wrong").parameters["reason"] == "reject"
        asked = subject.lab.radius.log.read_text().count("Received Access-Request")
        assert asked == (1 if subject.differs("repeated login") else 4)


@pytest.mark.parametrize("again", [True, False])
def test_a_challenge_is_answered_again_where_the_operator_wants_it(made, again):
    with made(ours={"uam": {"reuse_challenges": again}}) as subject:
        challenge = subject.challenge()
        assert subject.login(challenge=challenge).parameters["res"] == "success"
        subject.query("logout", "mac", subject.lab.guest.mac)
        assert not subject.is_online()
        lets_in = again or not subject.differs("challenge once")
        assert subject.login(challenge=challenge).parameters["res"] == ("success" if lets_in else "failed")


def test_whoever_tries_too_often_has_to_wait(made):
    with made() as subject:
        reasons = [subject.login(password=f"wrong {n}").parameters["reason"] for n in range(7)]
        if not subject.differs("attempts"):
            assert reasons == ["reject"] * 7
            return
        assert reasons == ["reject"] * 5 + ["other"] * 2
        assert "Too many attempts" in subject.login(password="wrong").parameters["reply"]
        assert subject.login().parameters["res"] == "failed"
        assert subject.lab.radius.log.read_text().count("Received Access-Request") == 5


def test_a_login_without_name_or_proof_is_none(subject):
    for path in ("/logon", "/logon?username=ada", "/logon?response=00"):
        if subject.differs("bad request"):
            assert subject.get(path).status == 400
        else:
            with pytest.raises(ConnectionError):
                subject.get(path)


def test_an_empty_password_lets_nobody_in(made):
    with made(users="ada Auth-Type := Accept\n") as subject:
        subject.challenge()
        given = subject.get("/logon?username=ada&password=").parameters
        if subject.differs("empty password"):
            assert (given["res"], given["reason"]) == ("failed", "other")
        assert subject.is_online() != subject.differs("empty password")


def test_where_the_server_wants_a_guest_to_go_is_the_whole_answer(made):
    with made() as subject:
        assert subject.login(name="led", password="led").location == "http://online.test/welcome?a=1"
        assert subject.get("/").location == "http://online.test/welcome?a=1"
        assert subject.get("/logoff").parameters["res"] == "logoff"
        refused = subject.login(name="sold", password="sold")
        assert refused.location == "http://online.test/more"
        assert "<ReplyMessage>Your ticket is used up</ReplyMessage>" in refused.body
        assert not subject.is_online()
    with made(redirurl=True) as subject:
        given = subject.login(name="sold", password="sold").parameters
        assert (given["reason"], given["redirurl"]) == ("reject", "http://online.test/more")
        given = subject.login(name="led", password="led").parameters
        assert (given["res"], given["redirurl"]) == ("success", "http://online.test/welcome?a=1")


def test_local_users_answer_challenges(made, tmp_path):
    users = tmp_path / "localusers"
    users.write_text("ben:babbage:Ben\n")
    users.chmod(0o600)
    with made(localusers=users) as subject:
        for how in ("chap", "pap"):
            assert subject.login(how, name="ben", password="babbage").parameters["res"] == "success"
            subject.get("/logoff")
        assert "Received Access-Request" not in subject.lab.radius.log.read_text()
        assert subject.login(name="ben", password="wrong").parameters["reason"] == "reject"
        asked = "Received Access-Request" in subject.lab.radius.log.read_text()
        assert asked != subject.differs("local user")
        assert subject.login("chap").parameters["res"] == "success", "whom the file does not know the server may"


def test_what_a_server_is_asked_is_what_the_portal_computed(made):
    with made(radiusoriginalurl=True, uamuiport=4990) as subject:
        subject.led("/a")
        subject.port = 4990
        challenge = subject.challenge()
        response = credential("chap", challenge, subject.secret, "ada", "lovelace").partition("=")[2]
        subject.login(challenge=challenge, more="&lang=de")
        asked = subject.lab.radius.log.read_text()
        assert f"CHAP-Password = 0x00{response}" in asked
        assert "Service-Type = Login-User" in asked
        assert f'WISPr-Logoff-URL = "http://{subject.address}:3990/logoff"' in asked
        assert 'ChilliSpot-OriginalURL = "http://shop.test/a"' in asked
        assert 'ChilliSpot-Lang = "de"' in asked
