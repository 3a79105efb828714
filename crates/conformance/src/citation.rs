//! Citations in comments.

/// The lines, counted from 1, on which `source` cites `citation`. A citation may be broken over
/// two lines of comment, and is no part of a longer one: `MUST-3` is not in `MUST-34`, nor
/// `RFC 9293, 3.8` in `RFC 9293, 3.8.6`.
pub fn lines(source: &str, citation: &str) -> Vec<usize> {
    let (text, starts) = flat(source);
    let mut found = Vec::new();
    for (at, _) in text.match_indices(citation) {
        let before = text[..at].chars().next_back();
        let mut after = text[at + citation.len()..].chars();
        let (next, next_but_one) = (after.next(), after.next());
        let longer = next.is_some_and(|c| c.is_ascii_alphanumeric())
            || next == Some('.') && next_but_one.is_some_and(|c| c.is_ascii_digit());
        if longer || before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-') {
            continue;
        }
        let line = starts.partition_point(|&s| s <= at);
        if found.last() != Some(&line) {
            found.push(line);
        }
    }
    found
}

/// All labels of RFC 9293 that `source` cites, with their lines.
pub fn labels(source: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (n, line) in source.lines().enumerate() {
        for prefix in ["MUST-", "SHLD-", "MAY-", "REC-"] {
            for (at, _) in line.match_indices(prefix) {
                let rest = &line[at + prefix.len()..];
                let digits = rest.chars().take_while(char::is_ascii_digit).count();
                if digits > 0 {
                    found.push((format!("{prefix}{}", &rest[..digits]), n + 1));
                }
            }
        }
    }
    found
}

/// The source with the marks of comments and the breaks of lines gone, and where each line starts
/// in it.
fn flat(source: &str) -> (String, Vec<usize>) {
    let (mut text, mut starts) = (String::new(), Vec::new());
    for line in source.lines() {
        starts.push(text.len());
        let line = line.trim();
        let line = ["//!", "///", "//"]
            .iter()
            .find_map(|mark| line.strip_prefix(mark))
            .unwrap_or(line);
        let line = format!("{} ", line.trim());
        text.push_str(
            &line
                .replace(", sections ", ", ")
                .replace(", section ", ", "),
        );
    }
    (text, starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citation_ends_where_it_ends() {
        let source = "// MUST-34\n// (MUST-3, SHLD-1)\nfn f() {} // MUST-3.\n";
        assert_eq!(lines(source, "MUST-3"), [2, 3]);
        assert_eq!(lines(source, "SHLD-1"), [2]);
        assert_eq!(lines("/// RFC 9293, 3.8.6\n", "RFC 9293, 3.8"), []);
        assert_eq!(lines("/// RFC 9293, 3.8.\n", "RFC 9293, 3.8"), [1]);
    }

    #[test]
    fn a_citation_may_be_broken() {
        let source = "fn f() {}\n/// as told (RFC\n/// 7323, 2.3)\n";
        assert_eq!(lines(source, "RFC 7323, 2.3"), [2]);
        assert_eq!(lines("//! (RFC 7323, section 2)\n", "RFC 7323, 2"), [1]);
    }

    #[test]
    fn labels_are_found_with_their_lines() {
        let found = labels("// MUST-8, SHLD-1\n//\n// MAY-x REC-1\n");
        let wanted = [("MUST-8", 1), ("SHLD-1", 1), ("REC-1", 3)];
        assert_eq!(found, wanted.map(|(l, n)| (l.to_string(), n)));
    }
}
