use super::slab::Slabs;
use super::*;

#[test]
fn a_slab_is_used_again_when_its_packets_are_gone() {
    let mut slabs = Slabs::default();
    let mut seen = std::collections::BTreeSet::new();
    let mut held = std::collections::VecDeque::new();
    for _ in 0..1000 {
        let slab = slabs.room();
        assert!(slab.is_empty() && slab.capacity() >= read_write::READ_ROOM);
        slab.extend_from_slice(&[1; 60_000]);
        let packet = slab.split().freeze();
        seen.insert(packet.as_ptr() as usize);
        held.push_back(packet);
        if held.len() > 8 {
            held.pop_front();
        }
    }
    // Nine packets are held: three slabs full, one begun.
    assert!(seen.len() <= 5 * 4, "{}", seen.len());
}

#[test]
fn slabs_that_never_come_back_are_given_up() {
    let mut slabs = Slabs::default();
    let mut held = Vec::new();
    for _ in 0..200 {
        slabs.room().extend_from_slice(&[1; 60_000]);
        held.push(slabs.room().split().freeze());
    }
    assert!(
        held.iter()
            .all(|packet| packet.iter().all(|&octet| octet == 1))
    );
}
