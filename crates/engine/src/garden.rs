//! The walled garden as the control thread keeps it: what the configuration, an operator and RADIUS servers say is open,
//! and the addresses that DNS has opened for it.
//!
//! Addresses that DNS opens are bounded, and guests choose which of the garden's names they ask for. So none may push out
//! what another one uses by asking for many:
//! * An address belongs to the guest that asked for it, until another guest asks for it too; then it is nobody's, and stays
//!   until its time is over.
//! * When there is no room, the guest to whom most addresses belong loses the oldest of them: the one that asks, if it is
//!   one of those. If no address belongs to anybody, nothing new is opened.
//! * What a server opens for one guest alone belongs to that guest, and does not go before its time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use fastpath::garden::{Entry, FOREVER, Full, Garden, Who};
use fastpath::session::SlotIndex;

use crate::dns::{Opening, Pattern};

/// What an operator may add to the garden of a running gateway.
pub const MAX_ADDED: usize = 1024;
/// What servers may open for one guest alone, as in CoovaChilli.
pub const MAX_OWN: usize = 16;

/// One entry of the garden.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Hosts by their addresses.
    Network(Entry),
    /// Hosts by their names, at the addresses that DNS gives for them.
    Name(Pattern),
}

/// Who says that a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The configuration.
    Configured,
    /// An operator, until this second of the gateway's clock; none is until the gateway ends.
    Added(Option<u32>),
}

/// What DNS has opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What.
    pub entry: Entry,
    /// For whom.
    pub who: Who,
    /// By which pattern.
    pub pattern: Arc<Pattern>,
    /// First second of the gateway's clock at which it is no longer open.
    pub until_secs: u32,
    /// The only guest that asked for it.
    owner: Option<Ipv4Addr>,
    order: u64,
}

/// Why something cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// The configuration has it.
    Configured,
    /// There are as many as there may be.
    TooMany,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured => f.write_str("the configuration has it"),
            Self::TooMany => f.write_str("there is no room for more; write it into the configuration, and start again"),
        }
    }
}

impl std::error::Error for AddError {}

type Key = (Who, Entry);

#[derive(Default)]
struct Own {
    address: Option<Ipv4Addr>,
    rules: Vec<Rule>,
}

/// Keeps the table that packet threads read.
pub(crate) struct Keeper {
    table: Arc<Garden>,
    /// Addresses that DNS and servers may open.
    room: usize,
    rules: HashMap<Rule, Source>,
    /// Of those that were added for a time.
    ends: Vec<(u32, Rule)>,
    opened: HashMap<Key, Opened>,
    opened_ends: BTreeSet<(u32, Key)>,
    belongings: HashMap<Ipv4Addr, BTreeMap<u64, Key>>,
    most: BTreeSet<(usize, Ipv4Addr)>,
    order: u64,
    own: HashMap<SlotIndex, Own>,
    own_networks: usize,
    refused: u64,
}

impl Keeper {
    pub(crate) fn new(table: Arc<Garden>, room: usize) -> Self {
        Self {
            table,
            room,
            rules: HashMap::new(),
            ends: Vec::new(),
            opened: HashMap::new(),
            opened_ends: BTreeSet::new(),
            belongings: HashMap::new(),
            most: BTreeSet::new(),
            order: 0,
            own: HashMap::new(),
            own_networks: 0,
            refused: 0,
        }
    }

    /// Takes the configuration's rules in place of those before; gives names that are new, those that are gone, and how many
    /// rules found no room.
    pub(crate) fn configure(&mut self, rules: Vec<Rule>) -> (Vec<Pattern>, Vec<Pattern>, usize) {
        let wanted: HashSet<Rule> = rules.into_iter().collect();
        let gone: Vec<Rule> = self
            .rules
            .iter()
            .filter(|(rule, source)| **source == Source::Configured && !wanted.contains(*rule))
            .map(|(rule, _)| rule.clone())
            .collect();
        let closed = self.remove_all(&gone);
        let (mut opened, mut refused) = (Vec::new(), 0);
        for rule in wanted {
            self.ends.retain(|(_, timed)| *timed != rule);
            match self.hold(&rule, Source::Configured) {
                Ok(name) => opened.extend(name),
                Err(Full) => refused += 1,
            }
        }
        (opened, closed, refused)
    }

