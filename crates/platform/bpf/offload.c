// The packet path of guests who are online, in the kernel (tc, clsact). See linux/offload/mod.rs for what loads it.
//
// The policy is that of fastpath's facts and verdict, cut down to what is certain: an ordinary IPv4 packet of a guest
// who is online, within its quota and below its rate, between it and the Internet. Everything else goes to user space
// as if this were not here. A test feeds the same packets to both and compares verdicts and counters.
//
// A frame from the LAN passes the packet socket before it passes tc. So the socket's filter decides, keeps what it found
// in `scratch`, and takes the frame from the socket if the kernel is to forward it; tc runs next for the same frame on
// the same processor and does what was decided. That is one look-up a frame, and never both or neither of the two ways.
//
// Layouts are shared with Rust: linux/offload/abi.rs. Compile with `make` beside this file.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef _Bool bool;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define swap16(x) __builtin_bswap16(x)
#define swap32(x) __builtin_bswap32(x)

// <linux/bpf.h>: what a program sees of a packet, and the helpers' numbers.
struct __sk_buff {
    u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto;
    u32 priority, ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id;
    u32 family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port, data_meta;
    u64 flow_keys, tstamp;
    u32 wire_len, gso_segs;
    u64 sk;
    u32 gso_size;
};
static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static u64 (*ktime_get_ns)(void) = (void *)5;
static long (*skb_store_bytes)(struct __sk_buff *, u32 at, const void *, u32 len, u64 flags) = (void *)9;
static long (*skb_vlan_push)(struct __sk_buff *, u16 proto, u16 tci) = (void *)18;
static long (*skb_vlan_pop)(struct __sk_buff *) = (void *)19;
static long (*redirect)(u32 interface, u64 flags) = (void *)23;
static long (*skb_load_bytes)(const struct __sk_buff *, u32 at, void *, u32 len) = (void *)26;
static long (*skb_change_head)(struct __sk_buff *, u32 more, u64 flags) = (void *)43;
static u64 (*ktime_get_coarse_ns)(void) = (void *)160;

#define TC_NEXT -1 // TC_ACT_UNSPEC: on to whatever comes next, in the end to user space
#define TC_SHOT 2
#define INGRESS 1 // BPF_F_INGRESS
#define OTHERHOST 3
#define ETH_IPV4 swap16(0x0800)
#define VLAN_PROTO swap16(0x8100)
#define ETH_LEN 14
#define NO_LIMIT (~0ULL)
#define ICMP 1
#define TCP 6
#define UDP 17
#define HTTP 80

#define RATE_FRACTION_BITS 16
#define TOLERANCE_NANOS 2000000   // how far a guest may be ahead of its rate before its packets must wait
#define PACED_NANOS 100000000     // how long user space then has all of them, so that they stay in order
#define NANOS_PER_SECOND 1000000000

struct settings {
    u64 keeper_until_nanos; // after that nobody looks after the sessions, and nobody is forwarded here
    u32 lan_index, tun_index;
    u32 own[3];        // our addresses: the gateway's, and those elsewhere that stand for it, or 0; all as on the wire
    u32 network, mask;
    u8 lan_mac[6];
    u16 tun_link_len; // octets before the IP header of what the TUN sends: 0, but in tests
    u16 diverts_http; // http goes to a proxy, under a port that user space puts in: fastpath::verdict::DIVERTED_PORT, 0
};

struct station {
    u8 mac[6];
    u16 vlan;
};

struct key { // of `guests`: a station for what it sends, or an address and no VLAN there is for what it gets
    union {
        struct station station;
        struct {
            u16 no_station;
            u16 address[2]; // as on the wire
            u16 no_vlan;
        };
    };
};
#define NO_STATION 0xffff
#define NO_VLAN 0xffff

struct grant { // one direction of one guest who is online; which one, `abi.rs` says
    u32 slot;
    u32 address;      // leased to it, as on the wire
    struct station station;
    u64 ends_at_nanos; // on the monotonic clock
    u64 rate;          // nanoseconds for an octet, with RATE_FRACTION_BITS binary places; 0 is no limit
    u64 octets_max;    // of this direction
    u64 octets_total_max;
};

