//! Where a frame lies in a [`Packet`]'s memory, with and without tag and offload header. Pure, so that it is
//! tested without a kernel.

use fastpath::port::{ETH_LEN, HEADROOM, MAX_L3, Packet};
use wire::Vlan;
use wire::vnet::VnetHeader;

/// Where a received frame begins, so that its network-layer header is at [`HEADROOM`].
pub(crate) const ETH_AT: usize = HEADROOM - ETH_LEN;
/// Octets of an 802.1Q tag.
pub(crate) const TAG_LEN: usize = 4;
/// EtherType of an 802.1Q tag.
pub(crate) const ETHERTYPE_VLAN: u16 = 0x8100;
/// The twelve bits of the VLAN identifier in a tag.
pub(crate) const VID_MASK: u16 = 0x0fff;
/// Where the offload header before a network-layer packet begins (TUN).
#[cfg(target_os = "linux")]
pub(crate) const VNET_AT_L3: usize = HEADROOM - VnetHeader::LEN;
/// Where the offload header before a frame begins (AF_PACKET, TAP).
#[cfg(target_os = "linux")]
pub(crate) const VNET_AT_FRAME: usize = ETH_AT - VnetHeader::LEN;

/// Makes a packet of a frame that was received at [`ETH_AT`]. `tag` is what the kernel took off it. False if it is
/// no frame that we can use; the buffer's content is then void.
pub(crate) fn received_frame(packet: &mut Packet, frame_len: usize, vnet: VnetHeader, tag: Option<u16>) -> bool {
    let Some(mut l3_len) = frame_len.checked_sub(ETH_LEN).filter(|len| *len <= MAX_L3) else { return false };
    let mut link_len = ETH_LEN;
    packet.vlan = Vlan(tag.unwrap_or(0) & VID_MASK);
    if tag.is_none() && packet.ethertype() == ETHERTYPE_VLAN {
        // A kernel or driver that leaves the tag in the frame: rare, so moving the packet does not matter.
        let memory = packet.memory_mut();
        if l3_len < TAG_LEN {
            return false;
        }
        let tci = u16::from_be_bytes([memory[HEADROOM], memory[HEADROOM + 1]]);
        memory.copy_within(HEADROOM + 2..HEADROOM + l3_len, HEADROOM - 2);
        packet.vlan = Vlan(tci & VID_MASK);
        l3_len -= TAG_LEN;
        link_len += TAG_LEN;
    }
    packet.set_l3_len(l3_len);
    received_offload(packet, vnet, link_len)
}

/// Takes over the offload facts of a packet whose link header has `link_len` octets. False if they point outside.
pub(crate) fn received_offload(packet: &mut Packet, vnet: VnetHeader, link_len: usize) -> bool {
    let frame_len = link_len + packet.l3().len();
    if vnet.needs_csum() {
        let end = usize::from(vnet.csum_start) + usize::from(vnet.csum_offset) + 2;
        if usize::from(vnet.csum_start) < link_len || end > frame_len {
            return false;
        }
    }
    if vnet.hdr_len != 0 && !(link_len..=frame_len).contains(&usize::from(vnet.hdr_len)) {
        return false;
    }
    packet.vnet = vnet.shifted(-(link_len as i16));
    true
}

/// Writes the packet's offload header and tag in front of it and returns where the whole begins. `memory_mut()[that..]`
/// up to the end of the packet is what goes to the socket.
pub(crate) fn frame_to_send(packet: &mut Packet) -> usize {
    let Vlan(vid) = packet.vlan;
    let vnet = packet.vnet;
    let memory = packet.memory_mut();
    let mut at = ETH_AT;
    if vid != 0 {
        memory.copy_within(ETH_AT..ETH_AT + 12, ETH_AT - TAG_LEN);
        memory[HEADROOM - 6..HEADROOM - 4].copy_from_slice(&ETHERTYPE_VLAN.to_be_bytes());
        memory[HEADROOM - 4..HEADROOM - 2].copy_from_slice(&(vid & VID_MASK).to_be_bytes());
        at -= TAG_LEN;
    }
    let header = vnet.shifted((HEADROOM - at) as i16).emit();
    at -= VnetHeader::LEN;
    memory[at..at + VnetHeader::LEN].copy_from_slice(&header);
    at
}