    /// Adds a rule until then, or until the end; gives the name that is to be opened, if it is one.
    pub(crate) fn add(&mut self, rule: Rule, until_secs: Option<u32>) -> Result<Option<Pattern>, AddError> {
        match self.rules.get(&rule) {
            Some(Source::Configured) => return Err(AddError::Configured),
            Some(Source::Added(_)) => {}
            None => {
                let added = self.rules.values().filter(|source| **source != Source::Configured).count();
                if added >= MAX_ADDED {
                    return Err(AddError::TooMany);
                }
            }
        }
        let name = self.hold(&rule, Source::Added(until_secs)).map_err(|Full| AddError::TooMany)?;
        self.ends.retain(|(_, timed)| *timed != rule);
        self.ends.extend(until_secs.map(|until| (until, rule)));
        Ok(name)
    }

    /// Removes a rule, and what DNS has opened by it; gives the name that is to be closed, if it is one. None if there is no
    /// such rule.
    pub(crate) fn remove(&mut self, rule: &Rule) -> Option<Option<Pattern>> {
        self.rules.contains_key(rule).then(|| self.remove_all(std::slice::from_ref(rule)).pop())
    }

    /// Opens what an answer for the guest with address `asker` has brought, for everybody or for the guest alone.
    pub(crate) fn open(&mut self, now_secs: u32, asker: Ipv4Addr, who: Who, opening: &Opening) {
        self.forget_old(now_secs);
        let key = (who, opening.entry);
        let until_secs = now_secs.saturating_add(opening.lasts.as_secs() as u32);
        if self.is_held(key) {
            return; // for good
        }
        if let Some(there) = self.opened.get_mut(&key) {
            self.opened_ends.remove(&(there.until_secs, key));
            there.until_secs = there.until_secs.max(until_secs);
            self.opened_ends.insert((there.until_secs, key));
            let kept = self.table.open(who, &opening.entry, there.until_secs);
            debug_assert_eq!(kept, Ok(()), "it has its place");
            if let Some(owner) = there.owner.filter(|owner| *owner != asker) {
                let order = there.order;
                there.owner = None;
                self.disown(owner, order);
            }
            return;
        }
        if !self.make_room(Some(asker)) || self.table.open(who, &opening.entry, until_secs).is_err() {
            self.refused += 1;
            return;
        }
        self.order += 1;
        let pattern = Arc::clone(&opening.pattern);
        let (entry, order, owner) = (opening.entry, self.order, Some(asker));
        self.opened.insert(key, Opened { entry, who, pattern, until_secs, owner, order });
        self.opened_ends.insert((until_secs, key));
        let belongings = self.belongings.entry(asker).or_default();
        self.most.remove(&(belongings.len(), asker));
        belongings.insert(order, key);
        self.most.insert((belongings.len(), asker));
    }

    /// Changes what is open for the guest in `slot` alone: after a `reset` nothing is, then `rules` are, at most [`MAX_OWN`] in
    /// all. True if the guest has such rules now; and how many found no room.
    pub(crate) fn change_own(
        &mut self,
        slot: SlotIndex,
        address: Ipv4Addr,
        reset: bool,
        rules: Vec<Rule>,
    ) -> (bool, usize) {
        if reset {
            self.forget_own(slot);
        }
        let mut own = self.own.remove(&slot).unwrap_or_default();
        own.address = Some(address);
        let mut refused = 0;
        for rule in rules {
            if own.rules.contains(&rule) {
                continue;
            }
            let fits = own.rules.len() < MAX_OWN
                && match &rule {
                    Rule::Name(_) => true,
                    Rule::Network(entry) => {
                        self.close_all(|who, opened| who == Who::Guest(slot) && opened.entry == *entry);
                        self.make_room(None) && self.table.open(Who::Guest(slot), entry, FOREVER).is_ok()
                    }
                };
            if fits {
                self.own_networks += usize::from(matches!(rule, Rule::Network(_)));
                own.rules.push(rule);
            } else {
                refused += 1;
            }
        }
        let has_some = !own.rules.is_empty();
        if has_some {
            self.own.insert(slot, own);
        }
        (has_some, refused)
    }

