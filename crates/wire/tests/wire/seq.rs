use handfast_wire::SeqNumber;
use proptest::prelude::*;

#[test]
fn comparison_wraps() {
    let (a, b) = (SeqNumber(u32::MAX - 1), SeqNumber(3));
    assert!(a.before(b) && a.at_or_before(b) && b.after(a) && b.at_or_after(a));
    assert_eq!((b.distance(a), a.distance(b)), (5, -5));
    assert_eq!((b.offset_from(a), a + 5, b - 5), (5, b, a));
    assert_eq!((a.later(b), a.earlier(b)), (b, a));
    assert!(!a.before(a) && !a.after(a) && a.at_or_before(a) && a.at_or_after(a));
    let mut c = a;
    c += 5;
    assert_eq!(c, b);
}

#[test]
fn exactly_half_the_space_apart_each_is_before_the_other() {
    for a in [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let (a, b) = (SeqNumber(a), SeqNumber(a) + (1 << 31));
        assert!(a.before(b) && b.before(a) && !a.after(b) && !b.after(a));
        assert_eq!(a.distance(b), i32::MIN);
        assert_eq!(a.offset_from(b), 1 << 31);
    }
}

proptest! {
    #[test]
    fn agrees_with_wide_arithmetic(base: u32, forward in 1u32..1 << 31, len: u32) {
        let (a, b) = (SeqNumber(base), SeqNumber(base) + forward);
        prop_assert!(a.before(b) && b.after(a) && !b.at_or_before(a) && !a.at_or_after(b));
        prop_assert_eq!(i64::from(b.distance(a)), i64::from(forward));
        prop_assert_eq!((a.later(b), b.later(a)), (b, b));
        prop_assert_eq!((a.earlier(b), b.earlier(a)), (a, a));
        prop_assert_eq!(b.within(a, len), forward < len);
        prop_assert_eq!(a.within(a, len), len > 0);
        prop_assert_eq!(b - forward, a);
    }
}
