//! Mechanical changes to one function, for the proof that a test notices them.

use proc_macro2::{LineColumn, Span};
use std::cmp::Reverse;
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mutant {
    /// Line of the change, counted from 1.
    pub line: usize,
    /// What is done, for a reader.
    pub what: String,
    at: Range<usize>,
    with: String,
}

impl Mutant {
    /// `source` with the change.
    pub fn apply(&self, source: &str) -> String {
        let (before, after) = (&source[..self.at.start], &source[self.at.end..]);
        format!("{before}{}{after}", self.with)
    }
}

/// Changes to the innermost function, or constant, that `line` is in; where it is in none, as the
/// head of a file, to any function of the file. The nearest come first.
pub fn mutants(source: &str, line: usize) -> Vec<Mutant> {
    let Ok(file) = syn::parse_file(source) else {
        return Vec::new();
    };
    let mut finder = Finder { line, found: None };
    finder.visit_file(&file);
    let mut changer = Changer {
        source,
        starts: line_starts(source),
        out: Vec::new(),
    };
    match finder.found {
        Some((Place::Block(block, returns), _)) => changer.function(&block, returns),
        Some((Place::Constant(expr), _)) => changer.visit_expr(&expr),
        None if line <= 3 => changer.visit_file(&file),
        None => {}
    }
    let mut out = changer.out;
    // At or below the citation first, and near it.
    out.sort_by_key(|m| (Reverse(m.line >= line), m.line.abs_diff(line)));
    out.dedup();
    out
}

enum Place {
    Block(Box<syn::Block>, Returns),
    Constant(Box<syn::Expr>),
}

/// What a function gives back, where that says how it could be another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Returns {
    Bool,
    Option,
    Other,
}

struct Finder {
    line: usize,
    found: Option<(Place, usize)>,
}

impl Finder {
    fn offer(&mut self, span: Span, place: impl FnOnce() -> Place) {
        let (start, end) = (span.start().line, span.end().line);
        let size = end - start;
        if (start..=end).contains(&self.line) && self.found.as_ref().is_none_or(|f| f.1 >= size) {
            self.found = Some((place(), size));
        }
    }
}

fn returns(signature: &syn::Signature) -> Returns {
    let syn::ReturnType::Type(_, t) = &signature.output else {
        return Returns::Other;
    };
    let syn::Type::Path(path) = &**t else {
        return Returns::Other;
    };
    let last = path.path.segments.last().map(|s| s.ident.to_string());
    match last.as_deref() {
        Some("bool") => Returns::Bool,
        Some("Option") => Returns::Option,
        _ => Returns::Other,
    }
}

impl<'a> Visit<'a> for Finder {
    fn visit_item_fn(&mut self, f: &'a syn::ItemFn) {
        self.offer(f.span(), || Place::Block(f.block.clone(), returns(&f.sig)));
        visit::visit_item_fn(self, f);
    }

    fn visit_impl_item_fn(&mut self, f: &'a syn::ImplItemFn) {
        self.offer(f.span(), || {
            Place::Block(Box::new(f.block.clone()), returns(&f.sig))
        });
        visit::visit_impl_item_fn(self, f);
    }

    fn visit_item_const(&mut self, c: &'a syn::ItemConst) {
        self.offer(c.span(), || Place::Constant(c.expr.clone()));
    }
}

struct Changer<'s> {
    source: &'s str,
    starts: Vec<usize>,
    out: Vec<Mutant>,
}

pub(crate) fn line_starts(source: &str) -> Vec<usize> {
    let breaks = source.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(breaks).collect()
}

/// Where in `source`, whose lines start at `starts`, this is.
pub(crate) fn offset(source: &str, starts: &[usize], at: LineColumn) -> usize {
    let start = starts[at.line - 1];
    let line = &source[start..];
    let column = line.char_indices().nth(at.column);
    start + column.map_or(line.len(), |(n, _)| n)
}

