//! Any text as a configuration file, whose author makes mistakes.
#![no_main]

use config::{Config, Errors, Overrides, Problem};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // The file would be read.
    let text = text.replace("secret_file", "secret_fil");
    match Config::parse(&text, "poblano.toml", &Overrides::default()) {
        Ok(loaded) => loaded.warnings.iter().for_each(|warning| check(warning, &text)),
        Err(Errors { problems, warnings }) => {
            assert!(!problems.is_empty());
            problems.iter().chain(&warnings).for_each(|problem| check(problem, &text));
        }
    }
});

fn check(problem: &Problem, text: &str) {
    assert!(!problem.message.is_empty());
    assert!(!problem.to_string().contains('\n'), "one line: {problem:?}");
    let Some((line, column)) = problem.position else { return };
    let lines = text.matches('\n').count() + 1;
    assert!((1..=lines).contains(&line), "line {line} of {lines}");
    let line = text.split('\n').nth(line - 1).unwrap_or_default();
    assert!((1..=line.chars().count() + 1).contains(&column), "column {column} of {line:?}");
}
