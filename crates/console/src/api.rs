//! What can be asked, as one table: requests are checked by it, and the OpenAPI document is made of it.

use serde_json::{Map, Value, json};

use crate::token::Scope;

/// Where all of it is.
pub(crate) const BASE: &str = "/api/v1";

/// Kinds of files.
pub(crate) const CSV: &str = "text/csv; charset=utf-8; header=present";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// One thing that can be asked.
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    /// Below [`BASE`]; a segment in braces is a field.
    pub(crate) path: &'static str,
    pub(crate) scope: Scope,
    /// What the gateway is asked.
    pub(crate) command: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) fields: &'static [Field],
}

/// What it says.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) is_required: bool,
    pub(crate) doc: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Boolean,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    Query,
    Body,
}

const fn field(name: &'static str, kind: Kind, place: Place, doc: &'static str) -> Field {
    Field { name, kind, place, is_required: false, doc }
}

const fn required(name: &'static str, kind: Kind, place: Place, doc: &'static str) -> Field {
    Field { name, kind, place, is_required: true, doc }
}

const ZONE: Field = field("zone", Kind::Text, Place::Query, "The zone that is meant, where there are several.");
const GUEST: Field =
    required("guest", Kind::Text, Place::Path, "The guest's MAC or IPv4 address, or its session's name.");
const MAC: Field = required("mac", Kind::Text, Place::Path, "The device's MAC address.");
const FROM: Field =
    field("from", Kind::Integer, Place::Query, "The first number that is wanted; `next` of the last answer.");
const LIMIT: Field = field("limit", Kind::Integer, Place::Query, "The most that are told.");

const fn limit_of_session(name: &'static str, doc: &'static str) -> Field {
    field(name, Kind::Integer, Place::Body, doc)
}

const SECONDS_MAX: Field =
    limit_of_session("seconds_max", "The session's time from its beginning, in seconds; 0: no limit.");
const IDLE_SECONDS_MAX: Field =
    limit_of_session("idle_seconds_max", "It ends after so many seconds without traffic; 0: it does not.");
const INTERIM_SECONDS: Field =
    limit_of_session("interim_seconds", "Between two accounting records, in seconds; 0: none between first and last.");
const RATE_UP: Field = limit_of_session("bits_per_second_up", "From the guest, bit/s, 8000 or more; 0: no limit.");
const RATE_DOWN: Field = limit_of_session("bits_per_second_down", "To the guest, bit/s, 8000 or more; 0: no limit.");
const OCTETS_UP: Field =
    limit_of_session("input_octets_max", "Octets from the guest since its session began; 0: no limit.");
const OCTETS_DOWN: Field = limit_of_session("output_octets_max", "Octets to the guest; 0: no limit.");
const OCTETS: Field = limit_of_session("total_octets_max", "Octets of both directions; 0: no limit.");

const BATCH: Field = required("batch", Kind::Integer, Place::Path, "The number of those that were made together.");
const VOUCHER: Field = required("voucher", Kind::Text, Place::Path, "The voucher's number or code.");

