//! The operators' console: who they are, and what it asks of the gateways.

mod line;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::console::{Backend, Key, Scope, Token};
use anyhow::{Context, anyhow, bail};
use config::Config;
use serde_json::{Value, json};
use store::{Accounts, AccountsError, PasswordCheck, edit_accounts};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tracing::{info, warn};

use self::line::Line;
use crate::cli::{Operator, OperatorsFile, Setup};
use crate::clock::Clock;
use crate::commands::{make_password, new_password, say, set_password};
use crate::control::{self, Zone};
use crate::diary::{Pages, clipped};
use crate::https::Https;
use crate::{https, settings};

/// Stands before the name of an operator who may only look, in the file of operators.
const READER: &str = "read/";
/// Characters that an operator's password has at least.
const LEAST: usize = 10;
/// For both ends to agree on keys.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Octets of the key that tokens are signed with.
const KEY_OCTETS: usize = 32;

/// What is needed to serve operators.
pub(crate) struct Opened {
    listener: TcpListener,
    operators: PathBuf,
    https: Option<Rc<Https>>,
}

/// Opens the address that is configured, if one is.
pub(crate) fn open(config: &Config) -> anyhow::Result<Option<Opened>> {
    let (Some(ip), Some(url)) = (config.console.listen, config.console.url()) else { return Ok(None) };
    let address = SocketAddr::from((ip, config.console.port));
    let operators = config.console.operators.clone();
    let https = config.console.tls.as_ref().map(Https::of_console).transpose()?;
    read_key(&operators).or_else(|_| make_key(&operators))?;
    if Accounts::load(&operators)?.is_empty() {
        warn!("nobody may use the console yet; `poblano operator add NAME` makes an operator");
    }
    let doing = || format!("cannot serve operators at {address}; console.listen and console.port say where");
    let listener = std::net::TcpListener::bind(address).with_context(doing)?;
    listener.set_nonblocking(true).with_context(doing)?;
    let listener = TcpListener::from_std(listener).with_context(doing)?;
    info!("operators find the console at {url}");
    Ok(Some(Opened { listener, operators, https }))
}

/// Serves operators for as long as the gateway runs.
pub(crate) async fn serve(opened: Option<Opened>, zones: Rc<[Zone]>, pages: Rc<Pages>) {
    let Some(Opened { listener, operators, https }) = opened else { return std::future::pending().await };
    let gateways = Gateways {
        zones,
        pages,
        operators,
        tls: https.as_ref().map(|https| Rc::clone(&https.tls)),
        accounts: RefCell::default(),
        checks: Arc::new(Semaphore::new(1)),
    };
    tokio::select! {
        () = ::console::serve(listener, gateways) => {}
        () = https::keep(https) => {}
    }
}

/// What the console asks.
struct Gateways {
    zones: Rc<[Zone]>,
    pages: Rc<Pages>,
    operators: PathBuf,
    tls: Option<Rc<portal::Tls>>,
    accounts: RefCell<Option<Accounts>>,
    /// One password is checked at a time: that takes memory, and time of a processor that guests wait for.
    checks: Arc<Semaphore>,
}

impl Gateways {
    /// Does something with the operators as they are now.
    fn with_accounts<T>(&self, ask: impl FnOnce(&Accounts) -> T) -> Result<T, AccountsError> {
        let mut accounts = self.accounts.borrow_mut();
        let accounts = match accounts.as_mut() {
            Some(accounts) => {
                accounts.reload_if_changed()?;
                accounts
            }
            None => accounts.insert(Accounts::load(&self.operators)?),
        };
        Ok(ask(accounts))
    }
}

/// As whom an operator stands in the file, and what that lets it do.
fn find(accounts: &Accounts, name: &str) -> Option<(String, Scope)> {
    let places = [(name.to_owned(), Scope::Operate), (format!("{READER}{name}"), Scope::Read)];
    places.into_iter().find(|(place, _)| !name.contains('/') && accounts.contains(place))
}

impl Backend for Gateways {
    type Line = Line;

    fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    async fn open(&self, stream: TcpStream) -> Option<Line> {
        match &self.tls {
            Some(tls) => tls.open(stream, HANDSHAKE_TIME).await.map(Line::Secure),
            None => Some(Line::Plain(stream)),
        }
    }

    async fn close(&self, line: Line) {
        if let Line::Secure(inside) = line {
            inside.end().await;
        }
    }

    async fn ask(&self, request: Value) -> Value {
        control::ask_here(&self.zones, &request).await
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.pages.news()
    }

    fn key(&self) -> Option<Key> {
        read_key(&self.operators).ok()
    }

    async fn is_password(&self, name: &str, password: Vec<u8>) -> bool {
        let check = self.with_accounts(|accounts| {
            accounts.check(&find(accounts, name).map_or_else(|| name.replace('/', ":"), |(place, _)| place))
        });
        let check: PasswordCheck = match check {
            Ok(check) => check,
            Err(error) => {
                warn!(%error, "operators cannot be read");
                return false;
            }
        };
        let Ok(turn) = Arc::clone(&self.checks).acquire_owned().await else { return false };
        let checked = tokio::task::spawn_blocking(move || {
            let is_right = check.run(&password);
            drop(turn);
            is_right
        });
        checked.await.unwrap_or(false) // panics abort
    }

    fn scope(&self, name: &str) -> Option<Scope> {
        self.with_accounts(|accounts| find(accounts, name).map(|(_, scope)| scope)).ok().flatten()
    }

    fn note(&self, name: &str, did: &str) {
        // Who fails to sign in may have any name.
        info!(operator = ?clipped(name), "console: {}", clipped(did).escape_debug());
        self.pages.operator(Clock.now(), name, did);
    }

    fn unix(&self) -> u64 {
        Clock.now().unix.as_secs()
    }
}

/// Beside the operators, so that whoever may read the one may read the other.
fn key_file(operators: &Path) -> PathBuf {
    operators.with_extension("key")
}

fn read_key(operators: &Path) -> anyhow::Result<Key> {
    let path = key_file(operators);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let digits: Option<Vec<u8>> = text.trim().chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let octets: Vec<u8> =
        digits.unwrap_or_default().chunks(2).map(|pair| pair.iter().fold(0, |o, d| o << 4 | d)).collect();
    match <&[u8; KEY_OCTETS]>::try_from(&octets[..]) {
        Ok(secret) => Ok(Key::new(secret)),
        Err(_) => bail!("{} is no key; `poblano operator revoke` makes a new one", path.display()),
    }
}

/// Makes a key that nothing is signed with yet.
fn make_key(operators: &Path) -> anyhow::Result<Key> {
    let mut secret = [0; KEY_OCTETS];
    crate::dice(&mut secret);
    let text: String = secret.iter().map(|octet| format!("{octet:02x}")).collect();
    let path = key_file(operators);
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        store::replace_file(&path, &format!("{text}\n"))
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Key::new(&secret))
}

