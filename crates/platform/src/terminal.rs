//! The terminal that a person sits at.

use std::io::{self, BufRead, Write};

/// Standard input while it does not show what is typed. Ctrl-C ends a line instead of the process, which would leave the
/// terminal like that.
struct Unseen {
    before: libc::termios,
    interrupt: u8,
}

impl Unseen {
    fn begin() -> io::Result<Self> {
        // SAFETY: integers and arrays of them: all zero is a value of each.
        let mut before: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live termios, which the call fills.
        if unsafe { libc::tcgetattr(libc::STDIN_FILENO, &raw mut before) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let interrupt = before.c_cc[libc::VINTR];
        let mut unseen = before;
        unseen.c_lflag &= !(libc::ECHO | libc::ISIG);
        unseen.c_lflag |= libc::ECHONL;
        unseen.c_cc[libc::VEOL] = interrupt;
        set(&unseen)?;
        Ok(Self { before, interrupt })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing either.
        let _ = set(&self.before);
    }
}

/// What was typed before is thrown away: it was meant for somebody else.
fn set(to: &libc::termios) -> io::Result<()> {
    // SAFETY: the pointer is to a live termios, which the call reads.
    match unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSAFLUSH, to) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Asks whoever sits at the terminal that is standard input for a line that nobody sees. It comes without its end.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] after Ctrl-C, [`io::ErrorKind::InvalidData`] if it is no text or has more than `most`
/// octets, and what the terminal says, if it is one.
pub fn ask_unseen(prompt: &str, most: usize) -> io::Result<String> {
    let unseen = Unseen::begin()?;
    let mut says = io::stderr().lock();
    says.write_all(prompt.as_bytes())?;
    says.flush()?;
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        let read = input.fill_buf()?;
        let len = read.len();
        line.extend_from_slice(read);
        input.consume(len);
        match line.last() {
            Some(&last) if last == unseen.interrupt && last != 0 => return Err(io::ErrorKind::Interrupted.into()),
            Some(b'\n') => break,
            _ if len == 0 => break,
            _ if line.len() > most => return Err(io::ErrorKind::InvalidData.into()),
            _ => {}
        }
    }
    let text = String::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.len() > most { Err(io::ErrorKind::InvalidData.into()) } else { Ok(text.to_owned()) }
}