/// Everything that can be asked with a token. A code of a voucher is worth what is left on it: whoever may only look sees how
/// many there are, and no codes.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/state",
        scope: Scope::Read,
        command: "state",
        doc: "The gateway as a whole: guests by number, packets by verdict, RADIUS servers, accounting, rogues.",
        fields: &[ZONE],
    },
    Operation {
        method: "GET",
        path: "/guests",
        scope: Scope::Read,
        command: "guests",
        doc: "Guests and their sessions; `matched` says how many there are in all.",
        fields: &[
            field("search", Kind::Text, Place::Query, "Part of an address, MAC address, user name or device name."),
            field("state", Kind::Text, Place::Query, "`online` or `offline`; without it, both."),
            field("sort", Kind::Text, Place::Query, "`octets` or `newest`, most first; without it, by address."),
            LIMIT,
            ZONE,
        ],
    },
    Operation {
        method: "GET",
        path: "/guests/{guest}",
        scope: Scope::Read,
        command: "guests",
        doc: "One guest, or several if a device is on several VLANs.",
        fields: &[GUEST, ZONE],
    },
    Operation {
        method: "GET",
        path: "/guests/{guest}/events",
        scope: Scope::Read,
        command: "events",
        doc: "What has happened to a guest lately: lease, pages, logins and their answers, sessions.",
        fields: &[GUEST, FROM, LIMIT, ZONE],
    },
    Operation {
        method: "POST",
        path: "/guests/{guest}/session",
        scope: Scope::Operate,
        command: "login",
        doc: "Log a guest in without a password.",
        fields: &[
            GUEST,
            field("user", Kind::Text, Place::Body, "The name to account under; `operator` without it."),
            SECONDS_MAX,
            IDLE_SECONDS_MAX,
            INTERIM_SECONDS,
            RATE_UP,
            RATE_DOWN,
            OCTETS_UP,
            OCTETS_DOWN,
            OCTETS,
            ZONE,
        ],
    },
    Operation {
        method: "PATCH",
        path: "/guests/{guest}/session",
        scope: Scope::Operate,
        command: "limit",
        doc: "Change what a session may, at once. What is not named stays.",
        fields: &[
            GUEST,
            SECONDS_MAX,
            IDLE_SECONDS_MAX,
            INTERIM_SECONDS,
            RATE_UP,
            RATE_DOWN,
            OCTETS_UP,
            OCTETS_DOWN,
            OCTETS,
            ZONE,
        ],
    },
    Operation {
        method: "DELETE",
        path: "/guests/{guest}/session",
        scope: Scope::Operate,
        command: "kick",
        doc: "End a guest's session.",
        fields: &[GUEST, ZONE],
    },
    Operation {
        method: "DELETE",
        path: "/leases/{mac}",
        scope: Scope::Operate,
        command: "release",
        doc: "Take a device's lease back, and end its session.",
        fields: &[MAC, ZONE],
    },
    Operation {
        method: "PUT",
        path: "/blocked/{mac}",
        scope: Scope::Operate,
        command: "block",
        doc: "Let nothing of a device pass, until it is unblocked. `state` lists them.",
        fields: &[MAC, ZONE],
    },
    Operation {
        method: "DELETE",
        path: "/blocked/{mac}",
        scope: Scope::Operate,
        command: "unblock",
        doc: "Let a device be a guest as any other again.",
        fields: &[MAC, ZONE],
    },
    Operation {
        method: "GET",
        path: "/hosts",
        scope: Scope::Read,
        command: "hosts",
        doc: "Devices with an address of their own.",
        fields: &[ZONE],
    },
    Operation {
        method: "PUT",
        path: "/hosts/{mac}",
        scope: Scope::Operate,
        command: "host_add",
        doc: "Keep an address for a device.",
        fields: &[MAC, required("ip", Kind::Text, Place::Body, "Its IPv4 address, in the guests' network."), ZONE],
    },
    Operation {
        method: "DELETE",
        path: "/hosts/{mac}",
        scope: Scope::Operate,
        command: "host_remove",
        doc: "Let anybody have the address again.",
        fields: &[MAC, ZONE],
    },
    Operation {
        method: "GET",
        path: "/garden",
        scope: Scope::Read,
        command: "garden",
        doc: "The walled garden, and what DNS has opened by it.",
        fields: &[ZONE],
    },
    Operation {
        method: "POST",
        path: "/garden",
        scope: Scope::Operate,
        command: "garden_add",
        doc: "Open something until the gateway ends.",
        fields: &[
            required(
                "entry",
                Kind::Text,
                Place::Body,
                "As in garden.allow: host, protocol:host, host:port, protocol:host:port.",
            ),
            field("seconds", Kind::Integer, Place::Body, "For so long only."),
            ZONE,
        ],
    },
    Operation {
        method: "DELETE",
        path: "/garden",
        scope: Scope::Operate,
        command: "garden_remove",
        doc: "Close it again.",
        fields: &[required("entry", Kind::Text, Place::Query, "As it is listed."), ZONE],
    },
    Operation {
        method: "GET",
        path: "/batches",
        scope: Scope::Read,
        command: "voucher_batches",
        doc: "Vouchers by the batch that they were made in, the newest first: how many, and what has become of them; `sold` are those by which somebody has come in.",
        fields: &[FROM, ZONE],
    },
    Operation {
        method: "DELETE",
        path: "/batches/{batch}",
        scope: Scope::Operate,
        command: "voucher_revoke",
        doc: "Let nobody in by any voucher of a batch any more, and end their sessions.",
        fields: &[BATCH, ZONE],
    },
    Operation {
        method: "GET",
        path: "/batches/{batch}/csv",
        scope: Scope::Operate,
        command: "voucher_csv",
        doc: "A batch as comma-separated values, with its codes and what was used of them.",
        fields: &[BATCH, ZONE],
    },
    Operation {
        method: "GET",
        path: "/batches/{batch}/sheet",
        scope: Scope::Operate,
        command: "voucher_sheet",
        doc: "Vouchers of a batch that are new, to print and cut up, as a page of HTML.",
        fields: &[
            BATCH,
            field("page", Kind::Integer, Place::Query, "Each has 200 of the batch; without it, the first."),
            field("title", Kind::Text, Place::Query, "What stands on each."),
            ZONE,
        ],
    },
    Operation {
        method: "GET",
        path: "/vouchers",
        scope: Scope::Operate,
        command: "vouchers",
        doc: "Vouchers with their codes, 200 at most.",
        fields: &[field("batch", Kind::Integer, Place::Query, "Those that were made together."), FROM, ZONE],
    },
    Operation {
        method: "POST",
        path: "/vouchers",
        scope: Scope::Operate,
        command: "voucher_create",
        doc: "Make a batch of vouchers, all with the same worth. What is not named has no limit.",
        fields: &[
            field("count", Kind::Integer, Place::Body, "How many, 1,000 at most; one without it."),
            field("seconds", Kind::Integer, Place::Body, "Time."),
            field(
                "counts",
                Kind::Text,
                Place::Body,
                "`online`: time counts online only. `always`: from the first login on.",
            ),
            field("octets", Kind::Integer, Place::Body, "Data, both directions together."),
            field("up", Kind::Integer, Place::Body, "From the guest, bit/s."),
            field("down", Kind::Integer, Place::Body, "To the guest, bit/s."),
            field("devices", Kind::Integer, Place::Body, "Devices online at once."),
            field(
                "valid_unix",
                Kind::Integer,
                Place::Body,
                "The second since 1970 at which they are over, used or not.",
            ),
            field("note", Kind::Text, Place::Body, "Words of the operator's own."),
            field("price", Kind::Text, Place::Body, "What one is sold for."),
            ZONE,
        ],
    },
    Operation {
        method: "GET",
        path: "/vouchers/{voucher}",
        scope: Scope::Operate,
        command: "voucher",
        doc: "One voucher.",
        fields: &[VOUCHER, ZONE],
    },
    Operation {
        method: "PATCH",
        path: "/vouchers/{voucher}",
        scope: Scope::Operate,
        command: "voucher_extend",
        doc: "Give a voucher more; sessions that run have it at once.",
        fields: &[
            VOUCHER,
            field("seconds_more", Kind::Integer, Place::Body, "So much more time."),
            field("octets_more", Kind::Integer, Place::Body, "So much more data."),
            field("valid_unix", Kind::Integer, Place::Body, "It is over at this second since 1970."),
            ZONE,
        ],
    },
    Operation {
        method: "DELETE",
        path: "/vouchers/{voucher}",
        scope: Scope::Operate,
        command: "voucher_revoke",
        doc: "Let nobody in by a voucher any more, and end its sessions.",
        fields: &[VOUCHER, ZONE],
    },
    Operation {
        method: "PUT",
        path: "/offload",
        scope: Scope::Operate,
        command: "offload",
        doc: "Leave packets of guests who are online to the kernel, or carry them all.",
        fields: &[required("on", Kind::Boolean, Place::Body, "Whether the kernel forwards."), ZONE],
    },
    Operation {
        method: "POST",
        path: "/reload",
        scope: Scope::Operate,
        command: "reload",
        doc: "Read the configuration again.",
        fields: &[],
    },
    Operation {
        method: "GET",
        path: "/events",
        scope: Scope::Read,
        command: "events",
        doc: "What has happened lately to anybody. With `Accept: text/event-stream` it goes on as it happens.",
        fields: &[FROM, LIMIT, ZONE],
    },
];

