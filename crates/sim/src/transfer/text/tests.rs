use super::Text;

#[test]
fn any_part_is_the_same_as_in_the_whole() {
    let text = Text::new(1, 0);
    let mut whole = [0; 200];
    text.fill(0, &mut whole);
    for (from, len) in (0..40).flat_map(|from| (0..40).map(move |len| (from, len))) {
        let mut part = vec![0; len];
        text.fill(from as u64, &mut part);
        assert_eq!(part, whole[from..from + len], "{len} octets at {from}");
    }
    let mut other = [0; 200];
    Text::new(1, 1).fill(0, &mut other);
    assert_ne!(whole, other);
}
