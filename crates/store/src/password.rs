//! Passwords: how they are hashed, checked and made up.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};

/// Memory for one check. OWASP's smallest advice is 7 MiB and five passes; on a 64 MB router with a 580 MHz MIPS that is
/// two seconds of its only core for each login that anybody asks for, and the packets wait. 4 MiB and three passes take
/// a third of that, and cost an attacker with the file some ten thousand times more than a plain digest.
const MEMORY_KIB: u32 = 4096;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// A hash from elsewhere may be dearer than ours, up to what a small machine can still pay at every login.
const MAX_MEMORY_KIB: u32 = 64 * 1024;
const MAX_PASSES: u32 = 16;

/// A name that nobody has costs as much as a wrong password; this is what it is compared with where no account says.
const NOBODY: &str = "$argon2id$v=19$m=4096,t=3,p=1$cG9ibGFubzogbm9ib2R5Lg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What checks work in, one after the other. Taken anew for each, it would stay with the allocator of each thread, in
/// pieces: a hundred megabytes after a thousand logins.
pub(crate) type Memory = Arc<Mutex<Vec<Block>>>;

/// Letters and digits that are not taken for each other in print or on a phone: no 0 O o, 1 l I i.
const READABLE: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// An argon2id hash in the PHC text form, with its salt and parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes a password with 16 octets of fresh randomness. Takes long and 4 MiB of memory.
    #[must_use]
    pub fn new(password: &[u8], salt: [u8; 16]) -> Self {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the parameters are within argon2's bounds");
        let hash: argon2::PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_with_salt(password, &salt)
            .expect("a salt of 16 octets and a password shorter than 4 GiB are within argon2's bounds");
        Self(hash.to_string())
    }

    /// Reads the text form; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let hash = argon2::PasswordHash::new(text).map_err(|e| format!("is no password hash ({e})"))?;
        let params = Params::try_from(&hash).map_err(|e| format!("has parameters that argon2 does not know ({e})"))?;
        if hash.algorithm.as_str() != "argon2id" {
            Err(format!("is {}; only argon2id is served", hash.algorithm))
        } else if hash.salt.is_none() || hash.hash.is_none() {
            Err("has no salt or no hash in it".to_owned())
        } else if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES {
            Err(format!("costs more than {MAX_MEMORY_KIB} KiB or {MAX_PASSES} passes at every login"))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for PasswordHash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

/// No log or dump should hold hashes.
impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The question whether a password is somebody's, to be asked on a thread that may take long. Checks of the same
/// accounts wait for each other, so that a crowd of logins takes the memory of one; how many may wait is the caller's
/// to bound.
#[derive(Debug)]
pub struct PasswordCheck {
    hash: Option<PasswordHash>,
    is_account: bool,
    memory: Memory,
}

impl PasswordCheck {
    pub(crate) fn of_account(hash: PasswordHash, memory: Memory) -> Self {
        Self { hash: Some(hash), is_account: true, memory }
    }

    /// For a name without an account: costs what `somebody`'s costs, and fails.
    pub(crate) fn of_nobody(somebody: Option<PasswordHash>, memory: Memory) -> Self {
        Self { hash: somebody, is_account: false, memory }
    }

    /// True when the account exists and the password is its own. Blocks.
    #[must_use]
    pub fn run(self, password: &[u8]) -> bool {
        // The lock guards memory, not data: what a check that panicked has left there is overwritten.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = self.hash.as_ref().map_or(NOBODY, PasswordHash::as_str);
        is_hash_of(hash, password, &mut memory).unwrap_or(false) & self.is_account
    }
}

/// None where the hash is not one that [`PasswordHash::parse`] takes.
fn is_hash_of(hash: &str, password: &[u8], memory: &mut Vec<Block>) -> Option<bool> {
    let hash = argon2::PasswordHash::new(hash).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let expected = hash.hash?;
    let mut octets = expected.as_bytes().to_vec();
    let blocks = params.block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    Argon2::new(Algorithm::Argon2id, version, params)
        .hash_password_into_with_memory(password, &hash.salt?, &mut octets, &mut memory[..blocks])
        .ok()?;
    // Compared in constant time.
    Some(argon2::password_hash::phc::Output::new(&octets).ok()? == expected)
}

/// A password of 12 letters and digits in three groups, 59 bits strong, out of 16 random octets.
#[must_use]
pub fn readable_password(random: [u8; 16]) -> String {
    // 31^12 is below 2^60; what 128 bits leave over when divided by it favours no password by more than 2^-68.
    let mut number = u128::from_be_bytes(random);
    let mut password = String::with_capacity(14);
    for i in 0..12 {
        if i == 4 || i == 8 {
            password.push('-');
        }
        password.push(READABLE[(number % READABLE.len() as u128) as usize] as char);
        number /= READABLE.len() as u128;
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_password_can_be_read_out_over_the_phone() {
        let password = readable_password([0xa5; 16]);
        assert_eq!(password.len(), 14);
        assert!(password.split('-').all(|group| group.len() == 4), "{password}");
        assert!(!password.contains(['0', 'o', 'O', '1', 'l', 'i', 'I']), "{password}");
        assert_ne!(password, readable_password([0xa6; 16]));
        let bits = 12.0 * (READABLE.len() as f64).log2();
        assert!(bits > 59.0, "{bits}");
    }

    #[test]
    fn hashes_that_cannot_be_served_are_refused_with_the_reason() {
        let good = PasswordHash::new(b"x", [7; 16]);
        assert!(good.as_str().starts_with("$argon2id$v=19$m=4096,t=3,p=1$"), "{}", good.as_str());
        assert_eq!(PasswordHash::parse(good.as_str()), Ok(good.clone()));
        for (text, reason) in [
            (good.as_str().replace("argon2id", "argon2i"), "is argon2i; only argon2id"),
            (good.as_str().replace("m=4096", "m=4194304"), "costs more"),
            (good.as_str().replace("t=3", "t=99"), "costs more"),
            ("$argon2id$v=19$m=4096,t=3,p=1".to_owned(), "no salt"),
            ("hunter2".to_owned(), "is no password hash"),
            ("$1$abc$def".to_owned(), "is no password hash"),
            (String::new(), "is no password hash"),
        ] {
            let message = PasswordHash::parse(&text).expect_err(&text);
            assert!(message.contains(reason), "{text}: {message}");
        }
        assert_eq!(format!("{good:?}"), "***");
    }

    #[test]
    fn a_name_that_nobody_has_costs_what_an_account_of_ours_costs() {
        let ours = PasswordHash::new(b"x", [7; 16]);
        let cost = |hash: &str| Params::try_from(&argon2::PasswordHash::new(hash).expect("a hash")).expect("its cost");
        assert_eq!(cost(NOBODY), cost(ours.as_str()));
        assert_eq!(is_hash_of(NOBODY, b"", &mut Vec::new()), Some(false));
    }

    #[test]
    fn nobody_logs_in_with_the_password_that_stands_in_for_a_missing_account() {
        let memory = Memory::default();
        let somebody = PasswordHash::new(b"right", [7; 16]);
        assert!(PasswordCheck::of_account(somebody.clone(), memory.clone()).run(b"right"));
        assert!(!PasswordCheck::of_account(somebody.clone(), memory.clone()).run(b"wrong"));
        assert!(PasswordCheck::of_account(somebody.clone(), memory.clone()).run(b"right"));
        assert!(!PasswordCheck::of_nobody(Some(somebody), memory.clone()).run(b"right"));
        assert!(!PasswordCheck::of_nobody(None, memory).run(b""));
    }
}
