use std::fmt;
use std::io;

/// What [`System`](crate::System) returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the machine could not be set up: what was tried, what the kernel said, and what to do about it.
#[derive(Debug)]
pub struct Error {
    doing: String,
    cause: Cause,
    hint: Option<String>,
}

#[derive(Debug)]
enum Cause {
    Kernel(io::Error),
    Refused(String),
}

impl Error {
    /// The kernel refused while we were `doing` something ("open /dev/net/tun").
    pub fn kernel(doing: impl Into<String>, cause: io::Error) -> Self {
        let hint = match cause.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => {
                Some("run as root or with CAP_NET_ADMIN, CAP_NET_RAW and, for the offload, CAP_BPF".to_owned())
            }
            _ => None,
        };
        Self { doing: doing.into(), cause: Cause::Kernel(cause), hint }
    }

    /// We refused ourselves, because of `reason`.
    pub fn refused(doing: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { doing: doing.into(), cause: Cause::Refused(reason.into()), hint: None }
    }

    /// Adds what the operator can do, unless there is a hint already.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The kernel's error number, if it was the kernel that refused.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match &self.cause {
            Cause::Kernel(cause) => cause.raw_os_error(),
            Cause::Refused(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: ", self.doing)?;
        match &self.cause {
            Cause::Kernel(cause) => write!(f, "{cause}")?,
            Cause::Refused(reason) => f.write_str(reason)?,
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

// The sentence tells the cause already.
impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_tried_and_what_to_do() {
        let error = Error::kernel("open /dev/net/tun", io::Error::from_raw_os_error(libc::ENOENT))
            .hint("load the module: modprobe tun");
        assert_eq!(
            error.to_string(),
            "cannot open /dev/net/tun: No such file or directory (os error 2); load the module: modprobe tun"
        );
        assert_eq!(error.errno(), Some(libc::ENOENT));
        let error = Error::kernel("lock eth1", io::Error::from_raw_os_error(libc::EPERM)).hint("unused");
        assert!(
            error
                .to_string()
                .ends_with("; run as root or with CAP_NET_ADMIN, CAP_NET_RAW and, for the offload, CAP_BPF")
        );
        assert_eq!(Error::refused("use eth1", "it is the uplink").to_string(), "cannot use eth1: it is the uplink");
    }
}
