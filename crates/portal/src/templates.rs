//! Templates of the operator's (`portal.templates`), each in the place of one of ours.
//!
//! They are read at the start and with SIGHUP: no request opens a file. All names that a page can come to are looked up and each
//! page is made in every state before a guest meets it, and all mistakes are told at once. One that fails all the same leaves the
//! page that is built in.
//!
//! A template decides what stands where and no more: whatever it shows is escaped, the headers with the policy for scripts are
//! ours, and a page costs no more than the bounds below.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wire::nearest;

use crate::pages::Shown;
use crate::samples::{self, Visitor};
use crate::text::ENGLISH;

mod make;
mod syntax;
mod value;

use make::{Failure, make};
use syntax::{Name, Node, Operand, Template, Test};
use value::Kind;
pub(crate) use value::Value;

/// Ours.
const OURS: [(&str, &str); 8] = [
    ("base.html", include_str!("../../../portal-ui/base.html")),
    ("login.html", include_str!("../../../portal-ui/login.html")),
    ("success.html", include_str!("../../../portal-ui/success.html")),
    ("status.html", include_str!("../../../portal-ui/status.html")),
    ("continue.html", include_str!("../../../portal-ui/continue.html")),
    ("logout.html", include_str!("../../../portal-ui/logout.html")),
    ("notice.html", include_str!("../../../portal-ui/notice.html")),
    ("terms.html", include_str!("../../../portal-ui/terms.html")),
];
/// What they are told of, and how they are written.
const NAMES: (&str, &str) = ("README.md", include_str!("../../../portal-ui/README.md"));

/// Of one template; ours have less than 5 kB.
const TEMPLATE_OCTETS: u64 = 64 * 1024;
/// Whatever lies in the folder.
const MAX_ENTRIES: usize = 512;
/// Held in memory as they are read: 2 MB of text at most, and some 100 octets for each name.
const MAX_TEMPLATES: usize = 32;
/// Templates within templates.
const MAX_DEPTH: usize = 10;
/// Names that are told for one page: each is compared with all that there are, and SIGHUP keeps guests waiting for it.
const MAX_WRONG: usize = 100;

/// The operator's templates, and ours for what they leave.
#[derive(Clone)]
pub struct Templates(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    all: All,
    /// One of them has failed, and the operator was told.
    failed: AtomicBool,
}

/// By name.
type All = BTreeMap<String, Template>;

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Templates").field(&self.0.folder).finish()
    }
}

impl Templates {
    /// Reads a folder, and tries every page. Symbolic links are not followed.
    ///
    /// # Errors
    /// All mistakes that are in it, a line each.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut mistakes = Mistakes::default();
        let own = files(folder, &mut mistakes)?;
        for name in own.keys() {
            used(name, &own, &mut mistakes);
        }
        let all = parse(&own, &mut mistakes);
        let mut known = Known::default();
        samples::each(&ENGLISH, &mut known);
        for (page, names) in &known.0 {
            let (mistakes, left) = (&mut mistakes, make::STEPS);
            Walk { all: &all, known: &known, page, names, mistakes, left, wrong: 0 }.page();
        }
        if mistakes.0.is_empty() {
            samples::each(&ENGLISH, &mut Trial { all: &all, mistakes: &mut mistakes });
        }
        mistakes.told(folder)?;
        Ok(Self(Arc::new(Inner { folder: folder.to_owned(), all, failed: AtomicBool::new(false) })))
    }

    /// Writes ours into a folder, with the names that they may use; nothing that is there is written over.
    ///
    /// # Errors
    /// A file cannot be written, or is there already; then none is written.
    pub fn write(folder: &Path) -> io::Result<Vec<PathBuf>> {
        let refuse = |path: &Path, error: io::Error| io::Error::other(format!("{}: {error}", path.display()));
        let files: Vec<_> = OURS.into_iter().chain([NAMES]).map(|(name, text)| (folder.join(name), text)).collect();
        if let Some((path, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
            return Err(io::Error::other(format!(
                "{} is there already, and nothing was written; name a new folder",
                path.display()
            )));
        }
        fs::create_dir_all(folder).map_err(|error| refuse(folder, error))?;
        for (path, text) in &files {
            let written = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(|error| refuse(path, error))?;
        }
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }

    /// A page; `None` if its template fails.
    pub(crate) fn show<P: Shown>(&self, page: &P) -> Option<String> {
        match make(&self.0.all, P::NAME, &page.value()) {
            Ok(html) => return Some(html),
            Err(Failure { file, line, words }) => {
                if !self.0.failed.swap(true, Ordering::Relaxed) {
                    let failed = told(&self.0.folder, &file, line, &words);
                    tracing::error!(
                        "{failed}; guests get the page that is built in, and no more is said of this until a reload"
                    );
                }
            }
        }
        None
    }
}

