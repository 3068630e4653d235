//! What vendors write into an attribute as text: read strictly, and never half.

mod config_word;
mod rate_limit;
mod terminate_time;

pub use config_word::ConfigWord;
pub use rate_limit::RateLimit;
pub use terminate_time::{Date, TerminateTime};
