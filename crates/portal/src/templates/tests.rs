//! Ours by both engines, and what is said of the names.

use super::*;
use crate::text::LANGUAGES;

/// Our templates, read as an operator's are.
fn ours() -> All {
    parse(&BTreeMap::new(), &mut Mistakes::default())
}

/// Makes each page by both.
struct Compare {
    templates: All,
    pages: BTreeMap<&'static str, usize>,
}

impl Visitor for Compare {
    fn page<P: Shown>(&mut self, page: &P) {
        let built_in = page.render().expect("a page");
        let by_copy = make(&self.templates, P::NAME, &page.value()).map_err(|failure| failure.words);
        assert_eq!(by_copy.as_ref(), Ok(&built_in), "{}", P::NAME);
        assert!(
            !built_in.contains("<b>") && built_in.contains("&#60;b&#62;"),
            "the place's name is escaped: {built_in}"
        );
        *self.pages.entry(P::NAME).or_default() += 1;
    }
}

#[test]
fn a_page_has_the_same_octets_built_in_and_by_the_operators_copy_in_every_language_and_state() {
    let mut compare = Compare { templates: ours(), pages: BTreeMap::new() };
    for text in LANGUAGES {
        samples::each(text, &mut compare);
    }
    let pages: Vec<_> = compare.pages.keys().copied().collect();
    let mut all: Vec<_> = OURS.iter().map(|(name, _)| *name).filter(|name| *name != "base.html").collect();
    all.sort_unstable();
    assert_eq!(pages, all);
}

#[test]
fn every_template_of_ours_can_be_replaced() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../portal-ui");
    let files = fs::read_dir(folder).expect("portal-ui").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let files: BTreeSet<String> = files.filter(|name| name.ends_with(".html")).collect();
    assert_eq!(files, OURS.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn the_names_in_the_readme_are_those_that_there_are() {
    let mut known = Known::default();
    samples::each(&ENGLISH, &mut known);
    // Below each heading, what is in the first column; words with what they are in English.
    let mut tables: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut heading = "";
    for line in NAMES.1.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title.trim_matches('`');
        } else if let Some((name, about)) = line.strip_prefix("| `").and_then(|row| row.split_once("` | "))
            && !heading.is_empty()
        {
            tables.entry(heading).or_default().insert(name.to_owned());
            if let Some(word) = name.strip_prefix("t.") {
                let text: &'static crate::text::Text = &ENGLISH;
                let english: Value<'_> = (&text).into();
                let Some(Value::Text(said)) = english.get(word) else { panic!("{name} is no word") };
                assert_eq!(about.trim_end_matches(" |"), *said, "{name}");
            }
        }
    }
    let everywhere = &(&tables["Every template"] | &tables["Words"]);
    for (page, names) in &known.0 {
        let names: BTreeSet<String> = names.keys().cloned().collect();
        assert_eq!(everywhere | &tables[page], names, "{page}");
    }
    assert_eq!(tables.len(), known.0.len() + 2, "{:?}", tables.keys());
}