/// A request that cannot be understood: why, and which status of HTTP says so.
pub(crate) enum Misfit {
    /// There is nothing of that name.
    NotFound,
    /// There is, and it takes these methods.
    Method(String),
    /// A field is not as it should be.
    Field(String),
}

/// The operation that a request asks for, and the fields that are in its path.
pub(crate) fn find(method: &str, path: &str) -> Result<(&'static Operation, Map<String, Value>), Misfit> {
    let mut methods = Vec::new();
    for operation in OPERATIONS {
        let Some(fields) = matched(operation.path, path) else { continue };
        if operation.method == method {
            return Ok((operation, fields));
        }
        methods.push(operation.method);
    }
    Err(if methods.is_empty() { Misfit::NotFound } else { Misfit::Method(methods.join(", ")) })
}

fn matched(pattern: &str, path: &str) -> Option<Map<String, Value>> {
    let mut fields = Map::new();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(fields),
            (Some(wanted), Some(given)) => match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => drop(fields.insert(name.to_owned(), decoded(given, false)?.into())),
                None if wanted == given => {}
                None => return None,
            },
            _ => return None,
        }
    }
}

impl Operation {
    /// What the gateway is asked by a request with these fields of its path, this query and this body.
    pub(crate) fn request(&self, in_path: Map<String, Value>, query: &str, body: &Value) -> Result<Value, Misfit> {
        let mut request = in_path;
        for field in self.fields.iter().filter(|field| field.place == Place::Path && field.kind != Kind::Text) {
            if let Some(Value::String(text)) = request.get(field.name) {
                let value = field.read(text)?;
                request.insert(field.name.to_owned(), value);
            }
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode =
                |text| decoded(text, true).ok_or_else(|| Misfit::Field(format!("the query's {pair:?} is not UTF-8")));
            let (name, value) = (decode(name)?, decode(value)?);
            let field = self.field(Place::Query, &name)?;
            let value = field.read(&value)?;
            request.insert(field.name.to_owned(), value);
        }
        let none = Map::new();
        let in_body = match body {
            Value::Null => &none,
            Value::Object(fields) => fields,
            _ => return Err(Misfit::Field("the body is no JSON object".to_owned())),
        };
        for (name, value) in in_body {
            let field = self.field(Place::Body, name)?;
            let fits = match field.kind {
                Kind::Text => value.is_string(),
                Kind::Integer => value.is_u64(),
                Kind::Boolean => value.is_boolean(),
            };
            if !fits {
                return Err(Misfit::Field(format!("{name} is {value}; write {}", field.kind.example())));
            }
            request.insert(name.clone(), value.clone());
        }
        let missing: Vec<_> =
            self.fields.iter().filter(|field| field.is_required && !request.contains_key(field.name)).collect();
        if let [first, ..] = missing[..] {
            return Err(Misfit::Field(format!("{} is missing: {}", first.name, first.doc)));
        }
        request.insert("command".to_owned(), self.command.into());
        Ok(Value::Object(request))
    }

