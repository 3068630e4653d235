//! The DHCPv4 server (RFC 2131, 2132, 3046).