struct way { // fastpath::meter::Way
    u64 free_at_nanos, paced_until_nanos, octets, packets, last_secs, spare[3];
};

struct meter { // fastpath::meter::Meter
    struct way up, down;
};

struct ipv4 {
    u8 version_len, tos;
    u16 total_len, id, fragment;
    u8 ttl, protocol;
    u16 checksum;
    u32 source, destination;
};

struct head { // of a frame; what comes first aligns the rest
    u16 spare;
    u8 destination[6];
    struct station station; // with the frame's type in place of the VLAN
    struct ipv4 ip;
    u8 transport[20]; // as far as the frame goes
};
#define SAME_LEN 36 // two frames are the same if so much of their heads is

struct verdict { // what becomes of a packet
    struct head head; // of which one
    u32 state, slot;
    u32 octets, packets; // as on the guest's wire
    u64 rate, now;
};
enum { UNDECIDED, USER, KERNEL };

struct counters {
    u64 forward_up, forward_down, not_sent_up, not_sent_down;
};

// The loader makes the maps and puts them where these names are used.
SEC("maps") u8 settings, guests, meters, counters, scratch;

INLINE struct settings *get_settings(void) {
    u32 zero = 0;
    return map_lookup(&settings, &zero);
}

INLINE struct counters *get_counters(void) {
    u32 zero = 0;
    return map_lookup(&counters, &zero);
}

// The far side is a host of the Internet: not us, not another guest, no group, nothing that is never routed (RFC 6890).
INLINE bool is_internet(const struct settings *set, u32 address) {
    u32 host = swap32(address);
    u8 first = host >> 24;
    return address != set->own[0] && address != set->own[1] && address != set->own[2] && (address & set->mask) != set->network && first != 0 && first != 127 &&
           first < 224 && host >> 16 != 0xa9fe;
}

// True of http that goes to a proxy, and of what claims to be. `port` is the far side's.
INLINE bool is_diverted(const struct settings *set, const struct ipv4 *ip, const u8 *port) {
    return set->diverts_http && ip->protocol == TCP && !port[0] && (!port[1] || port[1] == HTTP);
}

// Reads as much of the packet from octet `at` on as there is and fits. False if that is less than `least`.
INLINE bool load(const struct __sk_buff *skb, u32 at, void *to, u32 room, u32 least) {
    u32 len = skb->len - at; // far too much if there is nothing there, which the kernel then does not read
    if (len > room)
        len = room;
    return len >= least && !skb_load_bytes(skb, at, to, len);
}

// Octets of IP and transport header, 0 if this is not certainly a well-formed packet without options and fragments, of
// `len` octets.
INLINE u32 headers_len(const struct head *head, u32 len, u32 total) {
    const struct ipv4 *ip = &head->ip;
    u32 payload = total - sizeof(*ip);
    if (ip->version_len != 0x45 || ip->fragment & swap16(0x3fff) || total < sizeof(*ip) || len < total)
        return 0;
    switch (ip->protocol) {
    case TCP: {
        u32 transport = head->transport[12] >> 4 << 2;
        return payload < 20 || transport < 20 || transport > payload ? 0 : sizeof(*ip) + transport;
    }
    case UDP: {
        u32 datagram = (u32)head->transport[4] << 8 | head->transport[5];
        return payload < 8 || datagram < 8 || datagram > payload ? 0 : sizeof(*ip) + 8;
    }
    case ICMP:
        return payload < 4 ? 0 : sizeof(*ip);
    default:
        return sizeof(*ip);
    }
}

// Copies the grant that was found for an address. An entry that is removed may be another guest's while we still read it.
INLINE bool copy_grant(struct grant *copy, const struct grant *found, u32 address) {
    *copy = *found;
    __asm__ volatile("" ::: "memory"); // all is read before it is looked at again
    return *(const volatile u32 *)&found->address == address && copy->address == address;
}