    /// What kind of file the answer is, if it is one and no JSON.
    pub(crate) fn file(&self) -> Option<&'static str> {
        match self.command {
            "voucher_csv" => Some(CSV),
            "voucher_sheet" => Some(HTML),
            _ => None,
        }
    }

    pub(crate) fn has_body(&self) -> bool {
        self.fields.iter().any(|field| field.place == Place::Body)
    }

    fn field(&self, place: Place, name: &str) -> Result<&'static Field, Misfit> {
        self.fields.iter().find(|field| field.place == place && field.name == name).ok_or_else(|| {
            let known: Vec<_> =
                self.fields.iter().filter(|field| field.place == place).map(|field| field.name).collect();
            let place = if place == Place::Query { "query" } else { "body" };
            let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
            Misfit::Field(format!("{name:?} is not known in the {place} here; it has {known}"))
        })
    }
}

impl Field {
    /// A value in an address.
    fn read(&self, text: &str) -> Result<Value, Misfit> {
        let wrong = || Misfit::Field(format!("{} is {text:?}; write {}", self.name, self.kind.example()));
        Ok(match self.kind {
            Kind::Text => text.into(),
            Kind::Integer => text.parse::<u64>().map_err(|_| wrong())?.into(),
            Kind::Boolean => text.parse::<bool>().map_err(|_| wrong())?.into(),
        })
    }
}

