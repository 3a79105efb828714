//! The tables hold, and the page is theirs.

use handfast_conformance::{check, page, root, table, tests};

#[test]
fn every_requirement_is_met_and_proved_or_has_its_reason() {
    let root = root();
    let tables = table::load(&root).expect("tables");
    let tests = tests::all(&root).expect("tests");
    assert!(tests.len() > 500, "only {} tests were found", tests.len());
    let wrong = check::check(&root, &tables, &tests);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_page_is_what_the_tables_say() {
    let root = root();
    let tables = table::load(&root).expect("tables");
    let tests = tests::all(&root).expect("tests");
    let made = page::write(&root, &tables, &tests);
    let there = std::fs::read_to_string(root.join(page::PAGE)).expect("the page");
    assert!(
        page::without_lines(&made) == page::without_lines(&there),
        "write it again: cargo run -p handfast-conformance"
    );
}

#[test]
fn a_table_that_lies_is_found_out() {
    let root = root();
    let mut tables = table::load(&root).expect("tables");
    let tests = tests::all(&root).expect("tests");
    let t = tables.iter_mut().find(|t| t.rfc == 9293).expect("RFC 9293");
    let gone = t.requirements.remove(0).id;
    let mut met = t
        .requirements
        .iter_mut()
        .filter(|r| r.level() == table::Level::Must && !r.tests.is_empty());
    let (a, b, c, d) = (
        met.next().expect("a row"),
        met.next().expect("a row"),
        met.next().expect("a row"),
        met.next().expect("a row"),
    );
    a.tests = vec!["tcp::tests::windows::nobody_wrote_this".to_string()];
    b.code = vec!["crates/base/src/lib.rs".to_string()];
    c.tests.clear();
    d.open = Some("some day".to_string());
    let wanted = [
        format!("RFC 9293 {gone}: it has no row"),
        format!(
            "RFC 9293 {}: there is no test tcp::tests::windows::nobody_wrote_this",
            a.id
        ),
        format!(
            "RFC 9293 {}: crates/base/src/lib.rs does not cite {}",
            b.id, b.id
        ),
        format!("RFC 9293 {}: no test proves it", c.id),
        format!("RFC 9293 {}: a MUST cannot stay open", d.id),
    ];
    let wrong = check::check(&root, &tables, &tests);
    for sentence in wanted {
        assert!(
            wrong.contains(&sentence),
            "{sentence}\n{}",
            wrong.join("\n")
        );
    }
}
