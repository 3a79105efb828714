use super::*;

#[test]
fn values_keep_their_index_and_indices_are_reused() {
    let mut s = Slots::new();
    let all: Vec<u32> = (0..200).map(|n| s.insert(n)).collect();
    assert_eq!(all, (0..200).collect::<Vec<_>>());
    assert_eq!(s.remove(70), Some(70));
    assert_eq!(s.remove(70), None);
    assert_eq!(s.get(70), None);
    assert_eq!(s.len(), 199);
    assert_eq!(s.insert(1000), 70);
    assert_eq!(s.get(70), Some(&1000));
    assert_eq!(s.iter().count(), 200);
    assert_eq!(s.get(200), None);
    assert_eq!(s.get(u32::MAX), None);
    assert_eq!(s.remove(u32::MAX), None);
}

#[test]
fn a_key_ends_with_its_value_or_when_revoked() {
    let mut s = Slots::new();
    let i = s.insert('a');
    let first = s.generation(i);
    assert!(s.is_live(i, first));
    s.revoke(i);
    assert!(!s.is_live(i, first));
    let second = s.generation(i);
    s.remove(i);
    assert!(!s.is_live(i, second));
    s.insert('b');
    assert!(!s.is_live(i, first) && !s.is_live(i, second));
    assert!(s.is_live(i, s.generation(i)));
}
