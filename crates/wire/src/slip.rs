/// The candidate that `word` is most likely a slip of, if one is near enough to be worth naming.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |s: &str| s.to_ascii_lowercase().replace('-', "_");
    let word = plain(word);
    candidates
        .map(|c| {
            let candidate = plain(c);
            // "rate" for "rate_up", "nas_id" for "nas_identifier": a beginning counts as one slip.
            let begins = word.len() >= 3 && (candidate.starts_with(&word) || word.starts_with(&candidate));
            (if begins { 1 } else { slips(&word, &candidate) }, c)
        })
        .filter(|(distance, c)| *distance <= c.len().div_ceil(3).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// How many insertions, deletions, replacements and swaps of neighbours turn `a` into `b`.
fn slips(a: &str, b: &str) -> usize {
    // A key longer than this is no slip of ours, and the work is bounded by it.
    const LONGEST: usize = 48;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(LONGEST).collect(), b.chars().take(LONGEST).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_a_different_word_is_not() {
        let keys = || ["interface", "network", "gateway"].into_iter();
        assert_eq!(nearest("netwrok", keys()), Some("network"));
        assert_eq!(nearest("Gateway", keys()), Some("gateway"));
        assert_eq!(nearest("interfaces", keys()), Some("interface"));
        assert_eq!(nearest("net", keys()), Some("network"));
        assert_eq!(nearest("colour", keys()), None);
        assert_eq!(nearest("", keys()), None);
    }
}
