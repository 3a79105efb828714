use super::Ranges;
use proptest::prelude::*;
use std::collections::BTreeSet;

proptest! {
    #[test]
    fn a_range_set_agrees_with_a_set_of_numbers(
        input in proptest::collection::vec((0i64..60, 0i64..12), 0..40),
    ) {
        let mut ranges = Ranges::default();
        let mut set = BTreeSet::new();
        for (start, len) in input {
            let before = set.len();
            set.extend(start..start + len);
            prop_assert_eq!(ranges.insert(start, start + len), (set.len() - before) as i64);
            prop_assert_eq!(ranges.len(), set.len() as i64);
            prop_assert!(ranges.0.windows(2).all(|w| w[0].1 < w[1].0));
            for probe in 0..80 {
                let missing = (probe..).find(|n| !set.contains(n)).unwrap();
                prop_assert_eq!(ranges.end_from(probe), missing);
            }
        }
    }
}