/// `poblano operator`.
pub(crate) fn operator(command: &Operator) -> anyhow::Result<()> {
    match command {
        Operator::Add { name, read_only, ask_password, file } => {
            if name.contains('/') {
                bail!("{name:?} cannot be an operator; use a name without '/'");
            }
            let operators = operators_file(file)?;
            let (password, made_up) = match ask_password {
                true => (new_password(name)?, false),
                false => (make_password(), true),
            };
            let (place, other) = match read_only {
                true => (format!("{READER}{name}"), name.clone()),
                false => (name.clone(), format!("{READER}{name}")),
            };
            if let Some(why) = objection(name, &password) {
                bail!("{why}; nothing was changed. Without --ask-password a good one is made up");
            }
            let changed = set_password(&operators, &place, &password)?;
            let was_other = edit_accounts(&operators, |accounts| match accounts.contains(&other) {
                true => accounts.remove(&other).map(|()| true),
                false => Ok(false),
            })?;
            let verb = if changed || was_other { "changed" } else { "added" };
            let shown = made_up.then_some(&password);
            say(&match (file.json, shown) {
                (true, _) => json!({ "operator": name, "result": verb, "password": shown }).to_string(),
                (false, Some(password)) => format!("{verb} {name}, password {password} (it is not shown again)"),
                (false, None) => format!("{verb} {name}"),
            });
        }
        Operator::Remove { name, file } => {
            edit_accounts(&operators_file(file)?, |accounts| match find(accounts, name) {
                Some((place, _)) => accounts.remove(&place),
                None => Err(AccountsError::Unknown(name.clone())),
            })
            .map_err(|error| match error {
                AccountsError::Unknown(name) => no_operator(&name),
                other => other.into(),
            })?;
            say(&match file.json {
                true => json!({ "operator": name, "result": "removed" }).to_string(),
                false => format!("removed {name}"),
            });
        }
        Operator::List { file } => {
            let accounts = Accounts::load(&operators_file(file)?)?;
            let told = accounts.names().map(|place| match place.strip_prefix(READER) {
                Some(name) => (name, Scope::Read),
                None => (place, Scope::Operate),
            });
            if file.json {
                let list: Vec<_> = told.map(|(name, scope)| json!({ "name": name, "scope": scope.as_str() })).collect();
                say(&json!({ "operators": list }).to_string());
            } else if accounts.is_empty() {
                say("there are no operators; `poblano operator add NAME` makes one");
            } else {
                told.for_each(|(name, scope)| say(&format!("{name}  {}", scope.as_str())));
            }
        }
        Operator::Token { name, read_only, lasts, file } => {
            let operators = operators_file(file)?;
            let Some((_, scope)) = find(&Accounts::load(&operators)?, name) else {
                return Err(no_operator(name));
            };
            let scope = if *read_only { Scope::Read } else { scope };
            let key = match key_file(&operators).exists() {
                true => read_key(&operators)?,
                false => make_key(&operators)?,
            };
            let token = Token { name: name.clone(), scope, ends: Clock.now().unix.as_secs() + lasts.as_secs() };
            let text = key.sign(&token);
            say(&match file.json {
                true => json!({ "token": text, "scope": scope.as_str(), "ends_unix": token.ends }).to_string(),
                false => text,
            });
        }
        Operator::Revoke { file } => {
            make_key(&operators_file(file)?)?;
            say(&match file.json {
                true => json!({ "result": "revoked" }).to_string(),
                false => "all tokens and all sessions of the console are over".to_owned(),
            });
        }
    }
    Ok(())
}

/// Why this is no password for an operator, if it is none: what is short, and the name, are guessed first.
fn objection(name: &str, password: &str) -> Option<String> {
    if password.to_lowercase() == name.to_lowercase() {
        return Some("the password is the name".to_owned());
    }
    (password.chars().count() < LEAST).then(|| format!("the password has fewer than {LEAST} characters"))
}

fn no_operator(name: &str) -> anyhow::Error {
    anyhow!("there is no operator {name:?}; `poblano operator list` shows all")
}

fn operators_file(file: &OperatorsFile) -> anyhow::Result<PathBuf> {
    // The operators are the same whatever the interfaces are; the LAN need not be known here.
    let setup = Setup { config: file.config.clone(), lan: Some("lan".to_owned()), ..Setup::default() };
    Ok(settings::load(&setup)?.config.console.operators)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_guessed_first_is_none() {
        for (password, words) in [
            ("looks on", Some("fewer than 10")),
            ("ADMINISTRATOR", Some("is the name")),
            ("\u{e4}\u{f6}\u{fc}\u{e4}\u{f6}\u{fc}\u{e4}\u{f6}\u{fc}", Some("fewer than 10")),
            ("ten letter", None),
        ] {
            let told = objection("administrator", password);
            assert_eq!(told.is_some(), words.is_some(), "{password}: {told:?}");
            assert!(told.unwrap_or_default().contains(words.unwrap_or_default()), "{password}");
        }
    }
}
