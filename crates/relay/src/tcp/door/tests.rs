use super::Doors;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::net::{TcpListener, TcpStream};

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn nobody_is_overtaken_from_connecting_until_he_has_arrived() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let doors = Arc::new(Doors::default());
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let quiet = || doors.poll_quiet(&mut Context::from_waker(&waker));
    let woken = || wakes.0.load(Ordering::Relaxed);

    assert_eq!(quiet(), Poll::Ready(()));
    let door = doors.open(listener);
    assert_eq!(quiet(), Poll::Ready(()), "it is not known when one comes");
    let _stranger = TcpStream::connect(at).await.unwrap();
    assert_eq!(quiet(), Poll::Pending, "before anybody has accepted it");
    door.accept().await.unwrap();
    assert_eq!(quiet(), Poll::Pending);
    assert_eq!(woken(), 0);
    door.turn_away();
    assert_eq!((woken(), quiet()), (1, Poll::Ready(())));

    let _server = TcpStream::connect(at).await.unwrap();
    door.accept().await.unwrap();
    let other = doors.open(TcpListener::bind("127.0.0.1:0").await.unwrap());
    assert_eq!(quiet(), Poll::Pending);
    drop(door);
    assert_eq!((woken(), quiet()), (2, Poll::Ready(())));
    drop(other);
    poll_fn(|cx| doors.poll_quiet(cx)).await;
}
