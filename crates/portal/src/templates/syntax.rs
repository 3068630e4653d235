//! The language of templates: the part of Jinja's that ours use, which askama reads too.

use wire::nearest;

/// Tags within tags.
const MAX_NESTING: usize = 32;
/// Words of what is in braces.
const MAX_TOKENS: usize = 64;
const TAGS: [&str; 10] = ["if", "elif", "else", "endif", "for", "endfor", "block", "endblock", "extends", "include"];

/// A template as it is shown.
#[derive(Debug, Default)]
pub(super) struct Template {
    /// The template around it, and the line that says so.
    pub(super) extends: Option<(String, usize)>,
    pub(super) nodes: Vec<Node>,
}

#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    /// What a name stands for.
    Show(Name),
    /// What comes after the first test that is true; an `else` is a test of nothing.
    If(Vec<(Option<Test>, Vec<Node>)>),
    For {
        each: String,
        list: Name,
        body: Vec<Node>,
    },
    Block {
        name: String,
        line: usize,
        body: Vec<Node>,
    },
    Include {
        name: String,
        line: usize,
    },
}

/// A name, such as `place.title`, and where it stands.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) path: String,
    pub(super) line: usize,
}

/// What an `if` asks.
#[derive(Debug)]
pub(super) enum Test {
    /// Not empty, or true.
    Is(Name),
    Same(Operand, Operand),
    Not(Box<Test>),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
}

#[derive(Debug)]
pub(super) enum Operand {
    Name(Name),
    Words(String),
}

/// A line, and what is wrong there.
pub(super) type Wrong = (usize, String);

impl Template {
    /// Reads one.
    pub(super) fn parse(source: &str) -> Result<Self, Wrong> {
        let pieces = pieces(source)?;
        let mut parser = Parser { pieces: pieces.into_iter(), extends: None, nesting: 0 };
        let (nodes, end) = parser.nodes()?;
        match end {
            None => Ok(Self { extends: parser.extends, nodes }),
            Some(tag) => Err((tag.line, format!("{} ends nothing that is open", tag.word))),
        }
    }
}

