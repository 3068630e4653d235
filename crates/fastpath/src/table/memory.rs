//! Where the guests of a table are.
//!
//! Memory is taken as they come: for 256, and then each time for as many as there are, until 65,536 more are a piece that
//! is taken at once. So a table costs at most twice what its guests need, not what it could hold; where a slot is, is a
//! few steps of arithmetic and one pointer of a handful, which the processor remembers; and what is large is in pieces that
//! fill large pages.

use std::sync::OnceLock;

use crate::meter::{Adders, Direction, Meter, SharedMeters};
use crate::session::{Limits, LimitsOf, Slot, SlotIndex};

/// The first piece has room for 256 guests.
const FIRST_BITS: u32 = 8;
/// The largest ones for 65,536: 12 MB.
const LARGEST_BITS: u32 = 16;

/// All guests of a table.
pub(super) struct Memory {
    pieces: Box<[OnceLock<Piece>]>,
    /// The meters of all slots, if they are not in the pieces.
    meters: Option<SharedMeters>,
    capacity: u32,
}

impl Memory {
    pub(super) fn new(capacity: u32, meters: Option<SharedMeters>) -> Self {
        let pieces = locate(SlotIndex(capacity - 1)).0 + 1;
        Self { pieces: (0..pieces).map(|_| OnceLock::new()).collect(), meters, capacity }
    }

    /// How many guests fit.
    pub(super) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Who adds to the meters.
    pub(super) fn adders(&self) -> Adders {
        self.meters.as_ref().map_or(Adders::OneThread, |meters| meters.adders)
    }

    /// Where `slot` is, if memory was taken for it.
    pub(super) fn place(&self, slot: SlotIndex) -> Option<Place<'_>> {
        let (piece, at) = locate(slot);
        let piece = self.pieces.get(piece)?.get()?;
        let (memory, meter) = match &piece.guests {
            Guests::Whole(guests) => guests.get(at).map(|guest| (&guest.slot, &guest.meter))?,
            Guests::Slots(slots) => (slots.get(at)?, self.meters.as_ref()?.as_ref().get(slot.0 as usize)?),
        };
        Some(Place { index: slot, slot: memory, meter, piece })
    }

    /// The same, and memory is taken if it was not.
    ///
    /// # Panics
    /// If there is no such slot.
    pub(super) fn take(&self, slot: SlotIndex) -> Place<'_> {
        assert!(slot.0 < self.capacity, "slot {} of {}", slot.0, self.capacity);
        let piece = locate(slot).0;
        self.pieces[piece].get_or_init(|| {
            let (first, end) = range(piece);
            Piece::new(end.min(self.capacity) - first, self.meters.is_none())
        });
        self.place(slot).expect("the piece is there, with a meter for each slot")
    }
}

/// In which piece a slot is, and where in it.
fn locate(SlotIndex(slot): SlotIndex) -> (usize, usize) {
    let large = slot >> LARGEST_BITS;
    if large != 0 {
        return ((LARGEST_BITS - FIRST_BITS + large) as usize, (slot & ((1 << LARGEST_BITS) - 1)) as usize);
    }
    let piece = u32::BITS - (slot >> FIRST_BITS).leading_zeros();
    (piece as usize, (slot - range(piece as usize).0) as usize)
}

/// The first slot of a piece, and that of the next one.
fn range(piece: usize) -> (u32, u32) {
    let doublings = LARGEST_BITS - FIRST_BITS;
    let first = |piece: u32| match piece {
        0 => 0,
        _ if piece <= doublings => 1 << (FIRST_BITS + piece - 1),
        _ => (piece - doublings) << LARGEST_BITS,
    };
    (first(piece as u32), first(piece as u32 + 1))
}

/// The memory of some guests.
struct Piece {
    guests: Guests,
    /// Taken with the first guest here who has a quota.
    limits: OnceLock<Box<[Limits]>>,
}

enum Guests {
    Whole(Box<[Guest]>),
    /// The table has the meters elsewhere.
    Slots(Box<[Slot]>),
}

/// All of one guest, nearly always on one page: with many guests, to find a page takes the processor as long as to fetch
/// from it.
#[derive(Default)]
#[repr(C)]
struct Guest {
    slot: Slot,
    meter: Meter,
}

impl Piece {
    fn new(guests: u32, with_meters: bool) -> Self {
        let guests = if with_meters {
            Guests::Whole((0..guests).map(|_| Guest::default()).collect())
        } else {
            Guests::Slots((0..guests).map(|_| Slot::default()).collect())
        };
        Self { guests, limits: OnceLock::new() }
    }

    fn len(&self) -> usize {
        match &self.guests {
            Guests::Whole(guests) => guests.len(),
            Guests::Slots(slots) => slots.len(),
        }
    }
}

/// Where one guest is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) index: SlotIndex,
    pub(crate) slot: &'a Slot,
    pub(crate) meter: &'a Meter,
    piece: &'a Piece,
}

impl Place<'_> {
    /// Reads from each line of the cache that a packet in this direction needs, for it to be near when its turn comes.
    pub(super) fn touch(&self, direction: Direction) -> u32 {
        self.slot.touch() ^ direction.ways(self.meter).0.touch()
    }
}

impl LimitsOf for Place<'_> {
    fn get(&self) -> Option<&Limits> {
        self.piece.limits.get()?.get(locate(self.index).1)
    }

    fn make(&self) -> &Limits {
        let make = || (0..self.piece.len()).map(|_| Limits::default()).collect();
        &self.piece.limits.get_or_init(make)[locate(self.index).1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_each_other_without_a_gap_and_are_as_large_as_said() {
        let mut expected = (0, 0);
        for slot in 0..300_000 {
            assert_eq!(locate(SlotIndex(slot)), expected, "{slot}");
            let (first, end) = range(expected.0);
            assert_eq!(first + expected.1 as u32, slot);
            expected = if slot + 1 == end { (expected.0 + 1, 0) } else { (expected.0, expected.1 + 1) };
        }
        let rooms: Vec<u32> = (0..12).map(|piece| range(piece).1 - range(piece).0).collect();
        assert_eq!(rooms, [256, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 65_536, 65_536]);
    }

    #[test]
    fn a_table_takes_memory_for_no_more_guests_than_it_may_have() {
        let memory = Memory::new(300, None);
        assert!(memory.place(SlotIndex(0)).is_none());
        memory.take(SlotIndex(299));
        assert!(memory.place(SlotIndex(299)).is_some() && memory.place(SlotIndex(300)).is_none());
        assert!(memory.place(SlotIndex(255)).is_none() && memory.place(SlotIndex(u32::MAX)).is_none());
    }
}