impl Changer<'_> {
    fn push(&mut self, span: Span, with: impl FnOnce(&str) -> String) {
        let place = |at| offset(self.source, &self.starts, at);
        let at = place(span.start())..place(span.end());
        let old = &self.source[at.clone()];
        let with = with(old);
        let short = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
        let what = match with.is_empty() {
            true => format!("without `{}`", short(old)),
            false => format!("`{}` for `{}`", short(&with), short(old)),
        };
        let line = span.start().line;
        self.out.push(Mutant {
            line,
            what,
            at,
            with,
        });
    }

    fn function(&mut self, block: &syn::Block, returns: Returns) {
        self.visit_block(block);
        let Some(syn::Stmt::Expr(tail, None)) = block.stmts.last() else {
            return;
        };
        match returns {
            Returns::Bool => self.push(tail.span(), |old| format!("!({old})")),
            Returns::Option => self.push(tail.span(), |_| "None".to_string()),
            Returns::Other => {}
        }
    }
}

impl<'a> Visit<'a> for Changer<'_> {
    fn visit_attribute(&mut self, _: &'a syn::Attribute) {}

    fn visit_item_mod(&mut self, _: &'a syn::ItemMod) {}

    fn visit_macro(&mut self, _: &'a syn::Macro) {}

    fn visit_expr_if(&mut self, e: &'a syn::ExprIf) {
        if !has_let(&e.cond) {
            self.push(e.cond.span(), |old| format!("!({old})"));
        }
        visit::visit_expr_if(self, e);
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        if let Some((_, guard)) = &arm.guard
            && !has_let(guard)
        {
            self.push(guard.span(), |old| format!("!({old})"));
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_match(&mut self, e: &'a syn::ExprMatch) {
        // Where the last arm takes everything the others can go.
        if let Some((last, others)) = e.arms.split_last()
            && last.guard.is_none()
            && matches!(last.pat, syn::Pat::Wild(_) | syn::Pat::Ident(_))
        {
            for arm in others {
                self.push(arm.span(), |_| String::new());
            }
        }
        visit::visit_expr_match(self, e);
    }

    fn visit_expr_binary(&mut self, e: &'a syn::ExprBinary) {
        use syn::BinOp;
        let with = match e.op {
            BinOp::Lt(_) => ">=",
            BinOp::Le(_) => ">",
            BinOp::Gt(_) => "<=",
            BinOp::Ge(_) => "<",
            BinOp::Eq(_) => "!=",
            BinOp::Ne(_) => "==",
            BinOp::And(_) if !has_let(&e.left) && !has_let(&e.right) => "||",
            BinOp::Or(_) => "&&",
            BinOp::Add(_) => "-",
            BinOp::Sub(_) => "+",
            BinOp::Mul(_) => "/",
            BinOp::Div(_) => "*",
            BinOp::AddAssign(_) => "-=",
            BinOp::SubAssign(_) => "+=",
            _ => "",
        };
        if !with.is_empty() {
            self.push(e.op.span(), |_| with.to_string());
        }
        visit::visit_expr_binary(self, e);
    }

    fn visit_expr_call(&mut self, e: &'a syn::ExprCall) {
        // Two of one kind, as the one address and the other, change places.
        let args: Vec<&syn::Expr> = e.args.iter().collect();
        for two in args.windows(2) {
            if let [syn::Expr::MethodCall(a), syn::Expr::MethodCall(b)] = two
                && a.method == b.method
            {
                let text = |span: Span| {
                    let place = |at| offset(self.source, &self.starts, at);
                    &self.source[place(span.start())..place(span.end())]
                };
                let with = format!("{}, {}", text(b.span()), text(a.span()));
                let both = a.span().join(b.span());
                if let Some(both) = both {
                    self.push(both, |_| with);
                }
            }
        }
        visit::visit_expr_call(self, e);
    }

    fn visit_expr_method_call(&mut self, e: &'a syn::ExprMethodCall) {
        let with = match e.method.to_string().as_str() {
            "min" => "max",
            "max" => "min",
            "is_some" => "is_none",
            "is_none" => "is_some",
            "later" => "earlier",
            "earlier" => "later",
            _ => "",
        };
        if !with.is_empty() {
            self.push(e.method.span(), |_| with.to_string());
        }
        visit::visit_expr_method_call(self, e);
    }

    fn visit_stmt(&mut self, s: &'a syn::Stmt) {
        if let syn::Stmt::Expr(e, Some(_)) = s {
            let whole = matches!(
                e,
                syn::Expr::Assign(_) | syn::Expr::Call(_) | syn::Expr::MethodCall(_)
            ) || matches!(e, syn::Expr::Binary(b) if !matches!(b.op, syn::BinOp::Eq(_)));
            if whole {
                self.push(s.span(), |_| String::new());
            }
        }
        visit::visit_stmt(self, s);
    }

    fn visit_lit_bool(&mut self, l: &'a syn::LitBool) {
        let other = (!l.value).to_string();
        self.push(l.span(), |_| other);
    }

    fn visit_lit_int(&mut self, l: &'a syn::LitInt) {
        if let Ok(n) = l.base10_parse::<u64>()
            && let Some(n) = n.checked_mul(2)
        {
            let with = format!("{}{}", n + 1, l.suffix());
            self.push(l.span(), |_| with);
        }
    }
}

pub(crate) fn has_let(e: &syn::Expr) -> bool {
    struct Found(bool);
    impl<'a> Visit<'a> for Found {
        fn visit_expr_let(&mut self, _: &'a syn::ExprLet) {
            self.0 = true;
        }
    }
    let mut found = Found(false);
    found.visit_expr(e);
    found.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "const LIMIT: u32 = 7; // cited\n\nfn f(a: u32) -> bool {\n    // cited\n    if a < LIMIT {\n        g();\n    }\n    a == 3\n}\nfn g() {}\n";

    #[test]
    fn a_constant_changes() {
        let all = mutants(SOURCE, 1);
        assert_eq!(all.len(), 1);
        assert!(all[0].apply(SOURCE).contains("u32 = 15;"));
    }

    #[test]
    fn an_arm_goes_where_the_last_takes_its_place() {
        let source = "fn f() {\n    match a {\n        1 => b,\n        2 if c => d,\n        _ => e,\n    }\n    match a {\n        1 => b,\n        2 => c,\n    }\n}\n";
        let all = mutants(source, 1);
        let all: Vec<&str> = all.iter().map(|m| m.what.as_str()).collect();
        assert!(all.contains(&"without `1 => b,`"), "{all:?}");
        assert!(all.contains(&"without `2 if c => d,`"), "{all:?}");
        assert_eq!(all.iter().filter(|w| w.starts_with("without")).count(), 2);
    }

    #[test]
    fn two_of_one_kind_change_places_and_an_option_is_none() {
        let source = "fn f() -> Option<u8> {\n    g(a.ip(), b.ip(), c.port()).take()\n}\n";
        let all = mutants(source, 2);
        let all: Vec<&str> = all.iter().map(|m| m.what.as_str()).collect();
        let wanted = [
            "`b.ip(), a.ip()` for `a.ip(), b.ip()`",
            "`None` for `g(a.ip(), b.ip(), c.port()).take()`",
        ];
        assert_eq!(all, wanted);
    }

    #[test]
    fn a_function_changes_near_the_citation_first() {
        let all: Vec<(usize, String)> = mutants(SOURCE, 4)
            .into_iter()
            .map(|m| (m.line, m.what))
            .collect();
        let wanted = [
            (5, "`!(a < LIMIT)` for `a < LIMIT`"),
            (5, "`>=` for `<`"),
            (6, "without `g();`"),
            (8, "`!=` for `==`"),
            (8, "`7` for `3`"),
            (8, "`!(a == 3)` for `a == 3`"),
        ];
        assert_eq!(all, wanted.map(|(n, w)| (n, w.to_string())));
    }
}