/// What lies in the folder: templates by their names.
fn files(folder: &Path, mistakes: &mut Mistakes) -> io::Result<BTreeMap<String, String>> {
    let refuse = |error: &dyn fmt::Display| io::Error::other(format!("{}: {error}", folder.display()));
    let mut own = BTreeMap::new();
    for (count, entry) in fs::read_dir(folder).map_err(|error| refuse(&error))?.enumerate() {
        let entry = entry.map_err(|error| refuse(&error))?;
        let too_many = || refuse(&"has more than 32 templates or 512 files; keep others elsewhere");
        if count == MAX_ENTRIES {
            return Err(too_many());
        }
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(".html") && !name.starts_with('.')) else {
            continue;
        };
        match file(&entry) {
            Ok(_) if own.len() == MAX_TEMPLATES => return Err(too_many()),
            Ok(source) => drop(own.insert(name.to_owned(), source)),
            Err((line, words)) => mistakes.add(name, line, words),
        }
    }
    Ok(own)
}

/// The text of one, or what is wrong with it, and where.
fn file(entry: &fs::DirEntry) -> Result<String, (usize, String)> {
    let fails = |error: io::Error| (0, format!("cannot be read: {error}"));
    let seen = entry.metadata().map_err(fails)?; // of a symbolic link itself
    if !seen.is_file() {
        return Err((0, "is no file, and symbolic links are not followed; put the file itself there".to_owned()));
    }
    let mut content = Vec::new();
    let file = File::open(entry.path()).map_err(fails)?;
    let opened = file.metadata().map_err(fails)?;
    if (opened.dev(), opened.ino()) != (seen.dev(), seen.ino()) {
        return Err((0, "was another one a moment before; try again".to_owned()));
    }
    file.take(TEMPLATE_OCTETS + 1).read_to_end(&mut content).map_err(fails)?;
    if content.len() as u64 > TEMPLATE_OCTETS {
        return Err((0, "has more than 64 kB; put pictures and styles into portal.files".to_owned()));
    }
    String::from_utf8(content).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|&&octet| octet == b'\n').count() + 1;
        (line, "is not UTF-8; save it as UTF-8".to_owned())
    })
}

/// The operator's templates, and ours in the place of what is not there or cannot be read.
fn parse(own: &BTreeMap<String, String>, mistakes: &mut Mistakes) -> All {
    let mut all = All::new();
    for (name, source) in own {
        match Template::parse(source) {
            Ok(template) => drop(all.insert(name.clone(), template)),
            Err((line, words)) => mistakes.add(name, line, words),
        }
    }
    for (name, source) in OURS {
        if !all.contains_key(name) {
            all.insert(name.to_owned(), Template::parse(source).expect("our own template"));
        }
    }
    all
}

/// The names that each page has.
#[derive(Default)]
struct Known(BTreeMap<&'static str, BTreeMap<String, Kind>>);

impl Visitor for Known {
    fn page<P: Shown>(&mut self, page: &P) {
        page.value().collect("", self.0.entry(P::NAME).or_default());
    }
}

/// Looks at all that a page can come to, whatever it is that it shows.
struct Walk<'a> {
    all: &'a All,
    known: &'a Known,
    page: &'a str,
    names: &'a BTreeMap<String, Kind>,
    mistakes: &'a mut Mistakes,
    /// Steps, for parts can have the same parts again and again.
    left: usize,
    /// Names that were told.
    wrong: usize,
}

/// Names that a template gave to elements of lists.
type Each<'a> = Vec<(&'a str, String)>;

impl<'a> Walk<'a> {
    /// The page's own template and those around it.
    fn page(mut self) {
        let mut file = self.page;
        for depth in 0.. {
            let Some(template) = self.all.get(file) else { return };
            self.nodes(file, &template.nodes, &mut Each::new(), 0);
            let Some((around, line)) = &template.extends else { return };
            if depth == MAX_DEPTH || !self.all.contains_key(around) {
                return self.mistakes.add(file, *line, self.no_template(around, depth));
            }
            self.blocks(file, &template.nodes, around);
            file = around;
        }
    }

