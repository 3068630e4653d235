//! The accounts file as an operator and the gateway use it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use store::{Accounts, AccountsError, Limits, PasswordHash, edit_accounts};

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("poblano-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn accounts(&self) -> PathBuf {
        self.0.join("accounts")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn hash(password: &str) -> PasswordHash {
    PasswordHash::new(password.as_bytes(), [0x5a; 16])
}

#[test]
fn an_accounts_limits_stand_behind_its_hash_and_stay_with_another_password() {
    let folder = Folder::new("limited-account");
    let path = folder.accounts();
    let limits = Limits::from_line("octets=5000,devices=2,since_unix=1800000000").expect("limits");
    edit_accounts(&path, |a| {
        a.add("ben", hash("old"))?;
        a.set_limits("ben", Some(limits.clone()))?;
        a.set_password("ben", hash("new"))
    })
    .expect("it can be written");
    let text = std::fs::read_to_string(&path).expect("it was written");
    assert!(text.trim_end().ends_with(":octets=5000,devices=2,since_unix=1800000000"), "{text}");
    let accounts = Accounts::load(&path).expect("it was written by us");
    assert_eq!(accounts.limits("ben"), Some(&limits));
    assert!(accounts.check("ben").run(b"new"));
    std::fs::write(&path, text.replace("octets=5000", "octets=much")).expect("writes");
    let error = Accounts::load(&path).expect_err("that is no amount").to_string();
    assert!(error.contains(":1: the limits of \"ben\": octets is \"much\""), "{error}");
    edit_accounts(&path, |a| a.remove("ben")).expect_err("a limit that cannot be read is not no limit");
}

#[test]
fn an_added_account_logs_in_until_it_is_removed() {
    let folder = Folder::new("added-account");
    let path = folder.accounts();
    assert!(Accounts::load(&path).expect("no file is no accounts").is_empty());

    edit_accounts(&path, |a| a.add("Zoë", hash("correct horse"))).expect("it can be added");
    let mut gateway = Accounts::load(&path).expect("it was written by us");
    assert_eq!(gateway.names().collect::<Vec<_>>(), ["Zoë"]);
    assert!(gateway.check("Zoë").run(b"correct horse"));
    assert!(!gateway.check("Zoë").run(b"correct horse "));
    assert!(!gateway.check("zoë").run(b"correct horse"), "names are told apart by case");
    assert!(!gateway.check("nobody").run(b"correct horse"));
    assert!(!gateway.reload_if_changed().expect("it is there"), "nothing has changed");

    edit_accounts(&path, |a| a.set_password("Zoë", hash("battery staple"))).expect("she has an account");
    assert!(gateway.reload_if_changed().expect("it is there"));
    assert!(gateway.check("Zoë").run(b"battery staple") && !gateway.check("Zoë").run(b"correct horse"));

    edit_accounts(&path, |a| a.remove("Zoë")).expect("she has an account");
    assert!(gateway.reload_if_changed().expect("it is there"));
    assert!(gateway.is_empty() && !gateway.check("Zoë").run(b"battery staple"));

    std::fs::remove_file(&path).expect("it is there");
    assert!(gateway.reload_if_changed().expect("no file is no accounts"));
}

#[test]
fn the_first_account_of_a_new_machine_needs_no_directory() {
    let folder = Folder::new("new-machine");
    let file = folder.accounts().with_file_name("state").join("accounts");
    edit_accounts(&file, |accounts| accounts.add("ada", hash("lovelace"))).expect("the directory is made");
    assert!(Accounts::load(&file).expect("it can be read").contains("ada"));
}

#[test]
fn the_file_is_private_and_keeps_what_people_wrote_in_it() {
    let folder = Folder::new("private-file");
    let path = folder.accounts();
    let first = format!("# Staff\nanna:{}\n\n# Guests\n", hash("a").as_str());
    std::fs::write(&path, &first).expect("writable");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("our own file");
    edit_accounts(&path, |a| a.add("ben", hash("b"))).expect("it can be added");
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), format!("{first}ben:{}\n", hash("b").as_str()));
    assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert!(!folder.0.join("accounts.new").exists(), "no draft is left behind");
}

#[test]
fn a_change_that_cannot_be_made_says_why_and_writes_nothing() {
    let folder = Folder::new("refused-change");
    let path = folder.accounts();
    edit_accounts(&path, |a| a.add("anna", hash("a"))).expect("it can be added");
    let before = std::fs::read(&path).expect("it is there");
    let tell = |change: fn(&mut Accounts) -> Result<(), AccountsError>| {
        edit_accounts(&path, change).expect_err("it cannot be done").to_string()
    };
    assert_eq!(tell(|a| a.add("anna", hash("x"))), "there is an account \"anna\" already; set its password instead");
    assert_eq!(tell(|a| a.remove("ben")), "there is no account \"ben\"");
    assert_eq!(tell(|a| a.set_password("ben", hash("x"))), "there is no account \"ben\"");
    for name in ["", "a:b", "#a", " a", "a\n", "a\u{7}b"] {
        let error = Accounts::load(&path).and_then(|mut a| a.add(name, hash("x"))).expect_err(name).to_string();
        assert!(error.contains("cannot be an account"), "{error}");
    }
    assert_eq!(std::fs::read(&path).expect("it is there"), before);
    let nowhere = path.join("accounts");
    let error = edit_accounts(&nowhere, |a| a.add("anna", hash("x"))).expect_err("a file is there").to_string();
    assert!(error.starts_with(&format!("cannot make {}: ", path.display())), "{error}");
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_line_and_the_old_accounts_stay() {
    let folder = Folder::new("mistake");
    let path = folder.accounts();
    edit_accounts(&path, |a| a.add("anna", hash("a"))).expect("it can be added");
    let mut gateway = Accounts::load(&path).expect("it was written by us");
    let good = hash("a");
    for (line, told) in [
        ("ben".to_owned(), "there is no ':'"),
        ("ben:plaintext".to_owned(), "what stands after \"ben\" is no password hash"),
        (format!(":{}", good.as_str()), "\"\" cannot be an account"),
        (format!("anna:{}", good.as_str()), "there is an account \"anna\" above already"),
    ] {
        std::fs::write(&path, format!("# comment\nanna:{}\n{line}\n", good.as_str())).expect("writable");
        let error = gateway.reload_if_changed().expect_err(&line).to_string();
        assert!(error.starts_with(&format!("{}:3: {told}", path.display())), "{error}");
        assert!(!error.contains("plaintext"), "a password that was put there by mistake is not repeated: {error}");
        assert!(gateway.check("anna").run(b"a"), "who had an account still has it");
    }
    assert!(gateway.reload_if_changed().is_err(), "it is told until it is mended");
}

#[test]
fn two_operators_at_once_lose_no_account() {
    let folder = Folder::new("two-operators");
    let path = folder.accounts();
    let shared = hash("a");
    std::thread::scope(|scope| {
        for operator in 0..4 {
            let (path, shared) = (&path, &shared);
            scope.spawn(move || {
                for i in 0..5 {
                    edit_accounts(path, |a| a.add(&format!("guest-{operator}-{i}"), shared.clone()))
                        .expect("it can be added");
                }
            });
        }
    });
    assert_eq!(Accounts::load(&path).expect("it was written by us").names().count(), 20);
}