    /// Closes all that is open for the guest in `slot` alone.
    pub(crate) fn forget_own(&mut self, slot: SlotIndex) {
        let Some(own) = self.own.remove(&slot) else { return };
        for rule in &own.rules {
            if let Rule::Network(entry) = rule {
                self.table.close(Who::Guest(slot), entry);
                self.own_networks -= 1;
            }
        }
        self.close_all(|who, _| who == Who::Guest(slot));
    }

    pub(crate) fn has_own(&self, slot: SlotIndex) -> bool {
        self.own.contains_key(&slot)
    }

    /// Names that are open for the guest in `slot` alone.
    pub(crate) fn own_names(&self, slot: SlotIndex) -> impl Iterator<Item = Pattern> {
        self.own.get(&slot).into_iter().flat_map(|own| &own.rules).filter_map(|rule| match rule {
            Rule::Name(pattern) => Some(pattern.clone()),
            Rule::Network(_) => None,
        })
    }

    /// Removes rules whose time is over; gives the names among them.
    pub(crate) fn handle_timeout(&mut self, now_secs: u32) -> Vec<Pattern> {
        let over: Vec<Rule> =
            self.ends.iter().filter(|(until, _)| *until <= now_secs).map(|(_, rule)| rule.clone()).collect();
        self.remove_all(&over)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.ends.iter().map(|(until, _)| Duration::from_secs((*until).into())).min()
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = (&Rule, Source)> {
        self.rules.iter().map(|(rule, source)| (rule, *source))
    }

    pub(crate) fn own_rules(&self) -> impl Iterator<Item = (Ipv4Addr, &Rule)> {
        let of_one = |own: &'_ Own| own.address;
        self.own.values().flat_map(move |own| own.rules.iter().filter_map(move |rule| Some((of_one(own)?, rule))))
    }

    /// What DNS has opened, the first to close first.
    pub(crate) fn opened(&self, now_secs: u32) -> impl Iterator<Item = &Opened> {
        self.opened_ends.iter().filter(move |(until, _)| *until > now_secs).filter_map(|(_, key)| self.opened.get(key))
    }

    /// What was not opened for want of room, since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    fn remove_all(&mut self, rules: &[Rule]) -> Vec<Pattern> {
        let mut names = HashSet::new();
        for rule in rules {
            self.rules.remove(rule);
            match rule {
                Rule::Network(entry) => self.table.close(Who::Everybody, entry),
                Rule::Name(pattern) => drop(names.insert(pattern.clone())),
            }
        }
        let rules = &self.rules;
        self.ends.retain(|(_, timed)| rules.contains_key(timed));
        if !names.is_empty() {
            self.close_all(|who, opened| who == Who::Everybody && names.contains(&*opened.pattern));
        }
        names.into_iter().collect()
    }

    fn hold(&mut self, rule: &Rule, source: Source) -> Result<Option<Pattern>, Full> {
        let name = match rule {
            Rule::Network(entry) => {
                // From now on it is open whatever DNS says.
                self.close_opened((Who::Everybody, *entry));
                let until = match source {
                    Source::Configured | Source::Added(None) => FOREVER,
                    Source::Added(Some(until)) => until,
                };
                self.table.open(Who::Everybody, entry, until)?;
                None
            }
            Rule::Name(pattern) => Some(pattern.clone()),
        };
        self.rules.insert(rule.clone(), source);
        Ok(name)
    }

    /// True if a rule says that just this is open.
    fn is_held(&self, (who, entry): Key) -> bool {
        let rule = Rule::Network(entry);
        match who {
            Who::Everybody => self.rules.contains_key(&rule),
            Who::Guest(slot) => self.own.get(&slot).is_some_and(|own| own.rules.contains(&rule)),
        }
    }

    fn make_room(&mut self, asker: Option<Ipv4Addr>) -> bool {
        if self.opened.len() + self.own_networks < self.room {
            return true;
        }
        let Some(&(most, owner)) = self.most.last() else { return false };
        let asks = asker.filter(|asker| self.belongings.get(asker).is_some_and(|all| all.len() == most));
        let loser = asks.unwrap_or(owner);
        let Some(oldest) = self.belongings.get(&loser).and_then(|all| all.first_key_value()).map(|(_, key)| *key)
        else {
            return false;
        };
        self.close_opened(oldest);
        true
    }

    fn forget_old(&mut self, now_secs: u32) {
        while let Some(&(_, key)) = self.opened_ends.first().filter(|(until, _)| *until <= now_secs) {
            self.close_opened(key);
        }
    }