// The kernel forwards the packet if nothing speaks against it.
INLINE void judge(const struct __sk_buff *skb, const struct settings *set, const struct grant *guest, bool up, u32 total,
                  u32 headers, struct verdict *verdict) {
    struct meter *meter = map_lookup(&meters, &guest->slot);
    if (!meter)
        return;
    struct way *way = up ? &meter->up : &meter->down;
    // To read the clock takes as long as all else here. What is said in seconds needs no more than its last tick.
    u64 now = guest->rate ? ktime_get_ns() : ktime_get_coarse_ns();
    u32 size = skb->gso_size, segments = 1;
    if (size && total - headers > size)
        segments = (total - headers + size - 1) / size;
    u32 octets = total + (segments - 1) * headers;
    if (now >= set->keeper_until_nanos || now >= guest->ends_at_nanos || way->octets + octets > guest->octets_max)
        return;
    // The other direction's numbers are far away in memory.
    if (guest->octets_total_max != NO_LIMIT && meter->up.octets + meter->down.octets + octets > guest->octets_total_max)
        return;
    if (guest->rate) {
        if (way->paced_until_nanos > now)
            return;
        if (way->free_at_nanos > now + TOLERANCE_NANOS) {
            way->paced_until_nanos = now + PACED_NANOS;
            return;
        }
    }
    verdict->slot = guest->slot;
    verdict->octets = octets;
    verdict->packets = segments;
    verdict->rate = guest->rate;
    verdict->now = now;
    verdict->state = KERNEL;
}

// Counts the packet, and takes it off the guest's line.
INLINE void charge(const struct verdict *verdict, bool up) {
    struct meter *meter = map_lookup(&meters, &verdict->slot);
    if (!meter)
        return;
    struct way *way = up ? &meter->up : &meter->down;
    __sync_fetch_and_add(&way->octets, verdict->octets);
    __sync_fetch_and_add(&way->packets, verdict->packets);
    way->last_secs = verdict->now / NANOS_PER_SECOND;
    if (verdict->rate) {
        u64 cost = verdict->octets * verdict->rate >> RATE_FRACTION_BITS;
        u64 free_at = way->free_at_nanos;
        if (free_at >= verdict->now || __sync_val_compare_and_swap(&way->free_at_nanos, free_at, verdict->now + cost) != free_at)
            __sync_fetch_and_add(&way->free_at_nanos, cost);
    }
}

INLINE bool load_head(const struct __sk_buff *skb, struct head *head) {
    head->spare = 0;
    return load(skb, 0, head->destination, sizeof(*head) - sizeof(head->spare), ETH_LEN + sizeof(head->ip));
}

INLINE void decide_up(const struct __sk_buff *skb, struct verdict *verdict) {
    const struct head *head = &verdict->head;
    struct settings *set = get_settings();
    verdict->state = USER;
    if (!set || head->station.vlan != ETH_IPV4)
        return;
    const u16 *to = (const u16 *)head->destination, *ours = (const u16 *)set->lan_mac;
    if (to[0] != ours[0] || to[1] != ours[1] || to[2] != ours[2])
        return;
    if (!is_internet(set, head->ip.destination) || is_diverted(set, &head->ip, head->transport + 2))
        return;
    struct key key = {.station = head->station};
    key.station.vlan = 0;
    if (skb->vlan_present) {
        if (skb->vlan_proto != VLAN_PROTO)
            return;
        key.station.vlan = skb->vlan_tci & 0xfff;
    }
    struct grant guest, *found = map_lookup(&guests, &key);
    if (!found || !copy_grant(&guest, found, head->ip.source))
        return;
    u32 total = swap16(head->ip.total_len);
    u32 headers = headers_len(head, skb->len - ETH_LEN, total);
    if (headers)
        judge(skb, set, &guest, 1, total, headers, verdict);
}

