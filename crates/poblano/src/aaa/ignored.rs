//! What a server's Accept says that has no effect here: told, and not obeyed.

use std::net::Ipv4Addr;

use radius::dictionary::Place;
use radius::text::ConfigWord;
use radius::{Reply, attr};

use attr::{chillispot, microsoft, mikrotik, wispr};

use super::grant::CHANGEABLE;

/// What has an effect at login alone, or is only said for the sake of the protocol.
const AT_LOGIN: [Place; 27] = [
    attr::USER_NAME.place(),
    attr::SERVICE_TYPE.place(),
    attr::FRAMED_PROTOCOL.place(),
    attr::FRAMED_MTU.place(),
    attr::REPLY_MESSAGE.place(),
    attr::STATE.place(),
    attr::PROXY_STATE.place(),
    attr::EAP_MESSAGE.place(),
    attr::MESSAGE_AUTHENTICATOR.place(),
    attr::CHARGEABLE_USER_IDENTITY.place(),
    microsoft::MS_CHAP2_SUCCESS.place(),
    microsoft::MS_MPPE_SEND_KEY.place(),
    microsoft::MS_MPPE_RECV_KEY.place(),
    microsoft::MS_MPPE_ENCRYPTION_POLICY.place(),
    microsoft::MS_MPPE_ENCRYPTION_TYPES.place(),
    wispr::REDIRECTION_URL.place(),
    attr::FRAMED_IP_ADDRESS.place(),
    attr::FRAMED_POOL.place(),
    // Of a lease that waits.
    chillispot::DHCP_IP_ADDRESS.place(),
    chillispot::DHCP_DNS1.place(),
    chillispot::DHCP_DNS2.place(),
    chillispot::DHCP_DOMAIN.place(),
    chillispot::DHCP_FILENAME.place(),
    chillispot::DHCP_SERVER_NAME.place(),
    chillispot::DHCP_OPTIONS.place(),
    // Looked at more closely.
    attr::TERMINATION_ACTION.place(),
    chillispot::CONFIG.place(),
];

/// What would restrict a guest if it had an effect: the operator has to know that it does not.
const RESTRICTS: [Place; 8] = [
    attr::PORT_LIMIT.place(),
    attr::TUNNEL_PRIVATE_GROUP_ID.place(),
    attr::EGRESS_VLANID.place(),
    attr::EGRESS_VLAN_NAME.place(),
    wispr::SESSION_TERMINATE_END_OF_DAY.place(),
    chillispot::VLAN_ID.place(),
    mikrotik::ADDRESS_LIST.place(),
    mikrotik::GROUP.place(),
];

/// An attribute without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ignored {
    /// Name and value; secrets are hidden.
    pub(super) text: String,
    /// The dictionary's name, if it would restrict the guest.
    pub(super) restricts: Option<&'static str>,
}

/// The attributes of an Accept without effect; where a guest should be is told by `aaa/address`.
pub(super) fn ignored(reply: &Reply) -> Vec<Ignored> {
    let mut found: Vec<Ignored> = reply
        .items()
        .filter(|item| !CHANGEABLE.contains(&item.place) && !AT_LOGIN.contains(&item.place))
        .map(|item| {
            let name = radius::dictionary::lookup(item.place).map(|entry| entry.name);
            Ignored { text: item.to_string(), restricts: name.filter(|_| RESTRICTS.contains(&item.place)) }
        })
        .collect();
    let mut add = |text: String| found.push(Ignored { text, restricts: None });
    if reply.asks_again_at_end() {
        add("Termination-Action=RADIUS-Request (no password is kept to ask with)".to_owned());
    }
    for text in reply.all(chillispot::CONFIG) {
        if !matches!(ConfigWord::parse(&text), ConfigWord::RequireUamAuth | ConfigWord::Splash) {
            add(format!("ChilliSpot-Config={text:?}"));
        }
    }
    found
}

/// RFC 2865, 5.8: as Framed-IP-Address the two highest leave the choice to the guest and to us.
pub(super) fn is_any(address: Ipv4Addr) -> bool {
    address.to_bits() >= u32::MAX - 1
}

#[cfg(test)]
mod tests {
    use radius::{Attribute, AttributeList, Code, Packet, View};

    use super::*;

    fn told(attributes: Vec<Attribute>) -> Vec<(String, Option<&'static str>)> {
        let packet = Packet { code: Code::AccessAccept, id: 0, authenticator: [0; 16], attributes };
        let bytes = packet.emit().expect("it is short");
        let reply = Reply::new(View::parse(&bytes).expect("it was just made"));
        ignored(&reply).into_iter().map(|ignored| (ignored.text, ignored.restricts)).collect()
    }

    #[test]
    fn what_has_an_effect_is_not_told_and_what_has_none_is() {
        let mut all = Vec::new();
        all.add(attr::SESSION_TIMEOUT, 60).expect("it fits");
        all.add(attr::FRAMED_POOL, "vip").expect("it fits");
        all.add(chillispot::CONFIG, "splash").expect("it fits");
        assert_eq!(told(all.clone()), []);
        all.add(attr::PORT_LIMIT, 1).expect("it fits");
        all.add(attr::LOGIN_TCP_PORT, 23).expect("it fits");
        all.add(chillispot::CONFIG, "uamallowed=example.org").expect("it fits");
        all.add(attr::TERMINATION_ACTION, 1).expect("it fits");
        assert_eq!(
            told(all),
            [
                ("Port-Limit=1".to_owned(), Some("Port-Limit")),
                ("Login-TCP-Port=23".to_owned(), None),
                ("Termination-Action=RADIUS-Request (no password is kept to ask with)".to_owned(), None),
                ("ChilliSpot-Config=\"uamallowed=example.org\"".to_owned(), None),
            ]
        );
    }
}
