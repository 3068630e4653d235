use super::Dice;
use crate::limits::IDS_PER_SOCKET;

/// The identifiers of one service of one server: 256 for each socket.
#[derive(Default)]
pub(super) struct Ids(Vec<OfSocket>);

struct OfSocket {
    used: [bool; IDS_PER_SOCKET as usize],
    in_use: u16,
    next: u8,
}

impl Ids {
    /// A socket and a free identifier on it; a further socket only when all are exhausted.
    ///
    /// Identifiers go round, so that one is used again as late as possible: a late answer then meets no request rather
    /// than the wrong one.
    pub(super) fn take(&mut self, max_sockets: u8, dice: &mut Dice) -> Option<(u8, u8)> {
        if self.0.iter().all(|socket| socket.in_use == IDS_PER_SOCKET) && self.0.len() < usize::from(max_sockets) {
            let mut first = [0];
            dice(&mut first);
            self.0.push(OfSocket { used: [false; IDS_PER_SOCKET as usize], in_use: 0, next: first[0] });
        }
        (0u8..=u8::MAX).zip(&mut self.0).find_map(|(index, socket)| socket.take().map(|id| (index, id)))
    }

    pub(super) fn release(&mut self, socket: u8, id: u8) {
        if let Some(socket) = self.0.get_mut(usize::from(socket))
            && std::mem::take(&mut socket.used[usize::from(id)])
        {
            socket.in_use -= 1;
        }
    }
}

impl OfSocket {
    fn take(&mut self) -> Option<u8> {
        let id = (0..=u8::MAX).map(|step| self.next.wrapping_add(step)).find(|id| !self.used[usize::from(*id)])?;
        self.used[usize::from(id)] = true;
        self.in_use += 1;
        self.next = id.wrapping_add(1);
        Some(id)
    }
}