    /// What one template has for another's blocks is on no page if the other has none of that name.
    fn blocks(&mut self, file: &str, nodes: &'a [Node], around: &'a str) {
        let (mut there, mut next) = (Vec::new(), Some(around));
        for _ in 0..=MAX_DEPTH {
            let Some(template) = next.and_then(|name| self.all.get(name)) else { break };
            blocks(&template.nodes, &mut there);
            next = template.extends.as_ref().map(|(name, _)| name.as_str());
        }
        for node in nodes {
            let Node::Block { name, line, .. } = node else { continue };
            if there.contains(&name.as_str()) {
                continue;
            }
            match name.as_str() {
                "main" => {
                    let words =
                        format!("has no {{% block main %}}{{% endblock %}}, so nothing of {file} would be seen");
                    self.mistakes.add(around, 0, words);
                }
                // An operator's frame may say these itself.
                "head" | "title" => {}
                _ => {
                    let words = match nearest(name, there.iter().copied()) {
                        Some(near) => format!("there is no block {name} in {around}; did you mean {near}?"),
                        None => format!("there is no block {name} in {around}, so this is on no page"),
                    };
                    self.mistakes.add(file, *line, words);
                }
            }
        }
    }

    fn no_template(&self, name: &str, depth: usize) -> String {
        if depth >= MAX_DEPTH {
            return format!("templates are more than {MAX_DEPTH} deep in each other");
        }
        match nearest(name, self.all.keys().map(String::as_str)) {
            Some(near) => format!("there is no template {name}; did you mean {near}?"),
            None => format!("there is no template {name} in this folder"),
        }
    }

    fn nodes(&mut self, file: &'a str, nodes: &'a [Node], each: &mut Each<'a>, depth: usize) {
        for node in nodes {
            if self.left == 0 {
                return self.mistakes.add(file, 0, "a page would have this again and again; include less".to_owned());
            }
            self.left -= 1;
            match node {
                Node::Text(_) => {}
                Node::Show(name) => self.name(file, name, each, &[Kind::Text], "a text"),
                Node::If(ways) => {
                    for (test, body) in ways {
                        if let Some(test) = test {
                            self.test(file, test, each);
                        }
                        self.nodes(file, body, each, depth);
                    }
                }
                Node::For { each: element, list, body } => {
                    self.name(file, list, each, &[Kind::List], "a list");
                    each.push((element, of(&list.path, each)));
                    self.nodes(file, body, each, depth);
                    each.pop();
                }
                Node::Block { body, .. } => self.nodes(file, body, each, depth),
                Node::Include { name, line } => match self.all.get_key_value(name) {
                    Some((part, template)) if depth < MAX_DEPTH && template.extends.is_none() => {
                        self.nodes(part, &template.nodes, each, depth + 1);
                    }
                    Some((_, template)) if template.extends.is_some() => {
                        self.mistakes.add(
                            file,
                            *line,
                            format!("{name} extends another, so it cannot be part of a page"),
                        );
                    }
                    _ => self.mistakes.add(file, *line, self.no_template(name, depth)),
                },
            }
        }
    }

    fn test(&mut self, file: &str, test: &Test, each: &Each<'_>) {
        match test {
            Test::Is(name) => {
                self.name(file, name, each, &[Kind::Text, Kind::Flag, Kind::List], "a text, a list or true")
            }
            Test::Same(left, right) => {
                for operand in [left, right] {
                    if let Operand::Name(name) = operand {
                        self.name(file, name, each, &[Kind::Text], "a text");
                    }
                }
            }
            Test::Not(test) => self.test(file, test, each),
            Test::And(left, right) | Test::Or(left, right) => {
                self.test(file, left, each);
                self.test(file, right, each);
            }
        }
    }

