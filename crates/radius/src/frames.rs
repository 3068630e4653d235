//! Packets out of a stream of octets: the Length field is all that parts them (RFC 6613, section 2.6.2).

use crate::limits::PACKET_OCTETS;
use crate::packet::{HEADER_OCTETS, ParseError};

/// What came on a connection and is no whole packet yet: never more than what was pushed last and one packet.
#[derive(Debug, Default)]
pub struct Frames(Vec<u8>);

impl Frames {
    /// Takes what was read.
    pub fn push(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// The next whole packet.
    ///
    /// # Errors
    /// [`ParseError`]: where the next packet begins cannot be known any more, and the connection has to be closed (RFC
    /// 6613, section 2.6.4).
    pub fn next_packet(&mut self) -> Result<Option<Vec<u8>>, ParseError> {
        let Some([_, _, high, low]) = self.0.first_chunk() else { return Ok(None) };
        let field = usize::from(u16::from_be_bytes([*high, *low]));
        if !(HEADER_OCTETS..=PACKET_OCTETS).contains(&field) {
            return Err(ParseError::Length { field, have: self.0.len() });
        }
        if self.0.len() < field {
            return Ok(None);
        }
        let rest = self.0.split_off(field);
        Ok(Some(std::mem::replace(&mut self.0, rest)))
    }
}
