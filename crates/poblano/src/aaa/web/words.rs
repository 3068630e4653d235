//! A RADIUS packet as a question to a web page, and the page's answer as one: CoovaChilli's HTTP AAA, parameter by parameter.

use radius::attr;
use radius::dictionary::{NotWritten, written};
use radius::{Attribute, Code, Packet, Secret, View, auth};
use tracing::debug;
use uam::aaa::{self, Decision, from_hex_digits, hex_digits};

/// Packets that become addresses never leave the process, so what proves and hides in them is known.
pub(in crate::aaa) const SECRET: &str = "in one process";
/// What one attribute holds (RFC 2865, section 5).
const VALUE_OCTETS: usize = 253;
/// A server of packets tells conversations apart by State; a page does it by sessionid.
const STATE: &[u8] = b"http";

/// What stands behind a page's address.
pub(super) type Parameters = Vec<(&'static str, Vec<u8>)>;

/// How a page is told what a packet says in words of its own.
pub(super) struct Words {
    /// Acct-Input-Octets are those that the guest sent.
    pub(super) input_is_from_guest: bool,
    /// What stands before a VLAN in NAS-Port-Id.
    pub(super) lan: String,
}

impl Words {
    /// What a page is asked; none if it cannot be asked that.
    pub(super) fn question(&self, request: View<'_>) -> Option<Parameters> {
        let mut all = Parameters::new();
        let login = request.code() == Code::AccessRequest;
        match request.code() {
            Code::AccessRequest => {
                all.push(("stage", b"login".to_vec()));
                all.push(("service", service(request.get(attr::SERVICE_TYPE)?)));
            }
            Code::AccountingRequest => {
                all.push(("stage", b"counters".to_vec()));
                all.push(("status", status(request.get(attr::ACCT_STATUS_TYPE)?)?.into()));
            }
            _ => return None,
        }
        let mut add = |name, value: Option<Vec<u8>>| all.extend(value.map(|value| (name, value)));
        let text = |attr| request.get(attr).map(String::into_bytes);
        // A page may greet by name, and a line of its answer is an attribute: a guest must not write one.
        let user = text(attr::USER_NAME);
        if login && user.iter().flatten().any(u8::is_ascii_control) {
            return None;
        }
        let number = |attr| request.get(attr).map(|number: u32| number.to_string().into_bytes());
        add("user", user);
        let password = request.get(attr::USER_PASSWORD).map(|hidden| {
            let padded = hidden.reveal(&Secret::new(SECRET), &request.authenticator());
            let length = padded.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
            padded.get(..length).unwrap_or_default().to_vec()
        });
        let chap = request.get(attr::CHAP_PASSWORD).filter(|response| response.len() == 17);
        let eap = request.get(attr::EAP_MESSAGE);
        // A page must not take the name alone for a login.
        if login && password.is_none() && chap.is_none() && eap.is_none() {
            return None;
        }
        add("pass", password);
        if let Some([ident, response @ ..]) = chap.as_deref() {
            let challenge = request.get(attr::CHAP_CHALLENGE).unwrap_or_else(|| request.authenticator().to_vec());
            add("chap_chal", Some(hex_digits(&challenge)));
            add("chap_pass", Some(hex_digits(response)));
            add("chap_id", Some(ident.to_string().into_bytes()));
        }
        add("ap", text(attr::CALLED_STATION_ID));
        add("mac", text(attr::CALLING_STATION_ID));
        add("ip", request.get(attr::FRAMED_IP_ADDRESS).map(|ip| ip.to_string().into_bytes()));
        add("sessionid", text(attr::ACCT_SESSION_ID));
        add("nasid", text(attr::NAS_IDENTIFIER));
        add("duration", number(attr::ACCT_SESSION_TIME));
        add("eap", eap.map(|eap| hex_digits(&eap)));
        add("vlan", request.get(attr::NAS_PORT_ID).and_then(|port| self.vlan(&port)).map(String::into_bytes));
        let octets = |low, high| {
            let octets = |low: u32| u64::from(request.get(high).unwrap_or(0)) << 32 | u64::from(low);
            request.get(low).map(octets).map(|octets: u64| octets.to_string().into_bytes())
        };
        let input = octets(attr::ACCT_INPUT_OCTETS, attr::ACCT_INPUT_GIGAWORDS);
        let output = octets(attr::ACCT_OUTPUT_OCTETS, attr::ACCT_OUTPUT_GIGAWORDS);
        let (packets_in, packets_out) = (number(attr::ACCT_INPUT_PACKETS), number(attr::ACCT_OUTPUT_PACKETS));
        let turned = |input, output| if self.input_is_from_guest { (output, input) } else { (input, output) };
        let (down, up) = turned(input, output);
        let (packets_down, packets_up) = turned(packets_in, packets_out);
        add("bytes_down", down);
        add("bytes_up", up);
        add("pkts_down", packets_down);
        add("pkts_up", packets_up);
        Some(all)
    }

    fn vlan(&self, port_id: &str) -> Option<String> {
        port_id.strip_prefix(&self.lan)?.strip_prefix('.').map(str::to_owned)
    }
}

/// The packet that a page's answer is; none if it is no answer.
pub(super) fn answer(request: View<'_>, body: &str) -> Option<Vec<u8>> {
    if request.code() == Code::AccountingRequest {
        return packet(Code::AccountingResponse, request, Vec::new()); // whatever it says
    }
    let said = aaa::answer(body)?;
    let mut attributes = Vec::new();
    let mut readable = true;
    for (name, value) in said.attributes {
        let octets = match name.to_ascii_lowercase().as_str() {
            "eap-message" => from_hex_digits(value),
            // RFC 2865, section 5.18: several belong together.
            "reply-message" => Some(value.as_bytes().to_vec()),
            _ => {
                match written(name, value) {
                    Ok(attribute) => attributes.push(attribute),
                    Err(NotWritten::Unknown) => debug!(name, "a line of the page's answer is no attribute"),
                    Err(NotWritten::Unreadable) => {
                        debug!(name, value, "a line of the page's answer cannot be read");
                        readable = false;
                    }
                }
                continue;
            }
        };
        let number = if name.eq_ignore_ascii_case("eap-message") {
            attr::EAP_MESSAGE.number()
        } else {
            attr::REPLY_MESSAGE.number()
        };
        let pieces = octets.iter().flat_map(|octets| octets.chunks(VALUE_OCTETS));
        attributes.extend(pieces.filter_map(|piece| Attribute::bytes(number, piece).ok()));
        readable &= octets.is_some();
    }
    let code = match said.decision {
        // A limit that cannot be read is not no limit.
        Decision::Accept if !readable => return None,
        Decision::Accept => Code::AccessAccept,
        Decision::Challenge => {
            attributes.extend(attr::STATE.of(STATE).ok());
            Code::AccessChallenge
        }
        Decision::Reject => Code::AccessReject,
    };
    packet(code, request, attributes)
}

/// What is said where a page cannot be asked.
pub(super) fn refusal(request: View<'_>) -> Option<Vec<u8>> {
    packet(Code::AccessReject, request, Vec::new())
}

fn packet(code: Code, request: View<'_>, attributes: Vec<Attribute>) -> Option<Vec<u8>> {
    let mut bytes = Packet { code, id: request.id(), authenticator: [0; 16], attributes }.emit().ok()?;
    let proof = auth::response_authenticator(&bytes, &request.authenticator(), &Secret::new(SECRET));
    bytes.get_mut(4..20)?.copy_from_slice(&proof);
    Some(bytes)
}

fn service(number: u32) -> Vec<u8> {
    match number {
        1 => b"login".to_vec(),
        2 => b"framed".to_vec(),
        6 => b"admin".to_vec(),
        other => other.to_string().into_bytes(),
    }
}

fn status(number: u32) -> Option<&'static str> {
    use attr::value::acct_status_type::{ACCOUNTING_OFF, ACCOUNTING_ON, INTERIM_UPDATE, START, STOP};
    Some(match number {
        START => "start",
        STOP => "stop",
        INTERIM_UPDATE => "update",
        ACCOUNTING_ON => "up",
        ACCOUNTING_OFF => "down",
        _ => return None,
    })
}
