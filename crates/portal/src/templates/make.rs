//! A page by its template.

use std::collections::BTreeMap;

use super::syntax::{Node, Operand, Test};
use super::{All, MAX_DEPTH, Value};

/// Parts of templates for one page, each element of a list anew: some milliseconds.
pub(super) const STEPS: usize = 100_000;
/// Of one page. With the longest terms ours have less than half of it.
const PAGE_OCTETS: usize = 256 * 1024;

/// Where it failed, and why.
pub(super) struct Failure {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) words: String,
}

/// Makes a page.
pub(super) fn make(all: &All, page: &str, value: &Value<'_>) -> Result<String, Failure> {
    let mut blocks = BTreeMap::new();
    let (mut file, mut depth) = (page, 0);
    loop {
        let template = all.get(file).ok_or_else(|| failure(page, 0, format!("there is no template {file}")))?;
        overriding(file, &template.nodes, &mut blocks);
        match &template.extends {
            Some((around, _)) if depth < MAX_DEPTH => (file, depth) = (around, depth + 1),
            Some((_, line)) => return Err(failure(file, *line, "templates are too deep in each other".to_owned())),
            None => {
                let mut maker = Maker { all, blocks, names: Vec::new(), value, html: String::new(), steps: 0 };
                maker.nodes(file, &template.nodes, 0)?;
                return Ok(maker.html);
            }
        }
    }
}

/// What blocks are: the first template that has one says it.
type Blocks<'a> = BTreeMap<&'a str, (&'a str, &'a [Node])>;

fn overriding<'a>(file: &'a str, nodes: &'a [Node], blocks: &mut Blocks<'a>) {
    for node in nodes {
        match node {
            Node::Block { name, body, .. } => {
                blocks.entry(name).or_insert((file, body));
                overriding(file, body, blocks);
            }
            Node::If(ways) => ways.iter().for_each(|(_, body)| overriding(file, body, blocks)),
            Node::For { body, .. } => overriding(file, body, blocks),
            Node::Text(_) | Node::Show(_) | Node::Include { .. } => {}
        }
    }
}

fn failure(file: &str, line: usize, words: String) -> Failure {
    Failure { file: file.to_owned(), line, words }
}

struct Maker<'a> {
    all: &'a All,
    blocks: Blocks<'a>,
    /// What templates call elements of lists.
    names: Vec<(&'a str, &'a Value<'a>)>,
    value: &'a Value<'a>,
    html: String,
    steps: usize,
}

impl<'a> Maker<'a> {
    fn step(&mut self, file: &str) -> Result<(), Failure> {
        self.steps += 1;
        if self.steps <= STEPS && self.html.len() <= PAGE_OCTETS {
            return Ok(());
        }
        let words = format!("the page has more than {STEPS} parts or {} kB", PAGE_OCTETS / 1024);
        Err(failure(file, 0, words))
    }

    fn nodes(&mut self, file: &'a str, nodes: &'a [Node], depth: usize) -> Result<(), Failure> {
        for node in nodes {
            self.step(file)?;
            match node {
                Node::Text(text) => self.html.push_str(text),
                Node::Show(name) => match self.get(&name.path) {
                    Some(Value::Text(text)) => escape(text, &mut self.html),
                    _ => return Err(failure(file, name.line, format!("{} is no text here", name.path))),
                },
                Node::If(ways) => {
                    let way = ways.iter().find(|(test, _)| test.as_ref().is_none_or(|test| self.is_true(test)));
                    if let Some((_, body)) = way {
                        self.nodes(file, body, depth)?;
                    }
                }
                Node::For { each, list, body } => {
                    let Some(Value::List(list)) = self.get(&list.path) else {
                        return Err(failure(file, list.line, format!("{} is no list here", list.path)));
                    };
                    for value in list {
                        self.step(file)?; // with nothing in it, too
                        self.names.push((each, value));
                        self.nodes(file, body, depth)?;
                        self.names.pop();
                    }
                }
                Node::Block { name, body, .. } => {
                    let (file, body) = self.blocks.get(name.as_str()).copied().unwrap_or((file, body));
                    if depth > 2 * MAX_DEPTH {
                        return Err(failure(file, 0, format!("block {name} is in itself")));
                    }
                    self.nodes(file, body, depth + 1)?;
                }
                Node::Include { name, line } => match self.all.get_key_value(name) {
                    Some((part, template)) if depth <= 2 * MAX_DEPTH => {
                        self.nodes(part, &template.nodes, depth + 1)?;
                    }
                    _ => return Err(failure(file, *line, format!("{name} cannot be included here"))),
                },
            }
        }
        Ok(())
    }

    fn get(&self, path: &str) -> Option<&'a Value<'a>> {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        match (self.names.iter().rev().find(|(name, _)| *name == first), rest) {
            (Some((_, value)), Some(rest)) => value.get(rest),
            (Some((_, value)), None) => Some(value),
            (None, _) => self.value.get(path),
        }
    }

    fn is_true(&self, test: &Test) -> bool {
        match test {
            Test::Is(name) => self.get(&name.path).is_some_and(Value::is_true),
            Test::Same(left, right) => self.text(left) == self.text(right),
            Test::Not(test) => !self.is_true(test),
            Test::And(left, right) => self.is_true(left) && self.is_true(right),
            Test::Or(left, right) => self.is_true(left) || self.is_true(right),
        }
    }

    fn text(&self, operand: &'a Operand) -> Option<&'a str> {
        match operand {
            Operand::Words(words) => Some(words),
            Operand::Name(name) => match self.get(&name.path) {
                Some(Value::Text(text)) => Some(text),
                _ => None,
            },
        }
    }
}

/// As our own pages are (askama): fit for text and for values of attributes in quotes.
fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '<' => html.push_str("&#60;"),
            '>' => html.push_str("&#62;"),
            '&' => html.push_str("&#38;"),
            '"' => html.push_str("&#34;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}
