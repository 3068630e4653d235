//! DHCPv4 messages (RFC 2131, 2132).