enum Piece<'a> {
    Text(&'a str),
    Show(usize, &'a str),
    Tag(usize, &'a str),
}

/// Text and what is in braces. One line end at the end of the file is not the page's.
fn pieces(source: &str) -> Result<Vec<Piece<'_>>, Wrong> {
    let source = source.strip_suffix('\n').unwrap_or(source);
    let (mut pieces, mut rest) = (Vec::new(), source);
    let mut trims = false;
    loop {
        let open = ["{{", "{%", "{#"].iter().filter_map(|open| rest.find(open)).min();
        let text = &rest[..open.unwrap_or(rest.len())];
        let text = if trims { text.trim_start() } else { text };
        let Some(at) = open else {
            pieces.push(Piece::Text(text));
            return Ok(pieces);
        };
        let line = source[..source.len() - rest.len() + at].matches('\n').count() + 1;
        let (open, after) = rest[at..].split_at(2);
        let close = match open {
            "{{" => "}}",
            "{%" => "%}",
            _ => "#}",
        };
        let end = after.find(close).ok_or_else(|| (line, format!("{open} is not closed by {close}")))?;
        let inside = after[..end].strip_prefix('-');
        pieces.push(Piece::Text(if inside.is_some() { text.trim_end() } else { text }));
        let inside = inside.unwrap_or(&after[..end]);
        trims = inside.ends_with('-');
        let inside = inside.strip_suffix('-').unwrap_or(inside);
        match open {
            "{{" => pieces.push(Piece::Show(line, inside)),
            "{%" => pieces.push(Piece::Tag(line, inside)),
            _ => {}
        }
        rest = &after[end + 2..];
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Token<'a> {
    /// A name, or a word of the language.
    Word(&'a str),
    Quoted(&'a str),
    Sign(&'static str),
}

fn tokens(mut text: &str, line: usize) -> Result<Vec<Token<'_>>, Wrong> {
    let mut tokens = Vec::new();
    loop {
        text = text.trim_start();
        if tokens.len() > MAX_TOKENS {
            return Err((line, format!("what is in braces has more than {MAX_TOKENS} words")));
        }
        let Some(first) = text.chars().next() else { return Ok(tokens) };
        let taken = match first {
            '"' | '\'' => {
                let end = text[1..].find(first).ok_or_else(|| (line, format!("{first} is not closed")))?;
                tokens.push(Token::Quoted(&text[1..=end]));
                end + 2
            }
            _ if first.is_ascii_alphanumeric() || first == '_' => {
                let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(text.len());
                tokens.push(Token::Word(&text[..end]));
                end
            }
            _ => {
                let sign = ["==", "!=", "(", ")"].into_iter().find(|sign| text.starts_with(sign));
                let sign = sign.ok_or_else(|| (line, unexpected(first)))?;
                tokens.push(Token::Sign(sign));
                sign.len()
            }
        };
        text = &text[taken..];
    }
}

fn unexpected(sign: char) -> String {
    match sign {
        '|' => "there are no filters; everything is escaped and shown as it is".to_owned(),
        _ => format!("{sign} is not understood here"),
    }
}

/// A tag, taken apart.
struct Tag<'a> {
    line: usize,
    word: &'a str,
    rest: Vec<Token<'a>>,
}

struct Parser<'a> {
    pieces: std::vec::IntoIter<Piece<'a>>,
    extends: Option<(String, usize)>,
    nesting: usize,
}

impl<'a> Parser<'a> {
    /// All until a tag that continues or ends what is around it, and that tag.
    fn nodes(&mut self) -> Result<(Vec<Node>, Option<Tag<'a>>), Wrong> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            match piece {
                Piece::Text("") => {}
                Piece::Text(text) => nodes.push(Node::Text(text.to_owned())),
                Piece::Show(line, inside) => match tokens(inside, line)?[..] {
                    [Token::Word(path)] => nodes.push(Node::Show(Name { path: path.to_owned(), line })),
                    _ => return Err((line, format!("{{{{{inside}}}}} is no name, such as {{{{ place.title }}}}"))),
                },
                Piece::Tag(line, inside) => {
                    let mut rest = tokens(inside, line)?;
                    let Some(&Token::Word(word)) = rest.first() else {
                        return Err((line, format!("{{%{inside}%}} says nothing; tags are {}", TAGS.join(", "))));
                    };
                    rest.remove(0);
                    let tag = Tag { line, word, rest };
                    if ["elif", "else", "endif", "endfor", "endblock"].contains(&word) {
                        return Ok((nodes, Some(tag)));
                    }
                    nodes.extend(self.tag(tag)?);
                }
            }
        }
        Ok((nodes, None))
    }

    fn tag(&mut self, tag: Tag<'a>) -> Result<Option<Node>, Wrong> {
        let Tag { line, word, rest } = tag;
        let needs = |form: &str| (line, format!("{word} is written as {{% {form} %}}"));
        match (word, &rest[..]) {
            ("extends", [Token::Quoted(name)]) if self.nesting == 0 => {
                if self.extends.replace(((*name).to_owned(), line)).is_some() {
                    return Err((line, "a template extends one other".to_owned()));
                }
                Ok(None)
            }
            ("extends", [Token::Quoted(_)]) => Err((line, "extends stands within nothing else".to_owned())),
            ("extends", _) => Err(needs("extends \"base.html\"")),
            ("include", [Token::Quoted(name)]) => Ok(Some(Node::Include { name: (*name).to_owned(), line })),
            ("include", _) => Err(needs("include \"footer.html\"")),
            ("block", [Token::Word(name)]) => {
                let body = self.body(line, word, "endblock")?;
                Ok(Some(Node::Block { name: (*name).to_owned(), line, body }))
            }
            ("block", _) => Err(needs("block main")),
            ("for", [Token::Word(each), Token::Word("in"), Token::Word(list)]) if !each.contains('.') => {
                let body = self.body(line, word, "endfor")?;
                let list = Name { path: (*list).to_owned(), line };
                Ok(Some(Node::For { each: (*each).to_owned(), list, body }))
            }
            ("for", _) => Err(needs("for paragraph in terms")),
            ("if", _) => self.choice(line, &rest).map(Some),
            _ => Err((
                line,
                match nearest(word, TAGS.into_iter()) {
                    Some(near) => format!("there is no tag {word}; did you mean {near}?"),
                    None => format!("there is no tag {word}; tags are {}", TAGS.join(", ")),
                },
            )),
        }
    }

    /// Reads what is within a tag, up to its end.
    fn body(&mut self, line: usize, word: &str, end: &str) -> Result<Vec<Node>, Wrong> {
        let (nodes, tag) = self.nested(line)?;
        match tag {
            Some(tag) if tag.word == end => Ok(nodes),
            Some(tag) => Err((tag.line, format!("{} stands where line {line} waits for {end}", tag.word))),
            None => Err((line, format!("{word} has no {end}"))),
        }
    }

    fn nested(&mut self, line: usize) -> Result<(Vec<Node>, Option<Tag<'a>>), Wrong> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err((line, format!("tags are more than {MAX_NESTING} deep in each other")));
        }
        let nodes = self.nodes()?;
        self.nesting -= 1;
        Ok(nodes)
    }

    fn choice(&mut self, line: usize, first: &[Token<'_>]) -> Result<Node, Wrong> {
        let mut ways = Vec::new();
        let mut test = Some(test(first, line)?);
        loop {
            let last = test.is_none();
            let (nodes, end) = self.nested(line)?;
            ways.push((test.take(), nodes));
            let Some(tag) = end else { return Err((line, "if has no endif".to_owned())) };
            match (tag.word, &tag.rest[..]) {
                ("endif", []) => return Ok(Node::If(ways)),
                ("else", []) if !last => {}
                ("elif", rest) if !last => test = Some(self::test(rest, tag.line)?),
                (word, _) => return Err((tag.line, format!("{word} stands where line {line} waits for endif"))),
            }
        }
    }
}

