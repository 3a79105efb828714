//! The search alone; what a connection makes of it is in `tests/path_mtu*`.

use super::search::{COMMON, Search, WORTHWHILE};

/// How many probes it takes, and where it ends, when the path carries `carries`.
fn run(mut search: Search, carries: u32) -> (u32, u32) {
    let mut probes = 0;
    while let Some(size) = search.next() {
        assert!(size > search.low && size <= search.high, "{search:?}");
        probes += 1;
        match size <= carries {
            true => search.succeeded(size),
            false => search.failed(size, None),
        }
    }
    (search.low, probes)
}

fn between(low: u32, high: u32) -> Search {
    Search {
        low,
        high,
        hint: None,
        once: false,
    }
}

#[test]
fn the_search_ends_near_what_the_path_carries_after_few_probes() {
    for high in [1_500, 1_473, 9_000, 65_535] {
        for carries in 1_024..=high {
            let (found, probes) = run(between(1_024, high), carries);
            assert!(
                found <= carries && carries - found < WORTHWHILE,
                "{found} of {carries}"
            );
            assert!(probes <= 26, "{probes} for {carries} of {high}");
        }
    }
}

#[test]
fn a_common_size_is_found_exactly() {
    for size in COMMON.into_iter().filter(|size| *size >= 1_280) {
        assert_eq!(run(between(1_024, 65_535), size).0, size);
    }
}

#[test]
fn what_a_router_named_is_tried_next() {
    let mut search = between(1_024, 1_500);
    search.failed(1_440, Some(1_333));
    assert_eq!(search.next(), Some(1_333));
    search.succeeded(1_333);
    assert_eq!(search.next(), None);
}

#[test]
fn a_path_searched_before_is_tried_one_step_up_only() {
    let mut search = Search {
        once: true,
        ..between(1_280, 1_500)
    };
    assert_eq!(search.next(), Some(1_400));
    let mut failed = search;
    failed.failed(1_400, None);
    assert_eq!(failed.next(), None);
    search.succeeded(1_400);
    assert_eq!(search.next(), Some(1_500));
}

#[test]
fn absurd_bounds_end_the_search() {
    for search in [between(1_500, 1_500), between(9_000, 68), between(0, 0)] {
        assert_eq!(search.next(), None);
    }
    let mut search = between(68, 100);
    search.failed(84, Some(2));
    assert_eq!((search.low, search.high, search.next()), (68, 68, None));
}
