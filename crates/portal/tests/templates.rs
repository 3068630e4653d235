//! Templates of the operator's in the place of ours.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::*;
use portal::{Session, Site, Templates};

/// A folder with files, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("poblano-templates-{}-{name}", std::process::id()));
        fs::create_dir(&path).expect("a new folder");
        for (name, text) in files {
            fs::write(path.join(name), text).expect("a file");
        }
        Self(path)
    }

    fn read(&self) -> Result<Templates, String> {
        Templates::read(&self.0).map_err(|error| error.to_string())
    }

    /// What is wrong in it, a line each, without the folder's name.
    fn mistakes(&self) -> Vec<String> {
        let told = self.read().expect_err("mistakes");
        told.lines().map(|line| line.replace(&format!("{}/", self.0.display()), "")).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a test against a portal with these templates.
fn with_templates(name: &str, files: &[(&str, &str)], test: impl AsyncFnOnce(Portal)) {
    let folder = Folder::new(name, files);
    let templates = Some(folder.read().expect("good templates"));
    with_portal(wide(), None, async |portal| {
        portal.board.show(Site { templates, ..Site::clone(&portal.board.site()) });
        test(portal).await;
    });
}

#[test]
fn a_guest_sees_the_operators_page_in_the_place_of_ours_and_all_others_as_they_are() {
    let own = "{% extends \"base.html\" %}{% block main %}<p>Welcome to {{ place.title }}! {{ t.online }}.</p>\
               {% include \"footer.html\" %}{% endblock %}";
    let files = [("success.html", own), ("footer.html", "<footer>Kitchen until ten</footer>"), ("notes.txt", "{{")];
    let (mut sign_in, mut success) = (String::new(), String::new());
    with_portal(wide(), None, async |portal| sign_in = page(&portal, ANNE, "/").await.body);
    with_templates("own", &files, async |portal| {
        assert_eq!(page(&portal, ANNE, "/").await.body, sign_in);
        portal.house.let_in(ANNE, Session::default());
        let answer = page(&portal, ANNE, "/success").await;
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'"),
            "{policy}"
        );
        success = answer.body;
    });
    let words = "<p>Welcome to Caf\u{e9} &#60;Poblano&#62;! You are online.</p><footer>Kitchen until ten</footer>";
    assert!(success.starts_with("<!doctype html>") && success.contains(words), "{success}");
}

#[test]
fn another_frame_is_around_every_page() {
    let base = "<html lang=\"{{ t.lang }}\"><title>{% block title %}{% endblock %}</title>{% block main %}{% endblock %}</html>";
    with_templates("base", &[("base.html", base)], async |portal| {
        for (path, words) in [("/", "<h1>Sign in</h1>"), ("/nowhere", "<h1>This page does not exist</h1>")] {
            let body = page(&portal, ANNE, path).await.body;
            assert!(body.starts_with("<html lang=\"en\"><title>") && body.contains(words), "{body}");
        }
    });
}

