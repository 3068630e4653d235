//! DNS messages, as far as a forwarder reads them (RFC 1035, 6891).
