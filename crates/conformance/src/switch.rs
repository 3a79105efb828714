//! Many faults in one build: each behind a switch, so that a compiler is asked once and not once
//! for each.
//!
//! Where `a + b` is to become `a - b`, `(if on(7) {a - b} else {a + b})` stands in its place, and
//! so on; which switch is on is said when the program starts.

use crate::mutate::{has_let, line_starts, offset};
use proc_macro2::{LineColumn, Span};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// What kind of thing a fault changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// All of a function's body becomes one expression.
    Body,
    /// An operator becomes another; its operands stay what they were.
    Binary,
    /// `!` or `-` goes.
    Unary,
    /// One arm of a match goes.
    Arm,
    /// The guard of an arm becomes `true` or `false`.
    Guard,
    /// A field of a literal goes, and has the value of the literal's base.
    Field,
}

/// One fault, in one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Number of its switch.
    pub id: u32,
    /// What it changes.
    pub kind: Kind,
    /// Line and column where what it replaces starts, counted from 1 and 0.
    pub start: (usize, usize),
    /// Where that ends.
    pub end: (usize, usize),
    /// What it becomes.
    pub with: String,
}

impl Fault {
    /// `source` with this fault alone, and no switch.
    pub fn apply(&self, source: &str) -> String {
        let at = range(source, self);
        let mut rest = &source[at.end..];
        if matches!(self.kind, Kind::Arm | Kind::Field) {
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        format!("{}{}{rest}", &source[..at.start], self.with)
    }
}

/// What is appended to the crate's root: `on(n)` asks whether the switch `n` was named in the
/// environment when the program started.
pub const ROOT: &str = "\n#[doc(hidden)]\n#[allow(missing_docs)]\npub mod switched {\n    extern crate std;\n    static ON: std::sync::OnceLock<u32> = std::sync::OnceLock::new();\n    #[inline]\n    pub fn on(n: u32) -> bool {\n        *ON.get_or_init(|| std::env::var(\"SWITCH\").ok().and_then(|v| v.parse().ok()).unwrap_or(0)) == n\n    }\n}\n";

/// `source` with all of these behind their switches, and the ids of those that find no place.
pub fn switched(source: &str, faults: &[Fault]) -> (String, Vec<u32>) {
    let mut placer = Placer {
        source,
        starts: line_starts(source),
        faults,
        sites: Vec::new(),
        placed: BTreeSet::new(),
    };
    for f in faults.iter().filter(|f| f.kind == Kind::Body) {
        let (at, id) = (range(source, f).start, f.id);
        let text = format!(
            "{}if {} {{ return {}; }}{} ",
            opens(id),
            on(id),
            f.with,
            closes(id)
        );
        placer.site(at..at, [id], text, "");
    }
    if let Ok(file) = syn::parse_file(source) {
        placer.visit_file(&file);
    }
    let lost = faults.iter().map(|f| f.id);
    let lost = lost.filter(|id| !placer.placed.contains(id)).collect();
    (render(source, placer.sites), lost)
}

/// Whose text the octet `at` of a switched source is in, so of whom a compiler speaks that
/// complains of it.
pub fn whose(switched: &str, at: usize) -> Option<u32> {
    let before = &switched[..at];
    let (start, id) = before.rmatch_indices("/*<").find_map(|(start, _)| {
        let id = before[start + 3..].split('*').next()?.parse().ok()?;
        (!before[start..].contains(&closes(id))).then_some((start, id))
    })?;
    switched[start..].contains(&closes(id)).then_some(id)
}

fn on(id: u32) -> String {
    format!("crate::switched::on({id})")
}

fn opens(id: u32) -> String {
    format!("/*<{id}*/")
}

fn closes(id: u32) -> String {
    format!("/*{id}>*/")
}

fn range(source: &str, f: &Fault) -> Range<usize> {
    let starts = line_starts(source);
    let place = |(line, column)| offset(source, &starts, LineColumn { line, column });
    place(f.start)..place(f.end)
}

/// Text before and after a part of the source.
struct Site {
    at: Range<usize>,
    before: String,
    after: &'static str,
}

fn render(source: &str, mut sites: Vec<Site>) -> String {
    // Of two that start together what has no length comes first, and then the longer.
    sites.sort_by_key(|s| (s.at.start, !s.at.is_empty(), Reverse(s.at.end)));
    let (mut out, mut done) = (String::new(), 0);
    let mut open: Vec<(usize, &'static str)> = Vec::new();
    let mut until = |to: usize, out: &mut String, open: &mut Vec<(usize, &'static str)>| {
        while let Some(&(end, after)) = open.last().filter(|o| o.0 <= to) {
            out.push_str(&source[done..end]);
            out.push_str(after);
            done = end;
            open.pop();
        }
        out.push_str(&source[done..to]);
        done = to;
    };
    for site in sites {
        until(site.at.start, &mut out, &mut open);
        out.push_str(&site.before);
        open.push((site.at.end, site.after));
    }
    until(source.len(), &mut out, &mut open);
    out
}

struct Placer<'s> {
    source: &'s str,
    starts: Vec<usize>,
    faults: &'s [Fault],
    sites: Vec<Site>,
    placed: BTreeSet<u32>,
}

impl<'s> Placer<'s> {
    fn range(&self, span: Span) -> Range<usize> {
        let place = |at| offset(self.source, &self.starts, at);
        place(span.start())..place(span.end())
    }

