use super::Tcp;

fn size_of_future<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn a_connection_costs_little_while_it_waits() {
    let size = size_of_future(Tcp::asked);
    assert!(size <= 1536, "{size} octets each");
}