#[test]
fn a_name_with_markup_is_shown_as_text_and_no_template_can_have_it_otherwise() {
    let own = "{{ user }}|{% if user != \"\" %}<i title=\"{{user}}\">{% endif %}";
    with_templates("markup", &[("logout.html", own)], async |portal| {
        let user = "<script>alert(\"1\" & '2')</script>".to_owned();
        portal.house.let_in(ANNE, Session { user, ..Session::default() });
        let body = page(&portal, ANNE, "/logout").await.body;
        let escaped = "Signed in as &#60;script&#62;alert(&#34;1&#34; &#38; &#39;2&#39;)&#60;/script&#62;";
        assert_eq!(body, format!("{escaped}|<i title=\"{escaped}\">"));
    });
    for (name, own, words) in [
        ("safe", "<p>\n{{ user|safe }}</p>", "logout.html:2: there are no filters; everything is escaped"),
        ("raw", "\n{% autoescape false %}{{ user }}{% endautoescape %}", "logout.html:2: there is no tag autoescape"),
    ] {
        let mistakes = Folder::new(name, &[("logout.html", own)]).mistakes();
        assert!(mistakes.len() == 1 && mistakes[0].starts_with(words), "{mistakes:?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_with_file_and_line_and_what_was_meant() {
    let files = [
        ("base.html", "{% block main %}{% endblock %}\n{{ user }}"),
        ("success.html", "<p>{{ t.onlin }}\n{% if live %}{{ mesage }}{% endif %}</p>\n{{ plcae }}"),
        ("login.html", "{% extends \"base.html\" %}\n{% block main %}\n{{ error }\n{% endblock %}"),
        (
            "status.html",
            "{% for fact in facts %}\n{{ fact.what }}: {{ fact.vale }}\n{% endfor %}{{ facts }}\n{% fro x in facts %}",
        ),
        (
            "continue.html",
            "{% for fact in terms %}\n{{ fact.what }}{% endfor %}{% for a in who %}{% endfor %}\n{{ place }}",
        ),
        ("logout.html", "{% extends \"base.html\" %}\n\n{% block main %}{% include \"quetzal.html\" %}{% endblock %}"),
        ("notcie.html", "{{ title }}"),
        ("terms.html", "{{ quetzal }}{% if terms == \"\" %}{% endif %}"),
    ];
    let mistakes = Folder::new("mistakes", &files).mistakes();
    let beginnings = [
        "base.html:2: there is no user in login.html, which this is part of",
        "base.html:2: there is no user in notice.html, which this is part of",
        "continue.html:2: there is no fact.what; ",
        "continue.html:2: who is not a list",
        "continue.html:3: place is not a text",
        "login.html:3: {{ is not closed by }}",
        "logout.html:3: there is no template quetzal.html in this folder",
        "notcie.html: is no page, and no other template uses it; did you mean notice.html?",
        "status.html:4: there is no tag fro; did you mean for?",
        "success.html:1: there is no t.onlin; did you mean t.online?",
        "success.html:2: there is no live; ",
        "success.html:2: there is no mesage; did you mean message?",
        "success.html:3: there is no plcae; did you mean place?",
        "terms.html:1: terms is not a text",
        "terms.html:1: there is no quetzal; `poblano templates` writes README.md",
    ];
    assert_eq!(mistakes.len(), beginnings.len(), "{mistakes:#?}");
    for (mistake, beginning) in mistakes.iter().zip(beginnings) {
        assert!(mistake.starts_with(beginning), "{mistake:?} is not {beginning:?}");
    }
    let fact = [("status.html", "{% for fact in facts %}\n{{ fact.what }}: {{ fact.vale }}\n{% endfor %}{{ facts }}")];
    let mistakes = Folder::new("facts", &fact).mistakes();
    assert_eq!(
        mistakes,
        ["status.html:2: there is no fact.vale; did you mean fact.value?", "status.html:3: facts is not a text"]
    );
}

#[test]
fn what_would_be_on_no_page_is_told() {
    let mistakes = |files: &[(&str, &str)]| Folder::new("blocks", files).mistakes();
    let own = "{% extends \"base.html\" %}\n{% block mian %}Hello{% endblock %}{% block title %}Hi{% endblock %}";
    assert_eq!(
        mistakes(&[("success.html", own)]),
        ["success.html:2: there is no block mian in base.html; did you mean main?"]
    );
    let told = mistakes(&[("base.html", "<html>{% block mian %}{% endblock %}</html>")]);
    assert!(told.contains(
        &"base.html: has no {% block main %}{% endblock %}, so nothing of login.html would be seen".to_owned()
    ));
    assert!(told.iter().all(|line| line.starts_with("base.html: has no {% block main %}")), "{told:?}");
    assert_eq!(
        mistakes(&[("login.html", " \n")]),
        ["login.html: is empty; remove it to have the page that is built in"]
    );
}

#[test]
fn what_is_no_template_is_told_in_words() {
    for (name, own, words) in [
        ("open", "{% if live %}", "status.html:1: if has no endif"),
        ("closed", "\n{% endif %}", "status.html:2: endif ends nothing that is open"),
        (
            "crossed",
            "{% if live %}\n{% for a in facts %}\n{% endif %}",
            "status.html:3: endif stands where line 2 waits for endfor",
        ),
        (
            "else",
            "{% if live %}{% else %}\n{% else %}{% endif %}",
            "status.html:2: else stands where line 1 waits for endif",
        ),
        ("empty", "{{ }}", "status.html:1: {{ }} is no name"),
        ("sum", "{{ user + user }}", "status.html:1: + is not understood here"),
        ("test", "{% if user == %}{% endif %}", "status.html:1: the test goes on where it should end"),
        ("none", "{% if %}{% endif %}", "status.html:1: a test is missing"),
        ("quote", "{% if user == \"a %}{% endif %}", "status.html:1: \" is not closed"),
        ("loop", "{% for a, b in facts %}{% endfor %}", "status.html:1: , is not understood here"),
        (
            "elements",
            "{% for a of facts %}{% endfor %}",
            "status.html:1: for is written as {% for paragraph in terms %}",
        ),
        (
            "inside",
            "{% if live %}{% extends \"base.html\" %}{% endif %}",
            "status.html:1: extends stands within nothing else",
        ),
        (
            "around",
            "{% extends \"bse.html\" %}",
            "status.html:1: there is no template bse.html; did you mean base.html?",
        ),
        ("itself", "{% extends \"status.html\" %}", "status.html:1: templates are more than 10 deep in each other"),
    ] {
        let mistakes = Folder::new(name, &[("status.html", own)]).mistakes();
        assert!(mistakes.len() == 1 && mistakes[0].starts_with(words), "{name}: {mistakes:?}");
    }
}

#[test]
fn tests_are_what_they_are_in_jinja() {
    let own = "{% if not live and message or user == \"\" %}a{% elif live %}b{% else %}c{% endif %}\
               {% if not (live or user != 'x') %}d{% endif %}{# {{ nothing }} #}  {%- if facts -%}  e  {%- endif %}{% if message %}f{% endif %}\n";
    with_templates("tests", &[("status.html", own)], async |portal| {
        for (user, message, path, shown) in [
            ("", None, "/status", "ae"),
            ("x", None, "/status", "ce"),
            ("x", Some("y"), "/status", "aef"),
            ("x", Some("y"), "/status?live=1", "bef"),
        ] {
            let message = message.map(str::to_owned);
            portal.house.let_in(ANNE, Session { user: user.into(), message, ..Session::default() });
            assert_eq!(page(&portal, ANNE, path).await.body, shown, "{user:?} {path}");
        }
    });
}

#[test]
fn a_folder_leads_nowhere_else() {
    let folder =
        Folder::new("links", &[("login.html", "{% include \"../secret.html\" %}{% include \"/etc/passwd\" %}")]);
    std::os::unix::fs::symlink("/etc/passwd", folder.0.join("terms.html")).expect("a link");
    fs::create_dir(folder.0.join("logout.html")).expect("a folder");
    let mistakes = folder.mistakes();
    assert!(mistakes[0].starts_with("login.html:1: there is no template ../secret.html"), "{mistakes:?}");
    assert!(mistakes[1].starts_with("login.html:1: there is no template /etc/passwd"), "{mistakes:?}");
    assert!(mistakes[2].starts_with("logout.html: is no file"), "{mistakes:?}");
    assert!(mistakes[3].starts_with("terms.html: is no file, and symbolic links are not followed"), "{mistakes:?}");
    assert_eq!(mistakes.len(), 4, "{mistakes:?}");
}

/// Text in lists in lists.
fn nested(depth: usize, text: &str) -> String {
    format!("{}{text}{}", "{% for a in terms %}".repeat(depth), "{% endfor %}".repeat(depth))
}

#[test]
fn what_is_too_much_or_not_text_is_refused() {
    for (name, content, words) in [
        ("large", "x".repeat(64 * 1024 + 1), "login.html: has more than 64 kB"),
        ("long", nested(4, &"x".repeat(60_000)), "login.html: the page has more than 100000 parts or 256 kB"),
        ("endless", nested(20, "x"), "login.html: the page has more than 100000 parts or 256 kB"),
        (
            "itself",
            "{% include \"login.html\" %}".into(),
            "login.html:1: templates are more than 10 deep in each other",
        ),
        ("again", "{% include \"login.html\" %}".repeat(20), "login.html: a page would have this again and again"),
        ("block", "{% block a %}{% block a %}{% endblock %}{% endblock %}".into(), "login.html: block a is in itself"),
        ("deep", nested(33, "x"), "login.html:1: tags are more than 32 deep in each other"),
        (
            "words",
            format!("{{% if {}a{} %}}{{% endif %}}", "(".repeat(99), ")".repeat(99)),
            "login.html:1: what is in braces",
        ),
        ("not", format!("{{% if {}a %}}{{% endif %}}", "not ".repeat(40)), "login.html:1: tests are more than 32 deep"),
    ] {
        let folder = Folder::new(name, &[("login.html", &content)]);
        let mistakes = folder.mistakes();
        assert!(mistakes[0].starts_with(words), "{name}: {mistakes:?}");
    }
    let names: Vec<String> = (0..32).map(|number| format!("part{number}.html")).collect();
    let mut many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let all: String = names.iter().map(|name| format!("{{% include \"{name}\" %}}")).collect();
    many[31] = ("login.html", &all);
    assert!(Folder::new("many", &many).mistakes()[0].contains("no template part31.html"), "32 are not too many");
    many.push(("part31.html", "x"));
    let mistakes = Folder::new("more", &many).mistakes();
    assert!(mistakes[0].ends_with("has more than 32 templates or 512 files; keep others elsewhere"), "{mistakes:?}");
    let unknown: String = (0..2000).map(|number| format!("{{{{ name{number} }}}}\n")).collect();
    assert_eq!(Folder::new("unknown", &[("login.html", &unknown)]).mistakes().len(), 100);
    let folder = Folder::new("latin", &[]);
    fs::write(folder.0.join("login.html"), b"one\ntwo caf\xe9\n").expect("a file");
    assert_eq!(folder.mistakes(), ["login.html:2: is not UTF-8; save it as UTF-8"]);
    let missing = Templates::read(Path::new("/nowhere/templates")).expect_err("no folder").to_string();
    assert!(missing.starts_with("/nowhere/templates: "), "{missing}");
}

#[test]
fn the_longest_terms_and_welcome_that_there_can_be_are_shown() {
    let base = "{% block main %}{% endblock %}own";
    with_templates("terms", &[("base.html", base)], async |portal| {
        for (terms, welcome) in [("<".repeat(16_384), "<".repeat(2000)), ("<\n\n".repeat(5461), "<\n\n".repeat(666))] {
            let site = Site { terms: Some(terms), welcome: Some(welcome), ..Site::clone(&portal.board.site()) };
            portal.board.show(site);
            for path in ["/", "/terms"] {
                let body = page(&portal, ANNE, path).await.body;
                assert!(body.ends_with("own"), "{path}: {} octets", body.len());
            }
        }
    });
}

#[test]
fn a_template_that_fails_before_a_guest_leaves_the_page_that_is_built_in() {
    with_templates("fails", &[("login.html", &format!("{}own", nested(2, "x")))], async |portal| {
        let few = Site { terms: Some("Be kind.\n\nStay.".into()), ..Site::clone(&portal.board.site()) };
        let many = Site { terms: Some("x\n\n".repeat(5_000)), ..few.clone() };
        portal.board.show(few);
        assert_eq!(page(&portal, ANNE, "/").await.body, "xxxxown");
        portal.board.show(many);
        let sign_in = page(&portal, ANNE, "/").await;
        assert_eq!(sign_in.status, 200);
        assert!(sign_in.body.contains("<h1>Sign in</h1>"), "{} octets", sign_in.body.len());
    });
}

#[test]
fn ours_are_written_as_a_beginning_and_nothing_is_written_over() {
    let folder = Folder::new("written", &[]);
    let there = folder.0.join("templates");
    let written = Templates::write(&there).expect("templates");
    assert!(written.contains(&there.join("login.html")) && written.contains(&there.join("README.md")), "{written:?}");
    assert!(Templates::read(&there).is_ok());
    fs::write(there.join("login.html"), "mine").expect("a file");
    fs::remove_file(there.join("base.html")).expect("a file");
    let refused = Templates::write(&there).expect_err("it is there").to_string();
    assert!(refused.contains("login.html is there already"), "{refused}");
    assert_eq!(fs::read_to_string(there.join("login.html")).expect("a file"), "mine");
    assert!(!there.join("base.html").exists());
}
