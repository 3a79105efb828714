//! Tasks, run one at a time in the order in which they were woken.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Where a task was spawned, and as the how manieth: all the name it has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TaskName {
    /// Tasks are counted from 1.
    pub number: u64,
    /// The call that spawned it.
    pub spawned_at: &'static Location<'static>,
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} of {}", self.number, self.spawned_at)
    }
}

/// All tasks of a simulation.
#[derive(Default)]
pub(crate) struct Executor {
    /// By number.
    tasks: RefCell<BTreeMap<u64, Task>>,
    queue: Arc<Queue>,
    number: Cell<u64>,
    /// Tasks in the foreground that are not done.
    unfinished: Cell<usize>,
}

pub(crate) struct Task {
    pub(crate) name: TaskName,
    /// The one of which all others are clones, so that they are known to wake the same task.
    pub(crate) waker: Waker,
    shared: Arc<TaskWaker>,
    pub(crate) is_foreground: bool,
    /// Who waits for its end.
    pub(crate) joiner: Rc<RefCell<Option<Waker>>>,
    /// `None` while it runs.
    work: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

/// Numbers of tasks that are to run.
#[derive(Default)]
struct Queue(Mutex<VecDeque<u64>>);

struct TaskWaker {
    number: u64,
    is_queued: AtomicBool,
    queue: Arc<Queue>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::Relaxed) {
            self.queue.lock().push_back(self.number);
        }
    }
}

impl Executor {
    /// Has `future` run when its turn comes.
    pub(crate) fn spawn<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
        is_foreground: bool,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<T> {
        let number = self.number.get() + 1;
        self.number.set(number);
        let value = Rc::new(Cell::new(None));
        let joiner = Rc::new(RefCell::new(None));
        let to = (Rc::clone(&value), Rc::clone(&joiner));
        let work = async move {
            to.0.set(Some(future.await));
            if let Some(waker) = Option::<Waker>::take(&mut to.1.borrow_mut()) {
                waker.wake();
            }
        };
        let shared = Arc::new(TaskWaker {
            number,
            is_queued: AtomicBool::new(false),
            queue: Arc::clone(&self.queue),
        });
        shared.wake_by_ref();
        let task = Task {
            name: TaskName { number, spawned_at },
            waker: Waker::from(Arc::clone(&shared)).clone(),
            shared,
            is_foreground,
            joiner: Rc::clone(&joiner),
            work: Some(Box::pin(work)),
        };
        self.tasks.borrow_mut().insert(number, task);
        let more = usize::from(is_foreground);
        self.unfinished.set(self.unfinished.get() + more);
        JoinHandle { value, joiner }
    }

    /// Runs the first task that wants to, and returns its number; `None` when none does.
    pub(crate) fn run_one(&self) -> Option<u64> {
        let number = self.queue.lock().pop_front()?;
        // A waker may outlive its task.
        let taken = self.tasks.borrow_mut().get_mut(&number).and_then(|task| {
            let work = task.work.take()?;
            task.shared.is_queued.store(false, Ordering::Relaxed);
            Some((work, task.waker.clone()))
        });
        let Some((mut work, waker)) = taken else {
            return Some(number);
        };
        let done = work.as_mut().poll(&mut Context::from_waker(&waker));
        let mut tasks = self.tasks.borrow_mut();
        match done {
            Poll::Pending => {
                if let Some(task) = tasks.get_mut(&number) {
                    task.work = Some(work);
                }
            }
            Poll::Ready(()) => {
                let task = tasks.remove(&number);
                drop(tasks);
                let less = usize::from(task.is_some_and(|t| t.is_foreground));
                self.unfinished.set(self.unfinished.get() - less);
            }
        }
        Some(number)
    }

    /// Whether a task in the foreground has not ended.
    pub(crate) fn has_unfinished(&self) -> bool {
        self.unfinished.get() > 0
    }

    /// Shows `f` every task that has not ended, in the order of their numbers.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Task)) {
        self.tasks.borrow().values().for_each(&mut f);
    }

    /// Drops all tasks, and what their ends set free.
    pub(crate) fn clear(&self) {
        loop {
            let Some((_, task)) = self.tasks.borrow_mut().pop_first() else {
                break;
            };
            drop(task);
        }
    }
}

/// Waits for a task and gives what it gave. Dropping it leaves the task running.
pub struct JoinHandle<T> {
    value: Rc<Cell<Option<T>>>,
    joiner: Rc<RefCell<Option<Waker>>>,
}

impl<T> JoinHandle<T> {
    /// What the task gave, if it has ended and nobody has taken it.
    pub fn take(&self) -> Option<T> {
        self.value.take()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(value) = self.value.take() {
            return Poll::Ready(value);
        }
        *self.joiner.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").finish_non_exhaustive()
    }
}
