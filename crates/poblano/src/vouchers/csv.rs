//! Comma-separated values (RFC 4180): a first line with the names of the columns, then one for each thing.

use anyhow::bail;

/// More is not a list of vouchers or accounts: 20,000 vouchers have some 3 MB.
pub(crate) const MOST_OCTETS: u64 = 16_000_000;

/// A table in memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is no such table.
    pub(crate) fn load(path: &std::path::Path) -> anyhow::Result<Self> {
        use anyhow::Context;
        use std::io::Read;
        let doing = || format!("cannot read {}", path.display());
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MOST_OCTETS + 1).read_to_string(&mut text))
            .with_context(doing)?;
        if text.len() as u64 > MOST_OCTETS {
            bail!("{}: it has more than {MOST_OCTETS} octets", doing());
        }
        Self::parse(&text).with_context(doing)
    }

    /// Columns in any order; a spreadsheet's semicolons are as good as commas.
    fn parse(text: &str) -> anyhow::Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let head = text.lines().next().unwrap_or_default();
        let separator = if head.contains(';') && !head.contains(',') { ';' } else { ',' };
        let mut records = records(text, separator)?;
        if records.is_empty() {
            bail!("it is empty; the first line has the names of the columns");
        }
        let columns: Vec<String> = records.remove(0).into_iter().map(|name| name.trim().to_lowercase()).collect();
        for (at, row) in records.iter().enumerate() {
            if row.len() != columns.len() {
                bail!("row {} has {} fields, the first line names {}", at + 1, row.len(), columns.len());
            }
        }
        Ok(Self { columns, rows: records })
    }

    /// Whether there is such a column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name == column)
    }

    /// A row's field; empty if there is no such column.
    pub(crate) fn field<'a>(&self, row: &'a [String], column: &str) -> &'a str {
        let at = self.columns.iter().position(|name| name == column);
        at.and_then(|at| row.get(at)).map_or("", |field| field.trim())
    }

    /// As text, without the last line feed.
    pub(crate) fn to_text(&self) -> String {
        let lines: Vec<String> = std::iter::once(&self.columns).chain(&self.rows).map(|fields| line(fields)).collect();
        lines.join("\r\n")
    }
}

/// One line of a table.
pub(super) fn line(fields: &[String]) -> String {
    fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",")
}

/// Lines without anything are none.
fn records(text: &str, separator: char) -> anyhow::Result<Vec<Vec<String>>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut is_quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if is_quoted => is_quoted = false,
            c if is_quoted => field.push(c),
            '"' if field.is_empty() => is_quoted = true,
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            c if c == separator => record.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    if is_quoted {
        bail!("a quotation mark is never closed");
    }
    record.push(field);
    records.push(record);
    records.retain(|record| record.iter().any(|field| !field.trim().is_empty()));
    Ok(records)
}

/// A field that a spreadsheet would take for a formula gets a blank before it, which is no part of it when it is read.
fn quoted(field: &str) -> String {
    let guard = if field.starts_with(['=', '+', '-', '@']) { " " } else { "" };
    if field.contains(['"', ',', ';', '\n', '\r']) {
        format!("\"{guard}{}\"", field.replace('"', "\"\""))
    } else {
        format!("{guard}{field}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[&[&str]]) -> Table {
        let mut rows = rows.iter().map(|row| row.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>());
        Table { columns: rows.next().expect("columns"), rows: rows.collect() }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = table(&[&["code", "note"], &["K7QM", "two \"big\", beds\nand a sofa"], &["9FRT", ""]]);
        assert_eq!(Table::parse(&written.to_text()).expect("a table"), written);
        let formula = table(&[&["note"], &["=HYPERLINK(1)"]]);
        assert_eq!(formula.to_text(), "note\r\n =HYPERLINK(1)");
        let read = Table::parse(&formula.to_text()).expect("a table");
        assert_eq!(read.field(&read.rows[0], "note"), "=HYPERLINK(1)");
    }

    #[test]
    fn what_spreadsheets_write_is_read() {
        let read = Table::parse("\u{feff}Code;Note\r\n K7QM ;\"a;b\"\r\n;\r\n\r\n9FRT;").expect("a table");
        assert_eq!(read.columns, ["code", "note"]);
        assert_eq!(read.rows.len(), 2);
        assert_eq!((read.field(&read.rows[0], "code"), read.field(&read.rows[0], "note")), ("K7QM", "a;b"));
        assert_eq!(read.field(&read.rows[1], "price"), "");
        for wrong in ["", "a,b\n1", "a\n\"x"] {
            assert!(Table::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
