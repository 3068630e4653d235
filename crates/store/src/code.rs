//! The codes of vouchers: what is printed, and what a guest types.
//!
//! Twelve of 31 letters and digits that nobody takes for each other (no 0 O, no 1 I L), the last of which checks the others:
//! a code with one wrong character, or with two in each other's place, is a mistyped one for certain, and one that
//! passes but is not known was never given out, or is somebody's guess.
//!
//! Guessing: 31^11 codes, of which at most 20,000 are good, is one in 10^12 tries. A guest has one in ten seconds, and all
//! together have ten in a second; in a year of that one voucher is found with a probability of 1 in 4,000.

use std::fmt;
use std::str::FromStr;

/// In the order of their values; 31 is a prime, on which the check stands.
const ALPHABET: &[u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
const LENGTH: usize = 12;
const GROUP: usize = 4;

/// A voucher's code. It prints in groups: `K7QM-2XWB-9FRT`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code([u8; LENGTH]);

/// What was typed is not a code: too short, too long, with what no code has in it, or with a wrong check character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistyped;

impl fmt::Display for Mistyped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the code is mistyped: it has 12 letters and digits, and they do not fit together")
    }
}

impl std::error::Error for Mistyped {}

impl Code {
    /// A code out of 16 random octets.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        // 31^11 is below 2^55: what 128 bits leave over favours no code by more than 2^-73.
        let mut number = u128::from_be_bytes(random);
        let mut values = [0; LENGTH];
        for value in &mut values[..LENGTH - 1] {
            *value = (number % 31) as u8;
            number /= 31;
        }
        // The check character's weight is one.
        values[LENGTH - 1] = ((31 - sum(&values)) % 31) as u8;
        Self(values.map(|value| ALPHABET[usize::from(value)]))
    }

    /// Without the dashes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Code {
    type Err = Mistyped;

    /// Takes lower case, and blanks and dashes anywhere or nowhere, and the wide forms of East Asian keyboards.
    fn from_str(text: &str) -> Result<Self, Mistyped> {
        let mut values = [0; LENGTH];
        let mut length = 0;
        for c in text.chars().map(narrow).filter(|c| !c.is_whitespace() && !is_dash(*c)) {
            let value = ALPHABET.iter().position(|letter| char::from(*letter) == c.to_ascii_uppercase());
            *values.get_mut(length).ok_or(Mistyped)? = value.ok_or(Mistyped)? as u8;
            length += 1;
        }
        match length == LENGTH && sum(&values) == 0 {
            true => Ok(Self(values.map(|value| ALPHABET[usize::from(value)]))),
            false => Err(Mistyped),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, letter) in self.0.iter().enumerate() {
            if at > 0 && at % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*letter))?;
        }
        Ok(())
    }
}

/// Whoever has it is let in: no log or dump should hold it.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Zero for a code. Each place has a weight of its own, so neither a wrong character nor an exchange goes unseen.
fn sum(values: &[u8; LENGTH]) -> usize {
    values.iter().zip((1..=LENGTH).rev()).map(|(value, weight)| usize::from(*value) * weight).sum::<usize>() % 31
}

fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        other => other,
    }
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '_' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fc}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes() -> impl Iterator<Item = Code> {
        (0..200u128).map(|n| Code::new((n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_be_bytes()))
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        for code in codes() {
            let printed = code.to_string();
            assert_eq!((printed.len(), printed.matches('-').count()), (14, 2));
            assert!(!printed.contains(['0', 'O', '1', 'I', 'L']), "{printed}");
            let wide: String = code.as_str().chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect();
            for typed in [
                printed.clone(),
                printed.to_lowercase(),
                printed.replace('-', ""),
                printed.replace('-', " "),
                format!(" {}\u{a0}", printed.replace('-', "\u{2013}")),
                wide,
            ] {
                assert_eq!(typed.parse(), Ok(code), "{typed:?}");
            }
        }
    }

    #[test]
    fn one_wrong_character_or_two_exchanged_are_seen_without_looking_it_up() {
        for code in codes().take(20) {
            let right = code.as_str().as_bytes();
            for at in 0..LENGTH {
                for letter in ALPHABET.iter().filter(|letter| **letter != right[at]) {
                    let mut wrong = right.to_vec();
                    wrong[at] = *letter;
                    assert_eq!(String::from_utf8(wrong).unwrap().parse::<Code>(), Err(Mistyped));
                }
                for other in (0..at).filter(|other| right[*other] != right[at]) {
                    let mut wrong = right.to_vec();
                    wrong.swap(at, other);
                    assert_eq!(String::from_utf8(wrong).unwrap().parse::<Code>(), Err(Mistyped));
                }
            }
        }
        let code = codes().nth(1).unwrap().to_string();
        for wrong in ["", "-", "ada", &code[1..], &format!("{code}2"), &code.replacen(&code[..1], "0", 1), "\u{0}"] {
            assert_eq!(wrong.parse::<Code>(), Err(Mistyped), "{wrong:?}");
        }
        assert_eq!("2".repeat(1 << 20).parse::<Code>(), Err(Mistyped));
    }
}