INLINE bool is_same(const struct head *a, const struct head *b) {
    const u32 *left = (const u32 *)a, *right = (const u32 *)b;
    for (u32 i = 0; i < SAME_LEN / 4; i++)
        if (left[i] != right[i])
            return 0;
    return 1;
}

// On the LAN's packet socket: takes from it what the kernel forwards, and what is for other stations.
SEC("program.filter") int filter(struct __sk_buff *skb) {
    if (skb->pkt_type == OTHERHOST)
        return 0;
    u32 zero = 0;
    struct verdict *verdict = map_lookup(&scratch, &zero);
    if (!verdict)
        return -1;
    verdict->state = UNDECIDED;
    if (!load_head(skb, &verdict->head))
        return -1;
    decide_up(skb, verdict);
    return verdict->state == KERNEL ? 0 : -1;
}

// On the LAN's ingress.
SEC("program.up") int up(struct __sk_buff *skb) {
    u32 zero = 0;
    struct settings *set = get_settings();
    struct counters *count = get_counters();
    struct verdict *verdict = map_lookup(&scratch, &zero);
    struct head head = {}; // older kernels want that of what may be filled in part
    if (!set || !count || !verdict || !load_head(skb, &head))
        return TC_NEXT;
    // Without a decision there is no socket: the gateway is being restarted. One about another frame is of a frame that
    // another program has taken away between socket and here.
    if (verdict->state == UNDECIDED || !is_same(&head, &verdict->head)) {
        verdict->head = head;
        decide_up(skb, verdict);
    }
    u32 state = verdict->state;
    verdict->state = UNDECIDED;
    if (state != KERNEL)
        return TC_NEXT;
    charge(verdict, 1);
    count->forward_up++;
    if (skb->vlan_present && skb_vlan_pop(skb)) {
        count->not_sent_up++;
        return TC_SHOT;
    }
    return redirect(set->tun_index, INGRESS);
}

// On the TUN's egress.
SEC("program.down") int down(struct __sk_buff *skb) {
    struct verdict verdict;
    struct head *head = &verdict.head;
    const struct ipv4 *ip = &head->ip;
    __builtin_memset(head, 0, sizeof(*head));
    verdict.state = USER;
    struct settings *set = get_settings();
    struct counters *count = get_counters();
    u32 at = set ? set->tun_link_len : 0;
    if (!set || !count || skb->protocol != ETH_IPV4 ||
        !load(skb, at, &head->ip, sizeof(head->ip) + sizeof(head->transport), sizeof(head->ip)))
        return TC_NEXT;
    struct key key = {.no_station = NO_STATION, .no_vlan = NO_VLAN};
    __builtin_memcpy(key.address, &ip->destination, 4);
    struct grant guest, *found = map_lookup(&guests, &key);
    if (!found || !copy_grant(&guest, found, ip->destination) || !is_internet(set, ip->source))
        return TC_NEXT;
    // ICMP may quote such a segment.
    if (is_diverted(set, ip, head->transport) || (set->diverts_http && ip->protocol == ICMP))
        return TC_NEXT;
    u32 total = swap16(ip->total_len);
    u32 headers = headers_len(head, skb->len - at, total);
    if (headers)
        judge(skb, set, &guest, 0, total, headers, &verdict);
    if (verdict.state != KERNEL)
        return TC_NEXT;
    charge(&verdict, 0);
    count->forward_down++;
    struct {
        u8 destination[6], source[6];
        u16 type;
    } link = {.type = ETH_IPV4};
    __builtin_memcpy(link.destination, guest.station.mac, 6);
    __builtin_memcpy(link.source, set->lan_mac, 6);
    u16 vlan = guest.station.vlan;
    if ((!set->tun_link_len && skb_change_head(skb, ETH_LEN, 0)) || skb_store_bytes(skb, 0, &link, ETH_LEN, 0) ||
        (vlan && skb_vlan_push(skb, VLAN_PROTO, vlan))) {
        count->not_sent_down++;
        return TC_SHOT;
    }
    return redirect(set->lan_index, 0);
}
