//! Files of the operator's below `/www/`, and nothing else of the machine.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use common::{ANNE, BASE, get, post, raw, with_files};
use portal::{Files, Session};

/// A folder of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("poblano-portal-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path); // of a test that was ended before
        fs::create_dir_all(path.join("www/pictures")).expect("a folder");
        Self(path)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.0.join(name), content).expect("a file");
    }

    fn read(&self) -> std::io::Result<Files> {
        Files::read(&self.0.join("www"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // the system's to clean up otherwise
    }
}

#[test]
fn a_guest_sees_the_operators_pages_and_pictures() {
    let folder = Folder::new("pages");
    folder.write("www/terms.html", "<p>Caf\u{e9}</p><script>1</script>".as_bytes());
    folder.write("www/pictures/House-1.JPG", &[0xff, 0xd8, 0, 1]);
    with_files(folder.read().expect("files"), async |portal| {
        for _ in ["offline", "online"] {
            let answer = get(ANNE, portal.address, &format!("{BASE}/www/terms.html?a=b")).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, "<p>Caf\u{e9}</p><script>1</script>"));
            assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("content-security-policy"), Some("frame-ancestors 'none'"), "its scripts run");
            let picture = get(ANNE, portal.address, &format!("{BASE}/www/pictures/House-1.JPG")).await;
            assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/jpeg")));
            portal.house.let_in(ANNE, Session::default());
        }
        let head = "HEAD /www/terms.html HTTP/1.1\r\nHost: 10.85.0.1:3990\r\nConnection: close\r\n\r\n";
        let answer = common::Answer::parse(&raw(ANNE, portal.address, head).await);
        assert_eq!((answer.status, answer.header("content-length"), &*answer.body), (200, Some("30"), ""));
        assert_eq!(post(&portal, ANNE, "/www/terms.html", "a=b").await.status, 405);
        let elsewhere = get(ANNE, portal.address, "http://elsewhere.example/www/terms.html").await;
        assert_eq!(elsewhere.header("location"), Some(&*format!("{BASE}/")));
    });
}

#[test]
fn nothing_but_those_files_is_served() {
    let folder = Folder::new("nothing-else");
    for name in ["www/login.chi", "www/login.sh", "www/page", "www/.hidden.html", "www/a b.html", "secret.txt"] {
        folder.write(name, b"secret");
    }
    folder.write("www/page.html", b"page");
    symlink(folder.0.join("secret.txt"), folder.0.join("www/link.txt")).expect("a link");
    symlink(&folder.0, folder.0.join("www/out")).expect("a link");
    let files = folder.read().expect("files");
    assert_eq!(files.count(), 1);
    folder.write("www/later.html", b"secret");
    with_files(files, async |portal| {
        for path in [
            "login.chi",
            "login.sh",
            "page",
            ".hidden.html",
            "a%20b.html",
            "link.txt",
            "out/secret.txt",
            "../secret.txt",
            "..%2fsecret.txt",
            "%2e%2e/secret.txt",
            "pictures/../page.html",
            "/page.html",
            "page.html/",
            "page.html%00.png",
            "later.html",
            "pictures/",
            "",
        ] {
            let answer = get(ANNE, portal.address, &format!("{BASE}/www/{path}")).await;
            assert!(answer.status == 404 && !answer.body.contains("secret"), "{path}: {answer:?}");
        }
    });
}

#[test]
fn more_than_a_router_can_hold_is_refused() {
    let folder = Folder::new("bounds");
    folder.write("www/most.dat", &vec![0; 4 << 20]);
    assert_eq!(folder.read().expect("as much as there may be").count(), 1);
    folder.write("www/pictures/more.dat", b"1");
    let error = folder.read().expect_err("more than that").to_string();
    assert!(error.contains("more than 4 MiB"), "{error}");
    fs::remove_file(folder.0.join("www/most.dat")).expect("removed");
    for n in 0..512 {
        folder.write(&format!("www/{n}.txt"), b"");
    }
    assert!(folder.read().expect_err("too many").to_string().contains("more than 512"));
    let deep = Folder::new("depth");
    fs::create_dir_all(deep.0.join("www/a/a/a/a/a/a/a/a")).expect("folders");
    assert!(deep.read().expect_err("too deep").to_string().contains("too deep"));
    assert!(Files::read(&deep.0.join("nowhere")).is_err());
}
