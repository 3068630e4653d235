"""Where a gateway behaves differently from CoovaChilli 1.9 on purpose, and why. Tests ask `subject.differs(name)`."""

DIFFERENCES = {
    "resolver": "Guests' resolver is the gateway, which asks dns1 and dns2: what is answered before login is its own "
    "business, and the garden knows of it. CoovaChilli tells guests dns1 and dns2.",
    "challenge once": "A challenge that let a guest in lets nobody in again: who saw the address cannot repeat it. "
    "CoovaChilli accepts it until the challenge is 20 minutes old (here: uam.reuse_challenges).",
    "repeated login": "The very same login again is told the same outcome, res=success too, and no server is asked: "
    "browsers send it twice. CoovaChilli says res=already, and asks again after a refusal.",
    "json type": "JSON is application/json and JSONP application/javascript; CoovaChilli has text/javascript always.",
    "json escaped": "All texts in JSON and XML are escaped.",
    "callback": "A callback is an identifier, and is called for pages of the portal and configured origins only (by "
    "Referer); otherwise any web page could read a guest's name and challenge.",
    "callback everywhere": "/json/prelogin and /json/abort have a callback too.",
    "foreign logout": "A page of another site (by Referer or Origin) cannot log a guest out; the guest is asked first.",
    "bad request": "A login without a name or without a credential is answered with 400; CoovaChilli hangs up.",
    "empty password": "A login with an empty password asks nobody (res=failed, reason=other): some servers ask a "
    "directory in a way that lets it in.",
    "attempts": "Five tries to log in at once, then one in ten seconds: a name's password cannot be guessed. With "
    "CoovaChilli any number reaches the server.",
    "splash": "Who is known by its MAC and has to see the portal (ChilliSpot-Config splash, require-uam-auth) is "
    "offline until a login; with CoovaChilli all but its http passes.",
    "start time": "starttime is a date; CoovaChilli's counts from the machine's start.",
    "session time": "MaxSessionTime of WISPr 1.0 is the session's; CoovaChilli's is 3600 always.",
    "original request": "The packet path's own redirect comes first (302 to the gateway), then the one to the portal.",
    "lease when refused": "A device that the server refuses with macauthdeny keeps its lease, or it would ask for one "
    "again and again; CoovaChilli answers no DHCP of it either.",
    "location": "A location's name and id are themselves in WISPr 2.0; CoovaChilli writes CDATA[[...]] around "
    "them, which XML takes for a part of the name.",
    "alias address": "Whoever is online reaches the gateway's pages at port 80 of uamaliasip, and led to uamport; "
    "CoovaChilli translates all ports to uamuiport.",
    "alias name": "The name of uamaliasname is the gateway's own address, so that it needs no uamaliasip.",
    "change of one thing": "A CoA changes what it names and nothing else; CoovaChilli resets all it does not name.",
    "port": "NAS-Port-Id is the port's name (RFC 2869, 5.17): the LAN's interface, with its VLAN. CoovaChilli's is "
    "NAS-Port once more, in eight digits.",
    "macup": "macup is told the address that the guest has got; CoovaChilli's is 0.0.0.0.",
    "https proxy": "postauthproxyssl is a rule of the operator's own (MIGRATION.md): few proxies can do something with "
    "TLS that was not meant for them, and the machine has a NAT already.",
    "local user": "Whom localusers names is known by it alone; CoovaChilli asks RADIUS about a wrong password.",
    "home page": "The host of uamhomepage is open before login, or nobody could read it; CoovaChilli wants it in "
    "uamallowed.",
    "terminate time": "terminateTime is when the session's time is up; CoovaChilli's is WISPr-Session-Terminate-Time.",
    "name of the account": "User-Name of an Access-Accept is the account's in records (RFC 2865, 5.1); CoovaChilli's "
    "is what the guest has said.",
    "end of eap": "A refusal has the server's EAP-Failure in EAPMsg, as supplicants expect; CoovaChilli's is empty.",
    "accept without eap": "Who has begun with EAP is let in by EAP-Success alone (RFC 3579, 2.6.3); CoovaChilli takes "
    "any Access-Accept.",
    "answer first": "Who is told of a login is online. CoovaChilli answers first, and then does it.",
    "logout address": "http to uamlogoutip is led to /logout, where the session ends; whom a foreign page sends there "
    "is asked first. CoovaChilli ends it by the packet, whoever sent the browser there.",
}

HANGS_UP = "1.9 hangs up on whom the server does not accept at once, and does not tell why; 1.8 does"
FORGETS = "1.9 forgets the page that a guest wanted; 1.8 does not"
DEFECTS = {
    "1.9": {
        "test_a_program_logs_in_in_several_rounds": HANGS_UP,
        "test_a_method_with_a_tunnel_takes_as_many_rounds_and_octets_as_it_needs": HANGS_UP,
        "test_a_wrong_password_or_an_old_answer_lets_nobody_in": HANGS_UP,
        "test_a_guest_cannot_go_on_with_another_ones_conversation": HANGS_UP,
        "test_rounds_are_no_tries_and_conversations_are": HANGS_UP,
        "test_a_function_of_the_portals_page_is_called[logon?username=x&password=00]": HANGS_UP,
        "test_a_password_travels_in_each_way_that_portals_know": HANGS_UP,
        "test_a_refusal_is_told_with_another_challenge": HANGS_UP,
        "test_a_login_that_comes_again_lets_nobody_in": HANGS_UP,
        "test_a_refused_login_that_comes_again_asks_no_server": HANGS_UP,
        "test_plain_passwords_need_no_challenge": HANGS_UP,
        "test_whoever_tries_too_often_has_to_wait": HANGS_UP,
        "test_local_users_answer_challenges": HANGS_UP,
        "test_a_person_logs_in_by_a_foreign_portal": HANGS_UP,
        "test_every_other_answer_has_its_parameters_in_place": HANGS_UP,
        "test_a_program_is_told_what_went_wrong": HANGS_UP,
        "test_a_script_logs_a_guest_in_and_out": FORGETS,
        "test_what_a_server_is_asked_is_what_the_portal_computed": FORGETS,
        "test_the_address_of_the_portal_has_all_that_a_portal_needs": FORGETS,
        "test_a_home_page_comes_first": FORGETS,
    }
}
"""What a version of CoovaChilli fails at, by test: it is expected to."""