    fn close_all(&mut self, is_meant: impl Fn(Who, &Opened) -> bool) {
        let meant: Vec<Key> =
            self.opened.iter().filter(|(key, opened)| is_meant(key.0, opened)).map(|(key, _)| *key).collect();
        meant.into_iter().for_each(|key| self.close_opened(key));
    }

    fn close_opened(&mut self, key: Key) {
        let Some(opened) = self.opened.remove(&key) else { return };
        self.opened_ends.remove(&(opened.until_secs, key));
        self.table.close(key.0, &key.1);
        if let Some(owner) = opened.owner {
            self.disown(owner, opened.order);
        }
    }

    fn disown(&mut self, owner: Ipv4Addr, order: u64) {
        let Some(belongings) = self.belongings.get_mut(&owner) else { return };
        self.most.remove(&(belongings.len(), owner));
        belongings.remove(&order);
        if belongings.is_empty() {
            self.belongings.remove(&owner);
        } else {
            self.most.insert((belongings.len(), owner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
    const BOB: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 3);
    const CID: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 4);

    struct Kept {
        keeper: Keeper,
        table: Arc<Garden>,
    }

    fn kept(room: usize) -> Kept {
        let table = Arc::new(Garden::new(1024, 7));
        Kept { keeper: Keeper::new(Arc::clone(&table), room), table }
    }

    fn host(n: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0xc633_6400 + n)
    }

    impl Kept {
        fn opens_for(&mut self, now_secs: u32, asker: Ipv4Addr, n: u32, secs: u64) {
            let pattern = Arc::new(".cdn.example".parse().unwrap());
            let opening = Opening { entry: Entry::host(host(n)), lasts: Duration::from_secs(secs), pattern };
            self.keeper.open(now_secs, asker, Who::Everybody, &opening);
        }

        fn is_open(&self, n: u32, now_secs: u32) -> bool {
            self.table.allows(None, host(n), 6, 443, now_secs)
        }

        fn all_open(&self, mut numbers: std::ops::Range<u32>) -> bool {
            numbers.all(|n| self.is_open(n, 0))
        }
    }

    #[test]
    fn a_guest_who_asks_for_many_names_loses_only_what_is_its_own() {
        let mut kept = kept(20);
        (0..5).for_each(|n| kept.opens_for(0, BOB, n, 300));
        // Something that both use: Ann asked first.
        kept.opens_for(0, ANN, 5, 300);
        kept.opens_for(0, BOB, 5, 300);
        (100..1000).for_each(|n| kept.opens_for(0, ANN, n, 300));
        assert!(kept.all_open(0..6), "what Bob uses");
        assert!(kept.all_open(986..1000), "of Ann's the newest");
        assert_eq!((kept.keeper.opened(0).count(), kept.table.entries()), (20, 20));
        // Who comes later gets room, and it is Ann's.
        (10..14).for_each(|n| kept.opens_for(0, CID, n, 300));
        assert!(kept.all_open(0..6) && kept.all_open(10..14) && kept.all_open(990..1000));
        assert!(!kept.is_open(989, 0));
    }

    #[test]
    fn where_everything_is_used_by_several_nothing_goes_and_nothing_comes_before_its_time() {
        let mut kept = kept(4);
        for n in 0..4 {
            kept.opens_for(0, ANN, n, 300);
            kept.opens_for(0, BOB, n, 400);
        }
        kept.opens_for(0, CID, 9, 300);
        assert!(kept.all_open(0..4) && !kept.is_open(9, 0));
        assert_eq!(kept.keeper.refused(), 1);
        kept.opens_for(400, CID, 9, 300);
        assert!(kept.is_open(9, 400) && !kept.is_open(0, 400));
        assert_eq!(kept.table.entries(), 1, "what is over takes no room");
    }

    #[test]
    fn a_shorter_answer_does_not_cut_a_longer_one() {
        let mut kept = kept(4);
        kept.opens_for(0, ANN, 1, 300);
        kept.opens_for(50, BOB, 1, 60);
        assert!(kept.is_open(1, 299) && !kept.is_open(1, 300));
    }

    #[test]
    fn what_a_rule_opens_does_not_end_with_dns_nor_with_its_removal_what_dns_opens_anew() {
        let mut kept = kept(4);
        let rule = Rule::Network(Entry::host(host(1)));
        kept.opens_for(0, ANN, 1, 60);
        assert_eq!(kept.keeper.add(rule.clone(), None), Ok(None));
        kept.opens_for(0, ANN, 1, 60);
        kept.opens_for(100, ANN, 2, 60);
        assert!(kept.is_open(1, 1000));
        assert_eq!(kept.keeper.remove(&rule), Some(None));
        assert!(!kept.is_open(1, 0));
        kept.opens_for(100, ANN, 1, 60);
        assert!(kept.is_open(1, 159));
        assert_eq!(kept.keeper.remove(&rule), None);
    }

    #[test]
    fn a_rule_that_was_added_for_a_time_ends_by_itself_and_one_that_goes_takes_its_addresses_along() {
        let mut kept = kept(4);
        let name: Pattern = ".cdn.example".parse().unwrap();
        assert_eq!(kept.keeper.add(Rule::Name(name.clone()), Some(90)), Ok(Some(name.clone())));
        assert_eq!(kept.keeper.poll_timeout(), Some(Duration::from_secs(90)));
        kept.opens_for(0, ANN, 1, 300);
        assert_eq!(kept.keeper.handle_timeout(89), []);
        assert!(kept.is_open(1, 89));
        assert_eq!(kept.keeper.handle_timeout(90), [name]);
        assert!(!kept.is_open(1, 90));
        assert_eq!((kept.keeper.poll_timeout(), kept.keeper.rules().count()), (None, 0));
    }

    #[test]
    fn a_new_configuration_takes_away_what_it_no_longer_has_and_leaves_what_an_operator_added() {
        let mut kept = kept(4);
        let rule = |n| Rule::Network(Entry::host(host(n)));
        kept.keeper.configure(vec![rule(1), rule(2)]);
        kept.keeper.add(rule(3), None).unwrap();
        assert_eq!(kept.keeper.add(rule(1), None), Err(AddError::Configured));
        let name: Pattern = "example.org".parse().unwrap();
        let changed = kept.keeper.configure(vec![rule(2), Rule::Name(name.clone())]);
        assert_eq!(changed, (vec![name.clone()], vec![], 0));
        assert!(!kept.is_open(1, 0) && kept.is_open(2, 0) && kept.is_open(3, 0));
        assert_eq!(kept.keeper.configure(vec![rule(3)]), (vec![], vec![name], 0));
        kept.keeper.configure(vec![]);
        assert!(!kept.is_open(3, 0), "it had become the configuration's");
    }

    #[test]
    fn an_operator_can_add_many_but_not_without_end() {
        let mut kept = kept(4);
        let rule = |n: usize| Rule::Name(format!("n{n}.example").parse().unwrap());
        assert!((0..MAX_ADDED).all(|n| kept.keeper.add(rule(n), None).is_ok()));
        assert_eq!(kept.keeper.add(rule(MAX_ADDED), None), Err(AddError::TooMany));
        assert!(kept.keeper.add(rule(0), Some(5)).is_ok(), "it is there already");
    }

    #[test]
    fn one_guests_own_garden_is_bounded_and_leaves_nothing_behind() {
        let mut kept = kept(40);
        let slot = SlotIndex(3);
        let rules: Vec<_> = (0..20).map(|n| Rule::Network(Entry::host(host(n)))).collect();
        assert_eq!(kept.keeper.change_own(slot, ANN, false, rules), (true, 4));
        assert!(kept.table.allows(Some(slot), host(15), 6, 443, 0));
        assert!(!kept.table.allows(Some(slot), host(16), 6, 443, 0) && !kept.is_open(15, 0));
        let name = Rule::Name("example.org".parse().unwrap());
        assert_eq!(kept.keeper.change_own(slot, ANN, true, vec![name]), (true, 0));
        let pattern = kept.keeper.own_names(slot).map(Arc::new).next().unwrap();
        let opening = Opening { entry: Entry::host(host(1)), lasts: Duration::from_secs(60), pattern };
        kept.keeper.open(0, ANN, Who::Guest(slot), &opening);
        assert!(kept.table.allows(Some(slot), host(1), 6, 443, 0) && !kept.is_open(1, 0));
        assert_eq!(kept.keeper.change_own(slot, ANN, true, vec![]), (false, 0));
        assert_eq!((kept.table.entries(), kept.keeper.own_rules().count()), (0, 0));
    }
}
