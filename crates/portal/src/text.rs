//! Every sentence a guest reads, in one file for each language.
//!
//! `{}` stands for the one value of a sentence. Plurals come as a pair, one and many; a number and its unit are held
//! together by a no-break space.

use std::time::Duration;

use crate::Declined;
use crate::pages::duration;
#[cfg(feature = "templates")]
use crate::templates::Value;

mod ar;
mod de;
mod en;
mod es;
mod fr;
mod it;
mod ja;
mod nl;
mod pt;
mod ru;
mod zh;

pub(crate) use en::ENGLISH;

/// Every language that there is.
pub(crate) static LANGUAGES: [&Text; 11] = [
    &ENGLISH,
    &ar::ARABIC,
    &de::GERMAN,
    &es::SPANISH,
    &fr::FRENCH,
    &it::ITALIAN,
    &ja::JAPANESE,
    &nl::DUTCH,
    &pt::PORTUGUESE,
    &ru::RUSSIAN,
    &zh::CHINESE,
];
/// Languages of a request that are looked at: more than people speak.
const MOST_WISHES: usize = 16;

/// Makes the sentences: words are as they are, values need one.
macro_rules! text {
    (words { $($(#[$about:meta])* $word:ident,)* } values { $($(#[$about_value:meta])* $value:ident: $type:ty,)* }) => {
        /// The sentences of one language.
        pub(crate) struct Text {
            $($(#[$about])* pub(crate) $word: &'static str,)*
            $($(#[$about_value])* pub(crate) $value: $type,)*
        }

        /// What templates have of them.
        #[cfg(feature = "templates")]
        impl From<&&'static Text> for Value<'_> {
            fn from(text: &&'static Text) -> Self {
                Value::Parts(vec![$((stringify!($word), Value::Text(text.$word)),)*])
            }
        }
    };
}

text! {
    words {
        /// BCP 47 tag.
        lang,
        /// `ltr` or `rtl`.
        dir,

        sign_in,
        sign_in_lead,
        name,
        password,
        voucher,
        use_voucher,
        go_online,
        accept_terms,
        read_terms,
        terms,
        error,

        fill_in_both,
        fill_in_code,
        accept_terms_first,
        no_match,
        mistyped_code,
        unknown_code,
        expired,
        used_up,
        too_many_devices,
        server_silent,

        online,
        online_lead,
        see_status,

        status,
        time_left,
        data_left,
        unlimited,
        online_for,
        sent,
        received,
        speed_up,
        speed_down,
        idle,
        start_updates,
        stop_updates,
        refresh,

        sign_out,
        sign_out_question,
        sign_out_lead,
        stay,
        signed_out,
        signed_out_lead,
        sign_in_again,

        welcome_back,
        welcome_back_lead,
        sign_in_otherwise,

        not_found,
        not_found_lead,
        to_start,
        trouble,
        foreign_form,
        bad_form,
        form_too_large,
        form_too_slow,
    }
    values {
        /// Between a number's whole and its tenth.
        decimal: char,
        share_used: &'static str,
        too_many_newcomers: &'static str,
        too_many_tries: &'static str,
        continue_to: &'static str,
        signed_in_as: &'static str,
        continue_as: &'static str,
        days: (&'static str, &'static str),
        hours: (&'static str, &'static str),
        minutes: (&'static str, &'static str),
        seconds: (&'static str, &'static str),
    }
}

impl Text {
    /// Why a voucher or an account lets nobody in.
    pub(crate) fn declined(&self, why: Declined) -> String {
        let words = match why {
            Declined::Mistyped => self.mistyped_code,
            Declined::UnknownCode => self.unknown_code,
            Declined::Expired => self.expired,
            Declined::UsedUp => self.used_up,
            Declined::TooManyDevices => self.too_many_devices,
            Declined::ShareUsed(wait) => return fill(self.share_used, &duration(self, rounded_up(wait))),
            Declined::TooManyNewcomers(wait) => {
                return fill(self.too_many_newcomers, &duration(self, rounded_up(wait)));
            }
        };
        words.to_owned()
    }
}

/// In whole seconds: who comes back a moment early is refused again.
pub(crate) fn rounded_up(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)))
}

/// Puts a sentence's value in its place.
pub(crate) fn fill(sentence: &str, value: &str) -> String {
    sentence.replacen("{}", value, 1)
}

/// The language that an Accept-Language header wants most of those that there are (RFC 9110, 12.5.4); a variant is as good
/// as its language.
pub(crate) fn wanted(header: &str) -> &'static Text {
    let mut best = (0, &ENGLISH);
    for wish in header.split(',').take(MOST_WISHES) {
        let mut parts = wish.split(';').map(str::trim);
        let Some(range) = parts.next() else { continue };
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
        let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let found = LANGUAGES.iter().find(|text| primary(text.lang) == primary(range));
        if let Some(text) = found.filter(|_| weight > best.0) {
            best = (weight, text);
        }
    }
    best.1
}

/// A weight of at most three decimals (RFC 9110, 12.4.2); what is none is zero.
fn thousandths(weight: &str) -> u32 {
    let (whole, rest) = weight.split_once('.').unwrap_or((weight, ""));
    match (whole, format!("{rest:0<3}").parse::<u32>()) {
        ("0", Ok(rest)) if rest < 1000 => rest,
        ("1", Ok(0)) => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_reads_the_language_it_wants_most_of_those_that_there_are() {
        for (header, lang) in [
            ("", "en"),
            ("de", "de"),
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("DE-at", "de"),
            ("zh-TW,zh;q=0.9", "zh-Hans"),
            ("pt-PT", "pt-BR"),
            ("sw, ar;q=0.5, fr;q=0.501", "fr"),
            ("fr;q=0, it;q=0.1", "it"),
            ("*", "en"),
            ("xx", "en"),
            ("de;q=nonsense, es;q=0.2", "es"),
            ("de;q=1.5, es;q=1.000", "es"),
            (";;;,,,-", "en"),
        ] {
            assert_eq!(wanted(header).lang, lang, "{header:?}");
        }
        assert_eq!(wanted(&format!("{}de", "xx,".repeat(MOST_WISHES))).lang, "en", "beyond what is looked at");
    }

    #[test]
    fn sentences_have_the_place_that_their_value_needs() {
        for t in LANGUAGES {
            let units = [t.days, t.hours, t.minutes, t.seconds];
            let with_place =
                [t.too_many_tries, t.share_used, t.too_many_newcomers, t.continue_to, t.continue_as, t.signed_in_as];
            for sentence in with_place.into_iter().chain(units.iter().flat_map(|(one, many)| [*one, *many])) {
                assert_eq!(sentence.matches("{}").count(), 1, "{}: {sentence}", t.lang);
            }
            assert!(["ltr", "rtl"].contains(&t.dir), "{}", t.lang);
        }
    }
}