/// Reads a test, of which `or` binds least.
fn test(tokens: &[Token<'_>], line: usize) -> Result<Test, Wrong> {
    let mut rest = tokens;
    let test = either(&mut rest, line, 0)?;
    match rest {
        [] => Ok(test),
        _ => Err((line, "the test goes on where it should end; a name, ==, !=, and, or, not".to_owned())),
    }
}

fn either(rest: &mut &[Token<'_>], line: usize, depth: usize) -> Result<Test, Wrong> {
    let mut test = both(rest, line, depth)?;
    while let [Token::Word("or"), after @ ..] = *rest {
        *rest = after;
        test = Test::Or(Box::new(test), Box::new(both(rest, line, depth)?));
    }
    Ok(test)
}

fn both(rest: &mut &[Token<'_>], line: usize, depth: usize) -> Result<Test, Wrong> {
    let mut test = one(rest, line, depth)?;
    while let [Token::Word("and"), after @ ..] = *rest {
        *rest = after;
        test = Test::And(Box::new(test), Box::new(one(rest, line, depth)?));
    }
    Ok(test)
}

fn one(rest: &mut &[Token<'_>], line: usize, depth: usize) -> Result<Test, Wrong> {
    if depth > MAX_NESTING {
        return Err((line, format!("tests are more than {MAX_NESTING} deep in each other")));
    }
    match *rest {
        [Token::Word("not"), after @ ..] => {
            *rest = after;
            Ok(Test::Not(Box::new(one(rest, line, depth + 1)?)))
        }
        [Token::Sign("("), after @ ..] => {
            *rest = after;
            let test = either(rest, line, depth + 1)?;
            let [Token::Sign(")"), after @ ..] = *rest else { return Err((line, "( is not closed".to_owned())) };
            *rest = after;
            Ok(test)
        }
        [left, Token::Sign(sign @ ("==" | "!=")), right, after @ ..] => {
            *rest = after;
            let same = Test::Same(operand(left, line)?, operand(right, line)?);
            Ok(if *sign == "==" { same } else { Test::Not(Box::new(same)) })
        }
        [Token::Word(path), after @ ..] => {
            *rest = after;
            Ok(Test::Is(Name { path: (*path).to_owned(), line }))
        }
        _ => Err((line, "a test is missing, such as {% if message != \"\" %}".to_owned())),
    }
}

fn operand(token: &Token<'_>, line: usize) -> Result<Operand, Wrong> {
    match token {
        Token::Word(path) => Ok(Operand::Name(Name { path: (*path).to_owned(), line })),
        Token::Quoted(words) => Ok(Operand::Words((*words).to_owned())),
        Token::Sign(sign) => Err((line, format!("{sign} is not understood here"))),
    }
}
