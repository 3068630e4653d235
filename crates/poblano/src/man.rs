//! The manual page: written from the command line's own words, so that the two cannot disagree, with what an operator
//! needs to know beside them.

use std::fmt::Write;

use clap::{Arg, Command};

/// What stands between the commands and the end.
const MORE: &str = r#".SH FILES
.TP
.I /etc/poblano/poblano.toml
The configuration, if there is one.
.B poblano config
prints one with every key, its meaning and its default.
On FreeBSD it is
.IR /usr/local/etc/poblano/poblano.toml ,
on OpenWrt
.I /etc/config/poblano
in OpenWrt's form: a section is
.BR "config lan" ,
.B [[radius.server]]
is
.BR "config radius_server" ,
a key
.BR "option interface 'br-guest'" ,
an entry of a list
.BR "list allow '192.0.2.1'" .
.TP
.I /var/lib/poblano/accounts
Local accounts, one
.RI ` name : hash '
a line.
.TP
.I /var/lib/poblano
Leases and sessions, which outlive a crash.
.TP
.I /var/run/poblano.sock
The control socket, for the user that runs the gateway.
.SH SIGNALS
SIGTERM and SIGINT end all sessions, account for them, and undo what was changed on the machine.
SIGHUP has the configuration read again.
SIGUSR2 hands over to the gateway that is started next: sessions are written down and go on with it.
A gateway that handed over or was killed leaves its lock on the guests' interface: until it runs again nobody gets past
it but guests who were online, and these only where Linux forwards for them
.RB ( "poblano offload" ),
for the time of
.BR session.outage .
.SH EXIT STATUS
0 on success, 1 if something failed, 2 if the command line was wrong.
.B poblano radius test
has 3 if a server or the gateway refuses the login, and 4 if a server does not answer.
.SH EXAMPLES
A hotspot on the second interface, and somebody who may use it:
.PP
.in +4n
.EX
poblano user add anne
poblano check \-\-lan eth1
poblano run \-\-lan eth1
.EE
.in
.PP
Who is there, and away with one of them:
.PP
.in +4n
.EX
poblano sessions
poblano kick 10.85.0.17
.EE
.in
.SH SEE ALSO
.BR ip (8),
.BR nft (8)
"#;

/// The page, for section 8.
pub(crate) fn page(mut root: Command) -> String {
    root.build();
    let mut page = String::new();
    let version = root.get_version().unwrap_or_default();
    let about = root.get_about().map(ToString::to_string).unwrap_or_default();
    let (name, does) = about.split_once(": ").unwrap_or((&about, ""));
    // Without a date, so that one source gives one page.
    let _ = writeln!(page, r#".TH POBLANO 8 "" "poblano {version}" "System Manager's Manual""#);
    let _ = writeln!(page, ".SH NAME\npoblano \\- {}", roff(&name.to_lowercase()));
    let _ = writeln!(page, ".SH SYNOPSIS");
    let mut lines = Vec::new();
    leaves(&root, &mut |path, command| lines.push(usage(path, command)));
    let _ = writeln!(page, "{}", lines.join("\n.br\n"));
    let _ = writeln!(page, ".SH DESCRIPTION\nPoblano is a {}: {}.", roff(&name.to_lowercase()), roff(does));
    let _ = writeln!(page, ".SH COMMANDS");
    leaves(&root, &mut |path, command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, ".SS {}\n{}.", roff(path), roff(&about));
        for arg in shown(command) {
            let _ = writeln!(page, ".TP\n{}\n{}", heading(arg), roff(&help(arg)));
        }
    });
    page.push_str(MORE);
    page
}

/// Every command that does something, with its words, in order.
fn leaves(root: &Command, visit: &mut dyn FnMut(&str, &Command)) {
    fn walk(path: &str, command: &Command, visit: &mut dyn FnMut(&str, &Command)) {
        let mut commands = command.get_subcommands().filter(|c| c.get_name() != "help" && !c.is_hide_set()).peekable();
        if commands.peek().is_none() {
            visit(path, command);
        }
        for command in commands {
            walk(&format!("{path} {}", command.get_name()), command, visit);
        }
    }
    walk(root.get_name(), root, visit);
}

/// All but `--help` and `--version`, which every command has.
fn shown(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version") && !arg.is_hide_set())
}

fn usage(path: &str, command: &Command) -> String {
    let mut line = format!(".B {}", roff(path));
    if shown(command).any(|arg| !arg.is_positional()) {
        line.push_str("\n[\\fIoptions\\fR]");
    }
    for arg in shown(command).filter(|arg| arg.is_positional()) {
        let name = format!("\\fI{}\\fR", roff(&value(arg)));
        let _ = if arg.is_required_set() { write!(line, "\n{name}") } else { write!(line, "\n[{name}]") };
    }
    line
}

fn heading(arg: &Arg) -> String {
    if arg.is_positional() {
        return format!("\\fI{}\\fR", roff(&value(arg)));
    }
    let short = arg.get_short().map(|short| format!("\\fB\\-{short}\\fR"));
    let long = arg.get_long().map(|long| format!("\\fB\\-\\-{}\\fR", roff(long)));
    let mut heading: Vec<String> = short.into_iter().chain(long).collect();
    if arg.get_action().takes_values()
        && let Some(last) = heading.last_mut()
    {
        let _ = write!(last, " \\fI{}\\fR", roff(&value(arg)));
    }
    heading.join(", ")
}

fn value(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().map(|name| name.to_lowercase()).collect::<Vec<_>>().join(" ")
}

fn help(arg: &Arg) -> String {
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let choices: Vec<_> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if arg.get_action().takes_values() && !choices.is_empty() && !arg.is_hide_possible_values_set() {
        let _ = write!(help, ": {}", choices.join(", "));
    }
    if let [default] = arg.get_default_values()
        && arg.get_action().takes_values()
    {
        let _ = write!(help, " [default: {}]", default.to_string_lossy());
    }
    help + "."
}

/// Text as roff reads it: no backslash, minus signs that can be copied, and no line that is a request.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_manual_page_tells_every_command_and_option() {
        let page = page(crate::cli::Cli::command());
        for wanted in [
            ".TH POBLANO 8 ",
            "poblano \\- captive portal gateway\n",
            ".SS poblano run\n",
            ".SS poblano user add\n",
            ".SS poblano radius test\n",
            "\n.B poblano offload\n[\\fIoptions\\fR]\n[\\fIon|off\\fR]\n",
            "\\fB\\-c\\fR, \\fB\\-\\-config\\fR \\fIfile\\fR\n",
            "\\fB\\-\\-password\\-stdin\\fR\n",
            "[default: /var/run/poblano.sock].\n",
            ".SH EXIT STATUS\n",
        ] {
            assert!(page.contains(wanted), "{wanted:?} is not in:\n{page}");
        }
        assert!(page.lines().all(|line| !line.ends_with(' ') && !line.is_empty()), "{page}");
    }

    #[test]
    fn no_text_is_taken_for_a_request() {
        assert_eq!(roff(".so /etc/passwd"), "\\&.so /etc/passwd");
        assert_eq!(roff("a\\b --c"), "a\\eb \\-\\-c");
    }
}