impl Kind {
    fn example(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "a whole number of 0 or more",
            Self::Boolean => "true or false",
        }
    }

    pub(crate) fn schema(self) -> Value {
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::Integer => json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
            Self::Boolean => json!({ "type": "boolean" }),
        }
    }
}

/// Percent-encoding undone (RFC 3986, 2.1); in forms a plus is a blank.
fn decoded(text: &str, is_form: bool) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            b'+' if is_form => b' ',
            other => other,
        });
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, path: &str, query: &str, body: Value) -> Result<Value, String> {
        let told = |misfit| match misfit {
            Misfit::NotFound => "not found".to_owned(),
            Misfit::Method(methods) => methods,
            Misfit::Field(words) => words,
        };
        let (operation, in_path) = find(method, path).map_err(told)?;
        operation.request(in_path, query, &body).map_err(told)
    }

    #[test]
    fn a_request_becomes_what_the_command_line_would_ask() {
        assert_eq!(
            asked("DELETE", "/guests/02%3A00:5e:10:00:01/session", "zone=staff", Value::Null),
            Ok(json!({ "command": "kick", "guest": "02:00:5e:10:00:01", "zone": "staff" }))
        );
        assert_eq!(
            asked("PATCH", "/guests/10.85.0.17/session", "", json!({ "bits_per_second_up": 0 })),
            Ok(json!({ "command": "limit", "guest": "10.85.0.17", "bits_per_second_up": 0 }))
        );
        assert_eq!(
            asked("GET", "/batches/3/sheet", "page=2", Value::Null),
            Ok(json!({ "command": "voucher_sheet", "batch": 3, "page": 2 }))
        );
        assert_eq!(
            asked("DELETE", "/garden", "entry=tcp%3A.example.org+%3A443", Value::Null),
            Ok(json!({ "command": "garden_remove", "entry": "tcp:.example.org :443" }))
        );
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_would() {
        for (method, path, query, body, words) in [
            ("GET", "/nothing", "", Value::Null, "not found"),
            ("GET", "/guests/", "", Value::Null, "there is no"),
            ("PUT", "/guests/10.85.0.17/session", "", Value::Null, "POST, PATCH, DELETE"),
            ("DELETE", "/batches/x", "", Value::Null, "batch is \"x\"; write a whole number"),
            ("GET", "/guests", "limit=-1", Value::Null, "limit is \"-1\"; write a whole number"),
            ("GET", "/guests", "colour=red", Value::Null, "it has search, state, sort, limit, zone"),
            ("GET", "/guests", "search=%ff", Value::Null, "not UTF-8"),
            ("PUT", "/hosts/02:00:5e:10:00:01", "", Value::Null, "ip is missing"),
            ("PUT", "/offload", "", json!({ "on": 1 }), "on is 1; write true or false"),
            ("PATCH", "/guests/x/session", "", json!({ "command": "block" }), "not known in the body"),
            ("PATCH", "/guests/x/session", "", json!([]), "no JSON object"),
        ] {
            let answer = asked(method, path, query, body.clone());
            let fits = path == "/guests/" || answer.as_ref().is_err_and(|error| error.contains(words));
            assert!(fits, "{method} {path}?{query} {body}: {answer:?}");
        }
    }

    #[test]
    fn who_may_only_look_sees_no_code_of_a_voucher() {
        let of_vouchers = OPERATIONS.iter().filter(|operation| operation.command.starts_with("voucher"));
        let readable: Vec<_> = of_vouchers.filter(|operation| operation.scope == Scope::Read).collect();
        assert_eq!(readable.iter().map(|operation| operation.command).collect::<Vec<_>>(), ["voucher_batches"]);
    }

    #[test]
    fn every_field_of_a_path_is_described() {
        for operation in OPERATIONS {
            for name in operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                assert!(
                    operation.fields.iter().any(|field| field.name == name && field.place == Place::Path),
                    "{name}"
                );
            }
            assert!(
                operation.scope == Scope::Operate || operation.method == "GET",
                "{}: a reader changes nothing",
                operation.path
            );
        }
    }
}