    /// Whether there is such a name, and it is what is wanted.
    fn name(&mut self, file: &str, name: &Name, each: &Each<'_>, wanted: &[Kind], words: &str) {
        let whole = of(&name.path, each);
        // An element of a list of texts is a text, and has its list's name.
        let is_element = each.iter().any(|(element, _)| *element == name.path);
        match self.names.get(&whole) {
            Some(Kind::List) if is_element && wanted.contains(&Kind::Text) => {}
            Some(kind) if wanted.contains(kind) && !is_element => {}
            Some(_) => self.mistakes.add(file, name.line, format!("{} is not {words}", name.path)),
            None if self.wrong == MAX_WRONG => {}
            None => {
                self.wrong += 1;
                let words = self.there_is_no(file, &name.path, &whole);
                self.mistakes.add(file, name.line, words);
            }
        }
    }

    fn there_is_no(&self, file: &str, path: &str, whole: &str) -> String {
        if file != self.page && self.known.0.values().any(|names| names.contains_key(whole)) {
            return format!("there is no {path} in {}, which this is part of", self.page);
        }
        let above = |name: &str| name.rsplit_once('.').map(|(above, _)| above.to_owned());
        let near = nearest(whole, self.names.keys().map(String::as_str).filter(|name| above(name) == above(whole)));
        match near.or_else(|| nearest(whole, self.names.keys().map(String::as_str))) {
            Some(near) => {
                // By the name that the template gave it.
                let given = match (above(whole), above(path), near.rsplit_once('.')) {
                    (Some(list), Some(element), Some((near_list, end))) if list == near_list => {
                        format!("{element}.{end}")
                    }
                    _ => near.to_owned(),
                };
                format!("there is no {path}; did you mean {given}?")
            }
            None => format!("there is no {path}; `poblano templates` writes README.md, which has all names"),
        }
    }
}

/// The names of all blocks.
fn blocks<'a>(nodes: &'a [Node], found: &mut Vec<&'a str>) {
    for node in nodes {
        match node {
            Node::Block { name, body, .. } => {
                found.push(name);
                blocks(body, found);
            }
            Node::If(ways) => ways.iter().for_each(|(_, body)| blocks(body, found)),
            Node::For { body, .. } => blocks(body, found),
            Node::Text(_) | Node::Show(_) | Node::Include { .. } => {}
        }
    }
}

/// A name with the list in the place of what its template calls an element of it.
fn of(path: &str, each: &Each<'_>) -> String {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match (each.iter().rev().find(|(element, _)| *element == first), rest) {
        (Some((_, list)), Some(rest)) => format!("{list}.{rest}"),
        (Some((_, list)), None) => list.clone(),
        (None, _) => path.to_owned(),
    }
}

/// A part that nobody uses is most likely a page with a slip in its name.
fn used(name: &str, own: &BTreeMap<String, String>, mistakes: &mut Mistakes) {
    let ours = || OURS.iter().map(|(name, _)| *name);
    let uses = |source: &String| [format!("\"{name}\""), format!("'{name}'")].iter().any(|said| source.contains(said));
    if ours().all(|page| page != name) && !own.values().any(uses) {
        let advice = match nearest(name, ours()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("pages are {}", ours().collect::<Vec<_>>().join(", ")),
        };
        mistakes.add(name, 0, format!("is no page, and no other template uses it; {advice}"));
    }
    if ours().any(|page| page == name) && own.get(name).is_some_and(|source| source.trim().is_empty()) {
        mistakes.add(name, 0, "is empty; remove it to have the page that is built in".to_owned());
    }
}

/// Makes each page once.
struct Trial<'a> {
    all: &'a All,
    mistakes: &'a mut Mistakes,
}

impl Visitor for Trial<'_> {
    fn page<P: Shown>(&mut self, page: &P) {
        if let Err(Failure { file, line, words }) = make(self.all, P::NAME, &page.value()) {
            self.mistakes.add(&file, line, words);
        }
    }
}

fn told(folder: &Path, file: &str, line: usize, words: &str) -> String {
    let path = folder.join(file);
    if line == 0 { format!("{}: {words}", path.display()) } else { format!("{}:{line}: {words}", path.display()) }
}

/// All that is wrong, by file and line. Line 0 is the whole file.
#[derive(Default)]
struct Mistakes(BTreeSet<(String, usize, String)>);

impl Mistakes {
    fn add(&mut self, file: &str, line: usize, words: String) {
        self.0.insert((file.to_owned(), line, words));
    }

    fn told(&self, folder: &Path) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let lines: Vec<_> = self.0.iter().map(|(file, line, words)| told(folder, file, *line, words)).collect();
        Err(io::Error::other(lines.join("\n")))
    }
}

#[cfg(test)]
mod tests;