/// A finished frame with its tag, as it goes on the wire; `None` if it is shorter than its header.
pub(crate) fn tagged(vlan: Vlan, frame: &[u8]) -> Option<Vec<u8>> {
    let (macs, rest) = frame.split_at_checked(12)?;
    if rest.len() < 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(frame.len() + TAG_LEN);
    bytes.extend_from_slice(macs);
    if vlan != Vlan::NONE {
        bytes.extend_from_slice(&ETHERTYPE_VLAN.to_be_bytes());
        bytes.extend_from_slice(&(vlan.0 & VID_MASK).to_be_bytes());
    }
    bytes.extend_from_slice(rest);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::MacAddr;

    const CSUM: VnetHeader = VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: VnetHeader::GSO_TCPV4,
        hdr_len: 54,
        gso_size: 1448,
        csum_start: 34,
        csum_offset: 16,
    };

    fn received(frame: &[u8], vnet: VnetHeader, tag: Option<u16>) -> Option<Packet> {
        let mut packet = Packet::new();
        packet.memory_mut()[ETH_AT..ETH_AT + frame.len()].copy_from_slice(frame);
        received_frame(&mut packet, frame.len(), vnet, tag).then_some(packet)
    }

    fn frame(tags: &[u16]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        for tag in tags {
            frame.extend([0x81, 0]);
            frame.extend(tag.to_be_bytes());
        }
        frame.extend([8, 0]);
        frame.extend((0..60).map(|n| n + 1));
        frame
    }

    #[test]
    fn a_tag_is_found_whether_the_kernel_took_it_off_or_not() {
        let taken_off = received(&frame(&[]), CSUM, Some(0xe064)).unwrap();
        let mut in_frame = CSUM;
        in_frame.csum_start += 4;
        in_frame.hdr_len += 4;
        let left_in = received(&frame(&[0xe064]), in_frame, None).unwrap();
        for packet in [taken_off, left_in] {
            assert_eq!(packet.vlan, Vlan(100));
            assert_eq!(packet.ethertype(), 0x800);
            assert_eq!(packet.source(), MacAddr([2, 0, 0, 0, 0, 2]));
            assert_eq!(packet.l3(), &frame(&[])[14..]);
            assert_eq!((packet.vnet.csum_start, packet.vnet.hdr_len), (20, 40));
        }
    }

    #[test]
    fn a_priority_tag_is_no_vlan_and_a_second_tag_is_no_ip() {
        assert_eq!(received(&frame(&[0xe000]), VnetHeader::default(), None).unwrap().vlan, Vlan::NONE);
        let double = received(&frame(&[5, 6]), VnetHeader::default(), None).unwrap();
        assert_eq!((double.vlan, double.ethertype()), (Vlan(5), ETHERTYPE_VLAN));
    }

    #[test]
    fn short_frames_and_lying_offload_facts_are_refused() {
        for len in 0..14 {
            assert!(received(&frame(&[])[..len], VnetHeader::default(), None).is_none());
        }
        assert!(received(&frame(&[7])[..17], VnetHeader::default(), None).is_none());
        assert!(received(&frame(&[])[..14], VnetHeader::default(), None).is_some());
        for (start, offset) in [(13, 16), (34, 39), (65535, 65535), (0, 0)] {
            let vnet = VnetHeader { csum_start: start, csum_offset: offset, ..CSUM };
            assert!(received(&frame(&[]), vnet, None).is_none(), "{start} {offset}");
        }
    }

    #[test]
    fn headers_that_end_before_they_begin_or_after_the_frame_are_refused() {
        let whole = frame(&[]).len() as u16;
        for (hdr_len, is_taken) in [(13, false), (14, true), (whole, true), (whole + 1, false), (65_535, false)] {
            let taken = received(&frame(&[]), VnetHeader { hdr_len, ..CSUM }, None);
            assert_eq!(taken.is_some(), is_taken, "{hdr_len}");
        }
    }

    #[test]
    fn what_is_sent_is_header_tag_and_packet_in_one_piece() {
        for (vid, at) in [(0, VNET_AT_FRAME), (100, VNET_AT_FRAME - TAG_LEN)] {
            let mut packet = received(&frame(&[]), CSUM, Some(vid)).unwrap();
            assert_eq!(frame_to_send(&mut packet), at);
            let tags: &[u16] = if vid == 0 { &[] } else { &[100] };
            let sent = frame(tags);
            let shift = 4 * tags.len() as u16;
            let vnet = VnetHeader { csum_start: 34 + shift, hdr_len: 54 + shift, ..CSUM };
            assert_eq!(VnetHeader::parse(&packet.memory_mut()[at..]), Some(vnet));
            assert_eq!(&packet.memory_mut()[at + 10..at + 10 + sent.len()], sent);
            assert_eq!(tagged(Vlan(vid), &frame(&[])), Some(sent));
        }
        assert_eq!(tagged(Vlan(1), &[0; 13]), None);
    }
}
