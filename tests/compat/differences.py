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
    "splash": "Who is told res=splash is offline until a login; with CoovaChilli all but its http passes.",
    "start time": "starttime is a date; CoovaChilli's counts from the machine's start.",
    "session time": "MaxSessionTime of WISPr 1.0 is the session's; CoovaChilli's is 3600 always.",
    "original request": "The packet path's own redirect comes first (302 to the gateway), then the one to the portal.",
    "location": "A location's name and id are themselves in WISPr 2.0; CoovaChilli writes CDATA[[...]] around "
    "them, which XML takes for a part of the name.",
    "alias address": "Whoever is online reaches the gateway's pages at port 80 of uamaliasip, and led to uamport; "
    "CoovaChilli translates all ports to uamuiport.",
    "alias name": "The name of uamaliasname is the gateway's own address, so that it needs no uamaliasip.",
    "change of one thing": "A CoA changes what it names and nothing else; CoovaChilli resets all it does not name.",
    "port": "NAS-Port-Id is the port's name (RFC 2869, 5.17): the LAN's interface, with its VLAN. CoovaChilli's is "
    "NAS-Port once more, in eight digits.",
    "macup": "macup is told the address that the guest has got; CoovaChilli's is 0.0.0.0.",
    "proxy": "postauthproxy is a rule of the operator's own (MIGRATION.md): few connections are http today, and the "
    "machine has a NAT already.",
    "logout address": "http to uamlogoutip is led to /logout, where the session ends; whom a foreign page sends there "
    "is asked first. CoovaChilli ends it by the packet, whoever sent the browser there.",
}
