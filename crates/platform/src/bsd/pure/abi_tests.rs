use std::fmt::Write as _;

use super::super::bpf;
use super::systems::*;
use super::*;

/// The columns of `facts.txt`.
const SYSTEMS: [(&str, Abi); 7] = [
    ("freebsd-64", FREEBSD),
    ("freebsd-i386", FREEBSD_I386),
    ("freebsd-armv7", FREEBSD_ARMV7),
    ("netbsd-64", NETBSD),
    ("netbsd-32", NETBSD_32),
    ("openbsd-64", OPENBSD),
    ("openbsd-32", OPENBSD_32),
];

const FACTS: &str = include_str!("facts.txt");
const HEAD: &str = "\
# What the back end relies on: an expression of C, and what it is on each system. Made of the code by
#     BLESS=1 cargo test -p poblano-platform facts
# and compared with the systems' headers by tests/check-bsd-headers.
";

/// Everything the back end knows of a system, as C would say it. `None` is what it does not use there.
fn facts(abi: Abi) -> Vec<(&'static str, Option<u64>)> {
    let on = |systems: &[Os], value: u64| systems.contains(&abi.os).then_some(value);
    let all = |value: u64| Some(value);
    let at = |offset: usize| Some(offset as u64);
    let direction = u64::from(abi.biocsdirection());
    let of_open = abi.biocsfildrop().map(|(request, argument)| (u64::from(request), u64::from(argument)));
    vec![
        ("sizeof(void *)", at(abi.word)),
        ("sizeof(time_t)", at(abi.time)),
        ("IFNAMSIZ", at(IFNAMSIZ)),
        ("IFF_UP", all(IFF_UP.into())),
        ("IFF_BROADCAST", all(IFF_BROADCAST.into())),
        ("IFF_LOOPBACK", all(IFF_LOOPBACK.into())),
        ("IFF_MULTICAST", all(IFF_MULTICAST.into())),
        ("IFT_ETHER", all(IFT_ETHER.into())),
        ("AF_INET", all(AF_INET.into())),
        ("AF_INET6", all(abi.af_inet6().into())),
        ("AF_LINK", all(AF_LINK.into())),
        ("PF_ROUTE", all(abi.pf_route() as u64)),
        ("CTL_NET", all(CTL_NET as u64)),
        ("NET_RT_DUMP", all(NET_RT_DUMP as u64)),
        ("IPPROTO_IP", all(IPPROTO_IP as u64)),
        ("IPCTL_FORWARDING", all(IPCTL_FORWARDING as u64)),
        ("sizeof(struct ifreq)", at(abi.ifreq_len())),
        ("offsetof(struct ifreq, ifr_flags)", at(IFREQ_VALUE_AT)),
        ("offsetof(struct ifreq, ifr_mtu)", at(IFREQ_VALUE_AT)),
        ("offsetof(struct ifreq, ifr_addr)", at(IFREQ_VALUE_AT)),
        ("offsetof(struct ifreq, ifr_flagshigh)", on(&[Os::Free], IFREQ_FLAGS_HIGH_AT as u64)),
        ("SIOCAIFADDR", all(abi.siocaifaddr().into())),
        ("SIOCDIFADDR", all(abi.siocdifaddr().into())),
        ("SIOCGIFFLAGS", all(abi.siocgifflags().into())),
        ("SIOCSIFFLAGS", all(abi.siocsifflags().into())),
        ("SIOCGIFMTU", all(abi.siocgifmtu().into())),
        ("SIOCSIFMTU", all(abi.siocsifmtu().into())),
        ("SIOCIFDESTROY", all(abi.siocifdestroy().into())),
        ("sizeof(struct in_aliasreq)", at(abi.in_aliasreq_len())),
        ("offsetof(struct in_aliasreq, ifra_addr)", at(ALIAS_ADDRESS_AT)),
        ("offsetof(struct in_aliasreq, ifra_dstaddr)", at(ALIAS_PEER_AT)),
        ("offsetof(struct in_aliasreq, ifra_mask)", at(ALIAS_MASK_AT)),
        ("offsetof(struct sockaddr, sa_family)", at(SA_FAMILY_AT)),
        ("sizeof(struct sockaddr_in)", at(SIN_LEN)),
        ("offsetof(struct sockaddr_in, sin_addr)", at(SIN_ADDRESS_AT)),
        ("sizeof(struct sockaddr_dl)", at(abi.sockaddr_dl_len())),
        ("offsetof(struct sockaddr_dl, sdl_index)", at(SDL_INDEX_AT)),
        ("offsetof(struct sockaddr_dl, sdl_type)", at(SDL_TYPE_AT)),
        ("offsetof(struct sockaddr_dl, sdl_nlen)", at(SDL_NAME_LEN_AT)),
        ("offsetof(struct sockaddr_dl, sdl_alen)", at(SDL_ADDRESS_LEN_AT)),
        ("offsetof(struct sockaddr_dl, sdl_data)", at(SDL_DATA_AT)),
        ("RTM_VERSION", all(abi.rtm_version().into())),
        ("RTM_ADD", all(RTM_ADD.into())),
        ("RTM_DELETE", all(RTM_DELETE.into())),
        ("RTF_UP", all(RTF_UP as u64)),
        ("RTF_GATEWAY", all(RTF_GATEWAY as u64)),
        ("RTF_HOST", all(RTF_HOST as u64)),
        ("RTF_STATIC", all(RTF_STATIC as u64)),
        ("RTF_CONNECTED", on(&[Os::Net], abi.rtf_on_link() as u64)),
        ("RTF_CLONING", on(&[Os::Open], abi.rtf_on_link() as u64)),
        ("RTA_DST", all(RTA_DST as u64)),
        ("RTA_GATEWAY", all(RTA_GATEWAY as u64)),
        ("RTA_NETMASK", all(RTA_NETMASK as u64)),
        ("sizeof(struct rt_msghdr)", at(abi.rtm_len())),
        ("offsetof(struct rt_msghdr, rtm_msglen)", all(0)),
        ("offsetof(struct rt_msghdr, rtm_version)", at(RTM_VERSION_AT)),
        ("offsetof(struct rt_msghdr, rtm_type)", at(RTM_TYPE_AT)),
        ("offsetof(struct rt_msghdr, rtm_hdrlen)", abi.rtm_hdrlen_at().and_then(at)),
        ("offsetof(struct rt_msghdr, rtm_index)", at(abi.rtm_index_at())),
        ("offsetof(struct rt_msghdr, rtm_flags)", at(abi.rtm_flags_at())),
        ("offsetof(struct rt_msghdr, rtm_addrs)", at(RTM_ADDRS_AT)),
        ("offsetof(struct rt_msghdr, rtm_seq)", at(abi.rtm_seq_at())),
        // How far apart two addresses in a message are: to a word, as FreeBSD's SA_SIZE and OpenBSD's route(8) do it.
        ("RT_ROUNDUP(1)", on(&[Os::Net], abi.sockaddr_alignment() as u64)),
        ("sizeof(long)", on(&[Os::Free, Os::Open], abi.sockaddr_alignment() as u64)),
        ("BIOCSBLEN", all(BIOCSBLEN.into())),
        ("BIOCSETIF", all(abi.biocsetif().into())),
        ("BIOCGDLT", all(BIOCGDLT.into())),
        ("BIOCIMMEDIATE", all(BIOCIMMEDIATE.into())),
        ("BIOCSHDRCMPLT", all(BIOCSHDRCMPLT.into())),
        ("BIOCSDIRECTION", on(&[Os::Free, Os::Net], direction)),
        ("BPF_D_IN", on(&[Os::Free, Os::Net], abi.incoming_only().into())),
        ("BIOCSDIRFILT", on(&[Os::Open], direction)),
        ("BPF_DIRECTION_OUT", on(&[Os::Open], abi.incoming_only().into())),
        ("BIOCSFILDROP", of_open.map(|(request, _)| request)),
        ("BPF_FILDROP_CAPTURE", of_open.map(|(_, argument)| argument)),
        ("BIOCSETF", all(abi.biocsetf().into())),
        ("BIOCSETWF", all(abi.biocsetwf().into())),
        ("BIOCLOCK", all(abi.bioclock().into())),
        ("DLT_EN10MB", all(DLT_EN10MB.into())),
        ("sizeof(struct bpf_program)", at(2 * abi.word)),
        ("offsetof(struct bpf_program, bf_insns)", at(abi.word)),
        ("sizeof(struct bpf_insn)", at(size_of::<bpf::Step>())),
        ("offsetof(struct bpf_insn, code)", at(std::mem::offset_of!(bpf::Step, code))),
        ("offsetof(struct bpf_insn, jt)", at(std::mem::offset_of!(bpf::Step, jump_if_true))),
        ("offsetof(struct bpf_insn, jf)", at(std::mem::offset_of!(bpf::Step, jump_if_false))),
        ("offsetof(struct bpf_insn, k)", at(std::mem::offset_of!(bpf::Step, operand))),
        ("BPF_LD | BPF_ABS | BPF_B", all(bpf::LOAD_OCTET.into())),
        ("BPF_LD | BPF_ABS | BPF_H", all(bpf::LOAD_HALF.into())),
        ("BPF_LD | BPF_ABS | BPF_W", all(bpf::LOAD_WORD.into())),
        ("BPF_JMP | BPF_K | BPF_JEQ", all(bpf::JUMP_EQUAL.into())),
        ("BPF_JMP | BPF_K | BPF_JSET", all(bpf::JUMP_SET.into())),
        ("BPF_RET | BPF_K", all(bpf::RETURN.into())),
        ("BPF_ALIGNMENT", at(abi.bpf_alignment())),
        ("offsetof(struct bpf_hdr, bh_caplen)", at(abi.bpf_caplen_at())),
        ("offsetof(struct bpf_hdr, bh_datalen)", at(abi.bpf_caplen_at() + 4)),
        ("offsetof(struct bpf_hdr, bh_hdrlen)", at(abi.bpf_caplen_at() + 8)),
        ("sizeof(cap_rights_t)", on(&[Os::Free], size_of_val(&CARRY_RIGHTS) as u64)),
        // The upper half has no place in a column.
        ("(CAP_READ | CAP_WRITE) >> 32", on(&[Os::Free], CARRY_RIGHTS[0] >> 32)),
        ("(unsigned)(CAP_READ | CAP_WRITE)", on(&[Os::Free], CARRY_RIGHTS[0] & 0xffff_ffff)),
        ("CAP_EVENT >> 32", on(&[Os::Free], CARRY_RIGHTS[1] >> 32)),
        ("(unsigned)CAP_EVENT", on(&[Os::Free], CARRY_RIGHTS[1] & 0xffff_ffff)),
        ("TUNSIFHEAD", abi.tunsifhead().map(u64::from)),
        ("TUNSIFMODE", abi.tunsifmode().map(u64::from)),
    ]
}

#[test]
fn facts_are_as_the_table_says_that_is_compared_with_the_headers() {
    let columns = SYSTEMS.map(|(_, abi)| facts(abi));
    let mut made = HEAD.to_owned();
    for (name, _) in SYSTEMS {
        write!(made, "{name:14}").unwrap();
    }
    made.push_str("expression\n");
    for (row, (expression, _)) in columns[0].iter().enumerate() {
        for column in &columns {
            assert_eq!(column[row].0, *expression);
            let value = column[row].1.map_or("-".to_owned(), |value| format!("{value:#x}"));
            write!(made, "{value:14}").unwrap();
        }
        writeln!(made, "{expression}").unwrap();
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bsd/pure/facts.txt"), &made).unwrap();
        return;
    }
    assert_eq!(made, FACTS, "BLESS=1 writes it");
}