    fn text(&self, span: Span) -> &'s str {
        &self.source[self.range(span)]
    }

    /// The faults of this kind that start here.
    fn at(&self, kind: Kind, span: Span) -> Vec<&'s Fault> {
        let start = (span.start().line, span.start().column);
        let all = self.faults.iter();
        all.filter(|f| f.kind == kind && f.start == start).collect()
    }

    fn site(
        &mut self,
        at: Range<usize>,
        ids: impl IntoIterator<Item = u32>,
        before: String,
        after: &'static str,
    ) {
        self.placed.extend(ids);
        self.sites.push(Site { at, before, after });
    }

    /// One of these expressions, or the one that is there.
    fn choice(&mut self, at: Range<usize>, name: &str, all: &[(u32, String)]) {
        if all.is_empty() {
            return;
        }
        let mut before = format!("{name}(");
        for (id, text) in all {
            let (opens, on, closes) = (opens(*id), on(*id), closes(*id));
            before += &format!("{opens}if {on} {{{text}}} else{closes} ");
        }
        before.push('{');
        self.site(at, all.iter().map(|a| a.0), before, "})");
    }
}

impl<'a> Visit<'a> for Placer<'_> {
    fn visit_attribute(&mut self, _: &'a syn::Attribute) {}

    fn visit_expr_binary(&mut self, e: &'a syn::ExprBinary) {
        // The names that a `let` binds would not leave the parentheses.
        if !has_let(&e.left) && !has_let(&e.right) {
            let (left, right) = (self.text(e.left.span()), self.text(e.right.span()));
            let all = self.at(Kind::Binary, e.op.span());
            let all: Vec<_> = all
                .iter()
                .map(|f| (f.id, format!("({left}) {} ({right})", f.with)))
                .collect();
            self.choice(self.range(e.span()), "", &all);
        }
        visit::visit_expr_binary(self, e);
    }

    fn visit_expr_unary(&mut self, e: &'a syn::ExprUnary) {
        let all = self.at(Kind::Unary, e.op.span());
        let all: Vec<_> = all
            .iter()
            .map(|f| (f.id, self.text(e.expr.span()).to_string()))
            .collect();
        self.choice(self.range(e.span()), "", &all);
        visit::visit_expr_unary(self, e);
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        let guard = arm.guard.as_ref().map(|(_, guard)| &**guard);
        if !guard.is_some_and(has_let) {
            for f in self.at(Kind::Arm, arm.span()) {
                let (opens, on, closes) = (opens(f.id), on(f.id), closes(f.id));
                match guard {
                    Some(guard) => {
                        let text = format!("{opens}!{on} &&{closes} (");
                        self.site(self.range(guard.span()), [f.id], text, ")");
                    }
                    None => {
                        let at = self.range(arm.pat.span()).end;
                        self.site(at..at, [f.id], format!(" {opens}if !{on}{closes}"), "");
                    }
                }
            }
            if let Some(guard) = guard {
                let all = self.at(Kind::Guard, guard.span());
                let all: Vec<_> = all.iter().map(|f| (f.id, f.with.clone())).collect();
                self.choice(self.range(guard.span()), "", &all);
            }
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, e: &'a syn::ExprStruct) {
        if let Some(base) = &e.rest {
            let base = self.text(base.span());
            for field in &e.fields {
                let member = self.text(field.member.span());
                let all = self.at(Kind::Field, field.span());
                let all: Vec<_> = all
                    .iter()
                    .map(|f| (f.id, format!("({base}).{member}")))
                    .collect();
                let name = match field.colon_token {
                    Some(_) => String::new(),
                    None => format!("{member}: "),
                };
                self.choice(self.range(field.expr.span()), &name, &all);
            }
        }
        visit::visit_expr_struct(self, e);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(id: u32, kind: Kind, at: (usize, usize), length: usize, with: &str) -> Fault {
        let (end, with) = ((at.0, at.1 + length), with.to_string());
        Fault {
            id,
            kind,
            start: at,
            end,
            with,
        }
    }

    /// Without the marks, and with `?` for the question.
    fn plain(text: &str) -> String {
        let mut out = text.replace("crate::switched::on", "?");
        while let Some(start) = out.find("/*") {
            let end = out[start..].find("*/").expect("an end") + start + 2;
            out.replace_range(start..end, "");
        }
        out
    }

    #[test]
    fn each_fault_stands_beside_what_it_replaces() {
        let source = "fn f(a: u32) -> u32 {\n    a + 2 * a\n}\n";
        let faults = [
            fault(1, Kind::Body, (2, 4), 9, "0"),
            fault(2, Kind::Binary, (2, 6), 1, "-"),
            fault(3, Kind::Binary, (2, 10), 1, "/"),
        ];
        let (text, lost) = switched(source, &faults);
        assert_eq!(
            plain(&text),
            "fn f(a: u32) -> u32 {\n    if ?(1) { return 0; } (if ?(2) {(a) - (2 * a)} else \
             {a + (if ?(3) {(2) / (a)} else {2 * a})})\n}\n"
        );
        assert_eq!(lost, []);
        assert_eq!(
            faults[2].apply(source),
            "fn f(a: u32) -> u32 {\n    a + 2 / a\n}\n"
        );
    }

    #[test]
    fn arms_guards_fields_and_negations() {
        let source = "fn f() {\n    match a {\n        1 => !b,\n        2 if c => d,\n        _ => e,\n    }\n    S { x, y: 1, ..S::new() }\n}\n";
        let faults = [
            fault(1, Kind::Arm, (3, 8), 8, ""),
            fault(2, Kind::Unary, (3, 13), 1, ""),
            fault(3, Kind::Arm, (4, 8), 11, ""),
            fault(4, Kind::Guard, (4, 13), 1, "true"),
            fault(5, Kind::Field, (7, 8), 1, ""),
            fault(6, Kind::Field, (7, 11), 4, ""),
        ];
        let (text, lost) = switched(source, &faults);
        let text = plain(&text);
        for wanted in [
            "1 if !?(1) => (if ?(2) {b} else {!b}),",
            "2 if !?(3) && ((if ?(4) {true} else {c})) => d,",
            "S { x: (if ?(5) {(S::new()).x} else {x}), y: (if ?(6) {(S::new()).y} else {1}), ..",
        ] {
            assert!(text.contains(wanted), "{text}");
        }
        assert_eq!(lost, []);
        let alone = faults[5].apply(source);
        assert!(alone.contains("S { x,  ..S::new() }"), "{alone}");
    }

    #[test]
    fn names_bound_by_let_keep_their_scope() {
        let source = "fn f() {\n    if let Some(x) = a && x > b {}\n}\n";
        let both = [
            fault(1, Kind::Binary, (2, 23), 2, "||"),
            fault(2, Kind::Binary, (2, 28), 1, "<"),
        ];
        let (text, lost) = switched(source, &both);
        assert_eq!(lost, [1]);
        assert!(plain(&text).contains("a && (if ?(2) {(x) < (b)} else {x > b}) {}"));
    }

    #[test]
    fn a_complaint_names_the_fault_it_is_about() {
        let source = "fn f() {\n    a + b * c\n}\n";
        let both = [
            fault(1, Kind::Binary, (2, 6), 1, "-"),
            fault(22, Kind::Binary, (2, 10), 1, "/"),
        ];
        let (text, _) = switched(source, &both);
        let at = |what| text.find(what).expect("there");
        assert_eq!(whose(&text, at("- (b")), Some(1));
        assert_eq!(whose(&text, at("/ (c")), Some(22));
        assert_eq!(whose(&text, at("a + (")), None);
        assert_eq!(whose(&text, 0), None);
    }
}
