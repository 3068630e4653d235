//! DNS for guests: a bounded forwarder, the portal's own name, and the walled garden's names.
